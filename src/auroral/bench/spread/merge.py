"""The accounts of one generator, as they come in, each once and in order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from auroral.bench.histogram import Histogram
from auroral.bench.limits import Reading
from auroral.bench.protocol import Tick
from auroral.bench.spread.part import Account, Heartbeat, InteractionCounts, decode_account


class Inbox:
    """What has come of one generator."""

    def __init__(self, generator: int) -> None:
        self._generator = generator
        self._next = 0

    def take(self, heartbeat: Heartbeat) -> list[Account]:
        """The accounts that are new. Raises `ValueError` where some were missed, or the heartbeat is another's."""
        if heartbeat.generator != self._generator:
            raise ValueError(f"expected a heartbeat of generator-{self._generator}, not of {heartbeat.generator}")
        if heartbeat.first > self._next:
            raise ValueError(f"{heartbeat.first - self._next} of its accounts were missed: they came too slowly")
        accounts = [decode_account(data) for data in heartbeat.accounts[self._next - heartbeat.first :]]
        for account in accounts:
            if account.number != self._next:
                raise ValueError(f"expected its account {self._next}, not {account.number}")
            self._next += 1
        return accounts


def interaction_times(counts: InteractionCounts) -> Histogram:
    """How long they took."""
    return Histogram.unpacked(counts.times, out_of_range=counts.out_of_range)


class Steady:
    """Ticks that come late, some seconds with two of a generator and some with none → every second with its own.

    A generator that says nothing in one second holds what it held; it counts nothing.
    """

    def __init__(self) -> None:
        self._last: dict[int, Tick] = {}

    def fill(self, ticks: Sequence[Tick]) -> list[Tick]:
        """The ticks of a second, and one for each generator that has none."""
        came = {tick.generator for tick in ticks}
        filled = [_quiet(last) for generator, last in self._last.items() if generator not in came]
        self._last.update((tick.generator, tick) for tick in ticks)
        return [*ticks, *filled]

    def forget(self, generator: int) -> None:
        """A generator is over."""
        self._last.pop(generator, None)


def _quiet(tick: Tick) -> Tick:
    return msgspec.structs.replace(
        tick,
        sent=0,
        accepted=0,
        refusals={},
        refused_waits=0,
        back_pressured=0,
        generator_limited=0,
        lag_p99_us=None,
        interactions=[],
    )


def with_cpu(reading: Reading, ticks: Iterable[Tick]) -> Reading:
    """The reading with what generators elsewhere say of their own processors."""
    cpu = {name: cores for tick in ticks for name, cores in tick.cpu.items()}
    return msgspec.structs.replace(reading, cpu={**reading.cpu, **cpu}) if cpu else reading
