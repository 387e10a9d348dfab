"""A benchmark on the deployed cluster as a state machine: workers come, the generator runs, workers go. Pure.

Whatever happens once workers were asked for (a failure, a deadline, an interrupt), the generator is stopped and the
workers are scaled back to zero before the machine ends, unless they are to be kept, or AWS lets nothing be done.
"""

from __future__ import annotations

from enum import StrEnum

from auroral.aws_calls import Call, Failure, Kind
from auroral.ecs.fleet import BENCHMARK_WORKER
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, after
from auroral.ecs.operation import BEGUN, BENCH, INTERRUPTED, Operation, clear_mark, parse, set_mark
from auroral.ecs.remote.agents import Agents
from auroral.ecs.remote.occupied import RUNNING, SCALING, occupied
from auroral.ecs.remote.plan import RemotePlan
from auroral.ecs.rollout.steady import Before, Standing, State, Wanted, before, standing
from auroral.ecs.seen import ClusterSeen, ServiceSeen, TaskSeen
from auroral.errors import ExitCode
from auroral.units import format_duration

_START_CALL = "ecs:RunTask"
_FIRST_CALL = "ecs:TagResource"
"""Before it nothing has been changed; after it the mark has to go."""

AGAIN_S = 10.0
"""After so long a call whose effect is not seen is made again: DescribeServices and DescribeTasks may lag behind."""
UNKNOWN_S = 60.0
"""How long a generator that was started may be unknown to DescribeTasks."""
STOP_S = 180.0
"""How long a generator may take to stop: ECS kills it 120 s after SIGTERM."""
GO_S = 300.0
"""How long workers may take to stop."""


class Phase(StrEnum):
    """Where a run is."""

    CHECK = "check"
    WORKERS = "workers"
    AGENTS = "agents"
    """Generators of a run over several tasks come; the generator after them is their coordinator."""
    GENERATOR = "generator"
    RUN = "run"
    STOP = "stop"
    """The generator is asked to end early."""
    BACK = "back"
    """Workers go."""
    DONE = "done"


class RemoteMachine:
    """Decides for one remote run."""

    def __init__(self, plan: RemotePlan, *, again: str, back: str) -> None:
        """`again` is the command that begins anew, `back` the one that stops the workers."""
        self._plan = plan
        self._again, self._back = again, back
        self._since_s: float | None = None
        self._asked_s: dict[str, float] = {}
        self._before = Before()
        self._halted: Halted | None = None
        self._arn = ""
        self._interrupted = False
        self._seen_s = 0.0
        self._running = -1
        self._there = 0
        self._gone = False
        self._refused, self._refused_s = "", float("-inf")  # why RunTask failed last, and when
        self.phase = Phase.CHECK
        self.short = False
        """Whether workers or generator did not come in time: the pool's Auto Scaling group may say why."""
        self._agents = Agents(plan.agents)
        self.generator: TaskSeen | None = None
        """As it was seen last."""

    @property
    def workers_left(self) -> int:
        """How many workers were still asked for, or ran, when the cluster was last seen."""
        return self._there

    @property
    def agents_left(self) -> int:
        """Generators of a run over several tasks that were asked for, and have not been seen to stop."""
        plan = self._agents.plan
        if plan is None or "agents" not in self._asked_s:
            return 0
        if self.phase is Phase.DONE:  # by then all that were started have been seen
            return len(self._agents.left)
        return plan.count - self._agents.stopped

    @property
    def touched(self) -> bool:
        """Whether anything was asked of the cluster."""
        return bool(self._asked_s)

    # What a driver asks

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        """What to do, as the cluster is seen."""
        self._arn = seen.arn or self._arn
        service = seen.services.get(BENCHMARK_WORKER)
        if service is None or service.status != "ACTIVE":
            return Halted(
                reason=f"the service {self._plan.service} is {service.status.lower() if service else 'missing'}",
                hint="apply the platform stack, which makes it",
            )
        self._there = max(service.desired, service.running)
        self._look_for_generator(seen, now_s)
        if self._since_s is None:
            self._since_s = now_s
        steps = {
            Phase.CHECK: self._check,
            Phase.WORKERS: self._workers,
            Phase.AGENTS: self._agents_come,
            Phase.GENERATOR: self._generator,
            Phase.RUN: self._run,
            Phase.STOP: self._stop,
            Phase.BACK: self._back_to_zero,
        }
        while self.phase is not Phase.DONE:
            before = self.phase
            decision = steps[before](seen, service, now_s)
            if decision is not None:
                return decision
            assert self.phase is not before, before
        return self._halted or Finished(say=f"run {self._plan.run_id} is over")

    def failed(self, failure: Failure, now_s: float) -> Decision:
        """What to do after a look or a call failed."""
        if failure.call == _START_CALL:
            self._refused, self._refused_s = f"{failure.call} failed: {failure.code}: {failure.words}", now_s
        decision = after(failure, doing=self.where(), again=self._again)
        if not isinstance(decision, Halted):
            return decision
        if self.phase is Phase.CHECK or not self.touched:
            return decision
        nothing = not self._there and self.generator is None and "run" not in self._asked_s
        if nothing and self.phase is Phase.WORKERS and (failure.kind is Kind.EXPIRED or failure.call == _FIRST_CALL):
            return decision
        if failure.kind is Kind.EXPIRED or self.phase in (Phase.STOP, Phase.BACK):
            first = "renew the credentials; " if failure.kind is Kind.EXPIRED else ""
            left = f"{first}what was started goes on, and costs money. Stop the workers: {self._back}"
            return Halted(reason=decision.reason, hint=left, exit_code=decision.exit_code)
        self._give_up(decision, now_s)
        return Await(say=f"{decision.reason}; scaling back", progressed=True)

    def where(self) -> str:
        """What was under way."""
        words = {
            Phase.CHECK: "looking at the cluster",
            Phase.WORKERS: f"waiting for {self._plan.workers} workers",
            Phase.AGENTS: f"waiting for {self._agents.plan.count if self._agents.plan else 0} generators",
            Phase.GENERATOR: "starting the generator",
            Phase.RUN: f"following the run {self._plan.run_id}",
            Phase.STOP: "stopping the generator",
            Phase.BACK: "scaling the workers back to zero",
            Phase.DONE: "done",
        }
        return words[self.phase]

    def interrupt(self, now_s: float) -> None:
        """Somebody asked to stop: the generator ends, then the workers go."""
        self._interrupted = True
        halted = Halted(reason=f"interrupted while {self.where()}", hint=self._again, exit_code=ExitCode.INTERRUPTED)
        self._give_up(halted, now_s)

    def give_up(self, reason: str, now_s: float) -> None:
        """A deadline is over: the same, with this reason."""
        self._give_up(Halted(reason=reason, hint=self._again), now_s)

    # Phases: each answers, or goes on to another phase and answers None

    def _check(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        halted = occupied(self._plan, seen, back=self._back)
        if halted is not None:
            return halted
        self._before = before(seen, BENCHMARK_WORKER)
        self._go(Phase.WORKERS, now_s)
        return None

    def _workers(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        plan, primary = self._plan, service.primary
        other = primary is not None and primary.task_definition != plan.worker_definition
        if service.desired != plan.workers or (other and "scale" not in self._asked_s):
            if not self._may_ask("scale", now_s):
                return Await(say=f"{plan.workers} workers are asked for")
            calls = (
                self._mark(BEGUN, seen, SCALING),
                plan.scale(plan.workers, plan.worker_definition if other else ""),
            )
            return Act(calls=calls, say=f"scaling {plan.service} from {service.desired} to {plan.workers}")
        waited_s = self._waited_s(now_s)
        stands = standing(
            seen, wanted(plan.workers, plan.start_period_s, plan.worker_definition), self._before, waited_s
        )
        if stands.state is State.STEADY:
            self._go(Phase.AGENTS if plan.agents is not None else Phase.GENERATOR, now_s)
        elif stands.state is State.FAILING:
            told = f"the workers fail: {stands.reason}"
            self._give_up(Halted(reason=told, hint=f"see their log, mend that, then: {self._again}"), now_s)
        elif waited_s > plan.come_s:
            self._give_up(self._late(stands, seen), now_s)
        else:
            progressed, self._running = service.running > self._running, service.running
            return Await(say=f"workers: {_brief(stands.reason)}; {self._instances(seen)}", progressed=progressed)
        return None

    def _agents_come(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        agents, plan = self._agents, self._plan
        assert agents.plan is not None
        if agents.ended is not None:
            told = f"a generator, task {agents.ended.id}, has ended before the run began: {agents.ended.reason}"
            self._give_up(Halted(reason=told, hint=f"see its log, mend that, then: {self._again}"), now_s)
        elif agents.running == agents.plan.count:
            self._go(Phase.GENERATOR, now_s)
        elif self._waited_s(now_s) > plan.come_s:
            self.short = True
            told = f"{agents.running} of {agents.plan.count} generators run after {format_duration(plan.come_s)}"
            why = f"; {self._refused}" if self._refused else ""
            self._give_up(Halted(reason=f"{told}; {self._instances(seen)}{why}", hint=self._again), now_s)
        elif agents.known < agents.plan.count and self._may_ask("agents", now_s):
            return Act(calls=agents.plan.start(), say=f"starting {agents.plan.count} generators")
        else:
            return Await(say=f"generators: {agents.running} of {agents.plan.count} run; {self._instances(seen)}")
        return None

    def _generator(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        plan, task = self._plan, self.generator
        if task is None:
            return self._start(seen, now_s)
        if task.status == "STOPPED":
            self._go(Phase.BACK, now_s)
        elif task.status == "RUNNING":
            self._go(Phase.DONE if plan.detach else Phase.RUN, now_s)
        elif self._waited_s(now_s) > plan.come_s:
            self.short = True
            told = (
                f"the generator is {task.status.lower()} after {format_duration(plan.come_s)}; {self._instances(seen)}"
            )
            self._give_up(Halted(reason=told, hint=self._again), now_s)
        else:
            return Await(say=f"task {task.id}: {task.status.lower()}; {self._instances(seen)}")
        return None

    def _start(self, seen: ClusterSeen, now_s: float) -> Decision | None:
        if self._waited_s(now_s) > self._plan.come_s and self._refused:
            within = format_duration(self._plan.come_s)
            told = f"the generator was not started within {within}: {self._refused}"
            self._give_up(Halted(reason=told, hint=self._again), now_s)
            return None
        if min(self._waited_s(now_s), now_s - self._refused_s) > UNKNOWN_S:
            self._give_up(Halted(reason="ECS does not know the generator that it started", hint=self._again), now_s)
            return None
        if not self._may_ask("run", now_s):
            return Await(say="the generator is asked for")
        calls = (self._plan.start(), self._mark(BEGUN, seen, RUNNING))
        return Act(calls=calls, say=f"starting the generator of run {self._plan.run_id}")

    def _run(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        task, plan = self.generator, self._plan
        assert task is not None
        if task.status == "STOPPED":
            self._go(Phase.BACK, now_s)
            return None
        if now_s - self._seen_s > UNKNOWN_S:
            self._gone = True
            self._give_up(Halted(reason=f"ECS knows task {task.id} no more", hint=self._again), now_s)
            return None
        if self._waited_s(now_s) > plan.run_s:
            told = f"the generator still runs after {format_duration(plan.run_s)}, longer than its settings allow"
            self._give_up(Halted(reason=told, hint=self._again), now_s)
            return None
        few = f": only {service.running} of {plan.workers} workers run" if service.running < plan.workers else ""
        return Await(say=f"the benchmark runs{few}")

    def _stop(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        task = self.generator
        unknown = task is None and self._asked_for_s("run", now_s) < UNKNOWN_S
        if unknown:
            return Await(say="seeing whether the generator was started", progressed=True)
        over = task is None or task.status == "STOPPED" or self._gone
        if over or self._waited_s(now_s) > STOP_S:
            self._go(Phase.BACK, now_s)
            return None
        assert task is not None
        if not self._may_ask("stop", now_s):
            return Await(say="the generator ends: it drains, cleans up and sends what it has")
        stop = Call(
            service="ecs",
            operation="stop_task",
            arguments={"cluster": self._plan.cluster, "task": task.arn, "reason": "stopped by auroral bench remote"},
            why="stop the generator",
        )
        marks = (self._mark(INTERRUPTED, seen, RUNNING),) if self._interrupted else ()
        return Act(calls=(stop, *marks), say=f"stopping the generator, task {task.id}")

    def _back_to_zero(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision | None:
        decision = self._agents_go(service, now_s)
        if decision is not None:
            return decision
        if not self._plan.keep_workers:
            if service.desired:
                if not self._may_ask("back", now_s):
                    return Await(say="no workers are asked for any more")
                return Act(calls=(self._plan.scale(0),), say=f"scaling {self._plan.service} back to 0")
            left = _left(seen, service)
            if left and self._waited_s(now_s) <= GO_S:
                return Await(say=f"workers: {left} still stop")
        return self._unmark(seen, now_s)

    def _unmark(self, seen: ClusterSeen, now_s: float) -> Decision | None:
        operation = parse(seen.mark)
        if operation is not None and operation.name == BENCH and self._waited_s(now_s) <= GO_S:
            if not self._may_ask("clear", now_s):
                return Await(say=self._after_words())
            return Act(calls=(clear_mark(seen.arn),), say=self._after_words())
        self._go(Phase.DONE, now_s)
        return None

    def _agents_go(self, service: ServiceSeen, now_s: float) -> Decision | None:
        agents = self._agents
        if agents.plan is None or self._waited_s(now_s) > GO_S:
            return None
        if agents.known < agents.plan.count and self._asked_for_s("agents", now_s) < UNKNOWN_S:
            return Await(say="seeing whether the generators were started", progressed=True)
        if agents.left and self._may_ask("stop agents", now_s):
            return Act(calls=agents.stop(self._plan.cluster), say=f"stopping {len(agents.left)} generators")
        if agents.left and (self._plan.keep_workers or not service.desired):
            return Await(say=f"{len(agents.left)} generators still stop")
        return None

    # Parts

    def _after_words(self) -> str:
        if self._plan.keep_workers:
            return f"the workers are kept, and cost money; stop them: {self._back}"
        return "workers are at 0; their instances follow by ECS's managed scaling"

    def _look_for_generator(self, seen: ClusterSeen, now_s: float) -> None:
        self._agents.see(seen)
        for task in (*seen.stopped, *seen.tasks):
            if task.started_by == self._plan.started_by:
                self.generator, self._seen_s = task, now_s

    def _give_up(self, halted: Halted, now_s: float) -> None:
        if self._halted is None or halted.exit_code is ExitCode.INTERRUPTED:
            self._halted = halted
        if self.phase in (Phase.STOP, Phase.BACK, Phase.DONE):
            return
        if not self.touched:
            self._go(Phase.DONE, now_s)
        else:
            self._go(Phase.STOP if "run" in self._asked_s else Phase.BACK, now_s)

    def _go(self, phase: Phase, now_s: float) -> None:
        self.phase, self._since_s = phase, now_s

    def _waited_s(self, now_s: float) -> float:
        return now_s - (self._since_s if self._since_s is not None else now_s)

    def _asked_for_s(self, what: str, now_s: float) -> float:
        """Since it was asked last; endless where it never was."""
        return now_s - self._asked_s[what] if what in self._asked_s else float("inf")

    def _may_ask(self, what: str, now_s: float) -> bool:
        if self._asked_for_s(what, now_s) < AGAIN_S:
            return False
        self._asked_s[what] = now_s
        return True

    def _mark(self, state: str, seen: ClusterSeen, phase: str) -> Call:
        facts = {"run": self._plan.run_id[:64], "workers": str(self._plan.workers), "phase": phase}
        if self.generator is not None:
            facts["task"] = self.generator.id
        return set_mark(seen.arn, Operation(name=BENCH, state=state, at=seen.at, facts=facts))

    def _instances(self, seen: ClusterSeen) -> str:
        provider = self._plan.provider
        ours = [one for one in seen.instances if provider in ("", one.provider)]
        ready = sum(one.status == "ACTIVE" and one.connected for one in ours)
        return "1 instance is ready" if ready == 1 else f"{ready} instances are ready"

    def _late(self, stands: Standing, seen: ClusterSeen) -> Halted:
        self.short = True
        return Halted(
            reason=f"the workers are not steady after {format_duration(self._plan.come_s)}: {_brief(stands.reason)}; "
            f"{self._instances(seen)}",
            hint="the activities of the pool's Auto Scaling group name a shortage of instances, or a quota; "
            f"--timeout waits longer: {self._again}",
        )


def wanted(workers: int, start_period_s: float, definition: str = "") -> Wanted:
    """What the workers' service is asked to be. A start period belongs to a health check."""
    return Wanted(
        key=BENCHMARK_WORKER,
        count=workers,
        task_definition=definition,
        health_checked=start_period_s > 0,
        start_period_s=start_period_s,
    )


def _brief(reason: str) -> str:
    """ECS's words without where to read on."""
    return reason.split(" For more information", maxsplit=1)[0].rstrip(".")


def _left(seen: ClusterSeen, service: ServiceSeen) -> int:
    """Workers that are not gone yet."""
    stopping = [one for one in seen.stopped if one.service == BENCHMARK_WORKER and one.status != "STOPPED"]
    return max(service.running + service.pending, len(seen.tasks_of(BENCHMARK_WORKER)) + len(stopping))
