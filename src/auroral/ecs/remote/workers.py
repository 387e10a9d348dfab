"""Scaling the benchmark workers on their own, as a state machine. Pure."""

from __future__ import annotations

from auroral.aws_calls import Failure
from auroral.ecs.fleet import BENCHMARK_WORKER, FleetService
from auroral.ecs.machine import Act, Await, Decision, Finished, Halted, after
from auroral.ecs.operation import BEGUN, BENCH, KEPT, Operation, clear_mark, parse, set_mark
from auroral.ecs.remote.machine import AGAIN_S, wanted
from auroral.ecs.remote.plan import scale_call
from auroral.ecs.rollout.steady import Before, State, before, standing
from auroral.ecs.seen import ClusterSeen, ServiceSeen
from auroral.errors import ExitCode


class WorkersMachine:
    """Decides for one change of the workers' number."""

    def __init__(self, cluster: str, service: FleetService, workers: int, *, again: str) -> None:
        """`again` is the command that goes on."""
        self._cluster, self._service, self._workers, self._again = cluster, service, workers, again
        self._asked_s: dict[str, float] = {}
        self._before: Before | None = None
        self._running = -1

    def next(self, seen: ClusterSeen, now_s: float) -> Decision:
        """What to do, as the cluster is seen."""
        service = seen.services.get(BENCHMARK_WORKER)
        if service is None or service.status != "ACTIVE":
            told = service.status.lower() if service else "missing"
            hint = "apply the platform stack, which makes it"
            return Halted(reason=f"the service {self._service.name} is {told}", hint=hint)
        operation = parse(seen.mark)
        if operation is not None and operation.name != BENCH and self._workers:
            return Halted(
                reason=f"`auroral cluster {operation.name}` has {operation.state} on this cluster, and is not done",
                hint="`auroral cluster status` says how to go on with it",
                exit_code=ExitCode.USAGE,
            )
        if self._before is None:
            self._before = before(seen, BENCHMARK_WORKER)
        if service.desired != self._workers:
            return self._scale(seen, service, now_s)
        return self._await(seen, service, self._before, now_s) or self._end(seen, now_s)

    def _await(self, seen: ClusterSeen, service: ServiceSeen, began: Before, now_s: float) -> Decision | None:
        waited_s = now_s - self._asked_s.get("scale", now_s)
        stands = standing(seen, wanted(self._workers, float(self._service.start_period_s)), began, waited_s)
        if stands.state is State.FAILING and self._workers:
            return Halted(reason=f"the workers fail: {stands.reason}", hint=f"see their log; {self._again} goes on")
        if stands.state is not State.STEADY and (service.running + service.pending or self._workers):
            progressed, self._running = service.running > self._running, service.running
            return Await(say=f"workers: {stands.reason}", progressed=progressed)
        return None

    def _end(self, seen: ClusterSeen, now_s: float) -> Decision:
        operation = parse(seen.mark)
        ours = operation is not None and operation.name == BENCH
        if ours and not self._workers and self._may_ask("clear", now_s):
            return Act(calls=(clear_mark(seen.arn),), say="no benchmark is under way any more")
        return Finished(say=f"{self._workers} workers run" if self._workers else "no workers run")

    def failed(self, failure: Failure, now_s: float) -> Decision:
        """What to do after a look or a call failed."""
        return after(failure, doing=self.where(), again=self._again)

    def where(self) -> str:
        """What was under way."""
        return f"scaling the benchmark workers to {self._workers}"

    def _scale(self, seen: ClusterSeen, service: ServiceSeen, now_s: float) -> Decision:
        if not self._may_ask("scale", now_s):
            return Await(say=f"{self._workers} workers are asked for")
        scale = scale_call(self._cluster, self._service.name, self._workers)
        facts = {"phase": KEPT, "workers": str(self._workers)}
        mark = set_mark(seen.arn, Operation(name=BENCH, state=BEGUN, at=seen.at, facts=facts))
        calls = (mark, scale) if self._workers else (scale,)
        return Act(calls=calls, say=f"scaling {self._service.name} from {service.desired} to {self._workers}")

    def _may_ask(self, what: str, now_s: float) -> bool:
        if what in self._asked_s and now_s - self._asked_s[what] < AGAIN_S:
            return False
        self._asked_s[what] = now_s
        return True
