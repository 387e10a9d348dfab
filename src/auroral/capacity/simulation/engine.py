"""Runs a simulation: processes, Aurora DSQL, the counter and a timeline, to an outcome. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from auroral.capacity.simulation.clock import Clock, stream
from auroral.capacity.simulation.controller import Controller, ProcessState
from auroral.capacity.simulation.counter import Counter
from auroral.capacity.simulation.dsql import Dsql
from auroral.capacity.simulation.outcome import Outcome, Totals
from auroral.capacity.simulation.process import Process
from auroral.capacity.simulation.record import Probes, Record
from auroral.capacity.simulation.spec import NANOS, CounterSpec, Demand, DsqlSpec, ProcessSpec, nanos
from auroral.capacity.simulation.timeline import (
    EVERY,
    Action,
    ChangeDemand,
    CounterOutage,
    Cut,
    DsqlOutage,
    ExpireAll,
    ScaleDemand,
    Start,
    Stop,
    Which,
)
from auroral.errors import UsageError

__all__ = ["Probes", "simulate"]

_LONGEST_S = 31 * 86_400


class Engine:
    """The world of one simulation. It implements `controller.World`."""

    def __init__(
        self,
        *,
        until_s: float,
        seed: int,
        dsql: DsqlSpec,
        counter: CounterSpec | None,
        services: list[str],
        controllers: Sequence[Controller],
        probes: Probes,
        shared: Mapping[str, Demand],
        skip: bool,
    ) -> None:
        self._until = nanos(until_s)
        self._seed = seed
        self._clock = Clock()
        self._dsql = Dsql(dsql)
        self._counter = None if counter is None else Counter(counter)
        self._record = Record(-(-self._until // NANOS), services, probes)
        self._controllers = controllers
        self._skip = skip
        self._processes: dict[str, Process] = {}
        self._known: set[str] = set()
        self._restarting: dict[str, ProcessSpec] = {}
        self._shared = shared
        self._incarnations: dict[str, int] = {}
        self._demands: dict[str, Any] = {}
        self._factor = 1.0
        self._actions = 0
        self._events = 0
        self._bound = 0.0
        self._acts: dict[type, Callable[[Any], None]] = {
            Start: self._start_action,
            Stop: self._stop,
            ChangeDemand: self._change_demand,
            ScaleDemand: self._scale_demand,
            Cut: self._cut,
            ExpireAll: self._expire_all,
            DsqlOutage: self._shut,
            CounterOutage: self._fail_counter,
        }

    # What a controller sees.

    @property
    def now_s(self) -> float:
        """Simulated time."""
        return self._clock.now / NANOS

    def running(self, service: str = "") -> list[ProcessState]:
        """Processes that have started and not ended."""
        return [one.state() for one in self._processes.values() if service in ("", one.spec.service)]

    def act(self, action: Action) -> None:
        """Do this now, or at its time where that is later."""
        self._clock.at(nanos(action.at_s), self._do, action)

    def call_at(self, at_s: float, call: Callable[[], None]) -> None:
        """Call back then."""
        self._clock.at(nanos(at_s), self._call, call)

    def note(self, text: str) -> None:
        """Put a line among the events."""
        self._record.note("note", "", text)

    @staticmethod
    def _call(call: Callable[[], None]) -> None:
        call()

    # The timeline.

    def _do(self, action: Action) -> None:
        self._actions += 1
        self._acts[type(action)](action)

    def _start_action(self, action: Start) -> None:
        self._start(action.process)

    def _change_demand(self, action: ChangeDemand) -> None:
        for process in self._matching(action.which):
            self._demands[process.id] = action.demand
            process.change(self._demand(process))

    def _scale_demand(self, action: ScaleDemand) -> None:
        self._factor = action.factor
        for process in self._matching(EVERY):
            process.change(self._demand(process))

    def _expire_all(self, action: ExpireAll) -> None:
        self._record.note("expire all")
        for process in self._matching(action.which):
            for pool in process.pools:
                pool.expire_all()

    def _shut(self, action: DsqlOutage) -> None:
        self._record.note("outage", "", f"DSQL takes no connection until {action.until_s:g} s")
        self._dsql.shut(action)

    def _fail_counter(self, action: CounterOutage) -> None:
        self._record.note("outage", "", f"the counter's table is {action.mode} until {action.until_s:g} s")
        if self._counter is not None:
            self._counter.fail(action)

    def _matching(self, which: Which) -> list[Process]:
        return [one for one in self._processes.values() if which.matches(one.spec) and not one.stopping]

    def _start(self, spec: ProcessSpec) -> None:
        if spec.id in self._known:
            raise UsageError(
                f"process {spec.id} was started before",
                hint="Give the process that takes its place another generation or replica.",
            )
        self._known.add(spec.id)
        self._run(spec)

    def _run(self, spec: ProcessSpec) -> None:
        self._record.add_service(spec.service)
        incarnation = self._incarnations.get(spec.id, 0)
        self._incarnations[spec.id] = incarnation + 1
        process = Process(
            spec,
            incarnation=incarnation,
            seed=self._seed,
            clock=self._clock,
            dsql=self._dsql,
            counter=self._counter,
            record=self._record,
            skip=self._skip,
            changed=self._changed,
        )
        self._processes[spec.id] = process
        process.start()

    def _changed(self, process: Process, what: str) -> None:
        spec = process.spec
        match what:
            case "warm":
                process.serve(self._demand(process))
                self._share(spec.service)
                for controller in self._controllers:
                    controller.warm(self, spec)
            case "failed":
                process.end()
                if spec.restart_after_s is not None:
                    self._restarting[spec.id] = spec
                    self._clock.at(self._clock.now + nanos(spec.restart_after_s), self._restart, spec)
                for controller in self._controllers:
                    controller.failed(self, spec)
            case "ended":
                self._settle(process)
                self._demands.pop(process.id, None)
                del self._processes[spec.id]
                for controller in self._controllers:
                    controller.ended(self, spec)

    def _restart(self, spec: ProcessSpec) -> None:
        if self._restarting.pop(spec.id, None) is not None:
            self._run(spec)

    def _demand(self, process: Process) -> Demand | None:
        service = process.spec.service
        demand: Demand | None = self._demands.get(process.id, process.spec.demand)
        if demand is None and process.id not in self._demands and service in self._shared:
            whole = self._shared[service]
            demand = Demand(rate_per_s=whole.rate_per_s / max(1, len(self._serving(service))), hold=whole.hold)
        if demand is None or self._factor == 1.0:
            return demand
        return Demand(rate_per_s=demand.rate_per_s * self._factor, hold=demand.hold)

    def _serving(self, service: str) -> list[Process]:
        return [
            one for one in self._processes.values() if one.spec.service == service and one.warm and not one.stopping
        ]

    def _share(self, service: str) -> None:
        """The processes that serve share the demand of their service anew."""
        if service in self._shared:
            for process in self._serving(service):
                process.change(self._demand(process))

    def _stop(self, action: Stop) -> None:
        for spec in [one for one in self._restarting.values() if action.which.matches(one)]:
            del self._restarting[spec.id]
        # One that drains can still be killed.
        for process in [one for one in self._processes.values() if action.which.matches(one.spec)]:
            if process.stopping and action.drain_s > 0:
                continue
            if action.drain_s > 0:
                process.stop()
                self._clock.at(self._clock.now + nanos(action.drain_s), self._drained, (process, action.linger_s))
            else:
                process.end(action.linger_s)
            self._share(process.spec.service)

    @staticmethod
    def _drained(drained: tuple[Process, float]) -> None:
        process, linger_s = drained
        process.end(linger_s)

    def _cut(self, action: Cut) -> None:
        pools = [pool for process in self._matching(action.which) for pool in process.pools]
        live = [(number, one) for number, pool in enumerate(pools) for one in pool.live()]
        if action.count is not None and action.count < len(live):
            live = stream(self._seed, "cut", self._actions).sample(live, action.count)
        of: dict[int, list[int]] = {}
        for number, one in sorted(live):
            of.setdefault(number, []).append(one)
        for number, connections in of.items():
            pools[number].cut(connections)

    # Running.

    def run(self, processes: Sequence[ProcessSpec], timeline: Iterable[Action]) -> Outcome:
        """Run to the end."""
        for action in timeline:
            self.act(action)
        for controller in self._controllers:
            controller.begin(self)
        for spec in processes:
            self.act(Start(at_s=0, process=spec))
        self._loop()
        return self._outcome()

    def _loop(self) -> None:
        clock, record, heap, until = self._clock, self._record, self._clock.heap, self._until
        pop = heapq.heappop
        boundary, events = NANOS, 0
        while heap:
            now = heap[0][0]
            if now >= boundary:
                if now >= until:
                    break
                # One second at a time: what watched requests do at its end may come before `now`.
                clock.now = record.now = boundary
                self._end_second()
                boundary += NANOS
                continue
            _, _, call, argument = pop(heap)
            clock.now = record.now = now
            events += 1
            call(argument)
        while boundary <= until:
            clock.now = record.now = boundary
            self._end_second()
            boundary += NANOS
        clock.now = record.now = until
        if until % NANOS:
            self._end_second()
        self._events = events

    def _end_second(self) -> None:
        now = self._clock.now
        for watched in list(self._record.watched):
            watched.end_second(now)
        self._record.end_second(self._dsql.open, self._dsql.refill(now))

    def _settle(self, process: Process) -> None:
        for pool in process.pools:
            self._bound += pool.requests.bound
            self._record.count("requests", pool.requests.simulated)
            self._record.count("broken", pool.requests.broken)

    def _outcome(self) -> Outcome:
        record, series = self._record, self._record.series
        for process in self._processes.values():
            for pool in process.pools:
                pool.end_shortage()
                pool.requests.end(self._clock.now)
            self._settle(process)
        record.end()
        counted = {name: count for name, count in record.totals.items() if not name.startswith("!")}
        return Outcome(
            seed=self._seed,
            until_s=self._until / NANOS,
            series=series,
            totals=Totals(
                attempts=sum(series.attempts),
                opened=sum(series.opened),
                refused_rate=sum(series.refused_rate),
                refused_cap=sum(series.refused_cap),
                refused_outage=sum(series.refused_outage),
                timed_out=sum(series.timed_out),
                most_open=self._dsql.most_open,
                most_attempts_in_a_second=max(series.attempts),
                least_bucket=max(record.least_bucket, 0) // NANOS,
                counted=sum(series.counted),
                counter_refused=sum(series.counter_refused),
                uncounted=sum(series.uncounted),
                waits=sum(series.waits),
                events=self._events,
                violations={name[1:]: count for name, count in sorted(record.totals.items()) if name.startswith("!")},
                **counted,
            ),
            longest_wait=record.longest,
            violations=record.violations,
            warmups=record.warmups,
            full=record.full,
            shortages=record.shortages,
            skipped_wait_bound=self._bound,
        )


def simulate(
    processes: Sequence[ProcessSpec],
    *,
    until_s: float,
    seed: int,
    dsql: DsqlSpec | None = None,
    counter: CounterSpec | None = None,
    timeline: Iterable[Action] = (),
    controllers: Sequence[Controller] = (),
    probes: Probes | None = None,
    service_demand: Mapping[str, Demand] | None = None,
    skip_idle_requests: bool = True,
) -> Outcome:
    """Run the cluster from 0 to `until_s` and say what happened.

    `processes` start at 0; others by `Start` in the timeline or by a controller. `counter` is needed where a process
    has the distributed limiter. `service_demand` is of all processes of a service together: those that serve share it
    evenly, but for those that have a demand of their own. `skip_idle_requests` false simulates every request, however
    improbable a wait is.
    Same arguments, same bytes: each process draws from random streams of its own, made of the seed and its id.
    Errors: UsageError for what cannot be simulated.
    """
    if not 0 < until_s <= _LONGEST_S:
        raise UsageError(f"expected a simulation of up to 31 days, not of {until_s:g} s")
    actions = list(timeline)
    starts = [action.process for action in actions if isinstance(action, Start)]
    services = list(dict.fromkeys(spec.service for spec in [*processes, *starts]))
    engine = Engine(
        until_s=until_s,
        seed=seed,
        dsql=dsql or DsqlSpec(),
        counter=counter,
        services=services,
        controllers=controllers,
        probes=probes or Probes(),
        shared=service_demand or {},
        skip=skip_idle_requests,
    )
    return engine.run(processes, actions)
