"""One server process: its gate, its pools, its life. Pure."""

from __future__ import annotations

from collections.abc import Callable

from auroral.capacity.simulation.clock import Clock
from auroral.capacity.simulation.controller import ProcessState
from auroral.capacity.simulation.counter import Counter
from auroral.capacity.simulation.dial import Dial
from auroral.capacity.simulation.dsql import Dsql
from auroral.capacity.simulation.gate import Gate
from auroral.capacity.simulation.outcome import Warmup
from auroral.capacity.simulation.pool import Pool
from auroral.capacity.simulation.record import Record
from auroral.capacity.simulation.spec import NANOS, Demand, ProcessSpec, nanos


class Process:
    """From its start to its end. `changed` hears of `warm`, `failed` and `ended`."""

    def __init__(
        self,
        spec: ProcessSpec,
        *,
        incarnation: int,
        seed: int,
        clock: Clock,
        dsql: Dsql,
        counter: Counter | None,
        record: Record,
        skip: bool,
        changed: Callable[[Process, str], None],
    ) -> None:
        self.spec = spec
        self.id = spec.id + (f"#{incarnation + 1}" if incarnation else "")
        self.names: tuple[object, ...] = (seed, self.id)
        self.clock = clock
        self.record = record
        self.dsql = dsql
        self.skip = skip
        self.gate = Gate(clock, spec, counter, record, self.names)
        self.started = clock.now
        self.warm = False
        self.stopping = False
        self.ended = False
        self._changed = changed
        self._lacking = 1  # it is not warm
        self._opener = Dial(self, "start")
        self._left = spec.startup_connections
        self.pools = [Pool(self, number) for number in range(spec.pools)]
        self._warming = 0

    def start(self) -> None:
        """Run."""
        self.record.note("start", self.id)
        self.record.change(running=1, lacking=1)
        if self.spec.warm:
            self.pools[0].start_warm()
        else:
            self._start_up()

    # Temporal's start-up, then pool after pool.

    def _start_up(self) -> None:
        if self._left:
            self._left -= 1
            self.gate.enter(self._attempt)
        else:
            self.pools[0].start()

    def _attempt(self, _: None) -> None:
        if not self.ended:
            self._opener.attempt(self._opened, self._refused)

    def _opened(self, _: None) -> None:
        self.record.opened[self.record.second] += 1
        self._opener.closed()
        if not self.ended:
            self._start_up()

    def _refused(self, verdict: str) -> None:
        if verdict == "time-out":
            self._opener.closed()
        if not self.ended:
            self.record.refused(verdict, self.id)
            self._fail(f"a connection of Temporal's start-up was refused ({verdict})")

    def pool_warmed(self, pool: Pool) -> None:
        """A pool's warm-up is over; the next begins, or the process serves."""
        if not pool.warmup.result.usable:
            self._fail("no connection could be opened")
            return
        pool.keep()
        self._warming += 1
        if self._warming < len(self.pools):
            following = self.pools[self._warming]
            if self.spec.warm:
                following.start_warm()
            else:
                following.start()
            return
        self.warm = True
        self._tell_warmup(usable=True)
        self.record.note("warm", self.id)
        self.lacks(-1)
        for one in self.pools:
            one.begin_shortage()
        self._changed(self, "warm")

    def serve(self, demand: Demand | None) -> None:
        """Requests come from now on."""
        now = self.clock.now
        for pool in self.pools:
            pool.requests.begin(now, self._share(demand), pool.usable)

    def change(self, demand: Demand | None) -> None:
        """Other requests come from now on."""
        for pool in self.pools:
            pool.requests.change(self.clock.now, self._share(demand))

    def _share(self, demand: Demand | None) -> Demand | None:
        if demand is None or len(self.pools) == 1:
            return demand
        return Demand(rate_per_s=demand.rate_per_s / len(self.pools), hold=demand.hold)

    def _fail(self, why: str) -> None:
        self._tell_warmup(usable=False)
        self.record.count("failed_starts")
        self.record.violate("failed-start", self.id, why)
        self._changed(self, "failed")

    def _tell_warmup(self, usable: bool) -> None:
        results = [pool.warmup.result for pool in self.pools]
        self.record.warm(
            Warmup(
                process=self.id,
                service=self.spec.service,
                started_s=self.started / NANOS,
                took_s=(self.clock.now - self.started) / NANOS,
                created=sum(one.created for one in results),
                failed=sum(one.failed for one in results),
                attempts=sum(one.attempts for one in results),
                usable=usable,
            )
        )

    def lacks(self, by: int) -> None:
        """It misses one thing more, or less: its warm-up, a pool's connections."""
        before, self._lacking = self._lacking, self._lacking + by
        if not self.stopping and bool(before) != bool(self._lacking):
            self.record.change(lacking=1 if self._lacking else -1)

    # The end.

    def stop(self) -> None:
        """No more requests; openings go on until the end."""
        if self.stopping:
            return
        self.record.note("stop", self.id)
        for pool in self.pools:
            pool.stop()
        if self._lacking:
            self.record.change(running=-1, lacking=-1)
        else:
            self.record.change(running=-1)
        self.stopping = True

    def end(self, linger_s: float = 0.0) -> None:
        """Close everything; DSQL counts the connections that much longer."""
        if self.ended:
            return
        self.stop()
        self.ended = True
        held = sum(pool.end() for pool in self.pools)
        self.clock.at(self.clock.now + nanos(linger_s), self._noticed, held)
        self._changed(self, "ended")

    def _noticed(self, held: int) -> None:
        self._opener.closed(held)

    def state(self) -> ProcessState:
        """As a controller sees it."""
        return ProcessState(
            spec=self.spec,
            started_s=self.started / NANOS,
            warm=self.warm,
            stopping=self.stopping,
            usable=sum(pool.usable for pool in self.pools),
            target=self.spec.pool_size * self.spec.pools,
        )
