"""The cold start of a real cluster on the double, simulated: the same processes, limits and starts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from auroral.capacity.simulation.engine import simulate
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import DsqlSpec, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import Start
from auroral.local.double.statistics import Opening
from auroral.local.plan import Role
from tests.support.dsql_cluster import ConnectSettings, Watched

UNTIL_S = 300.0
EARLY_S, LATE_S, APART = 0.1, 0.6, 2
"""By how much a real warm-up may be shorter than a simulated one, and longer on a machine that is busy; and by how many
openings the curves of both may be apart."""


@dataclass(frozen=True)
class WarmedUp:
    """How one process came up, by its own log and metrics."""

    process: str
    role: Role
    began_s: float
    """Since the epoch."""
    took_s: float
    startup_connections: int
    """That its brief stores opened."""


def like_simulated(watched: Watched, openings: Sequence[Opening]) -> str:
    """Assert that a cold start, which opened these, went as its simulation; say how much alike they were."""
    times_s = sorted(one.at_s for one in openings)
    real = warm_ups(watched, len(times_s))
    latency_s = connect_latency_s(watched)
    outcome = simulated(real, watched.settings, latency_s)
    assert outcome.totals.opened == len(times_s)
    apart = furthest_apart([at_s - times_s[0] for at_s in times_s], outcome)
    assert apart <= APART, f"{apart} openings apart"
    told = []
    for one in real:
        least_s, most_s = warm_up_range_s(one, watched.settings, latency_s)
        assert least_s - EARLY_S <= one.took_s <= most_s + LATE_S, f"{one}, simulated {least_s:.2f} to {most_s:.2f} s"
        told.append(f"{one.took_s:.2f} ({least_s:.2f} to {most_s:.2f})")
    return (
        f"warm-ups, simulated ones in brackets: {', '.join(told)} s; at most {apart} of {len(times_s)} openings apart; "
        f"{latency_s * 1000:.0f} ms an opening"
    )


def warm_ups(watched: Watched, openings: int) -> list[WarmedUp]:
    """Each process's warm-up, in the order of their begin.

    Of all openings that the double saw, those of no pool were of brief stores, as many of each process. The server's
    own counter cannot tell: a store that it opens before its metrics are set up is not counted.
    """
    settings = watched.settings
    brief, rest = divmod(openings - settings.processes * settings.pool_size, settings.processes)
    assert rest == 0, f"{openings} openings of {settings.processes} processes"
    found = []
    for one in watched.cluster.plan:
        nothing = {one.name: 0}
        (began,) = watched.said("Starting DSQL pool warmup", nothing, [one.name])
        (ended,) = watched.said("DSQL pool warmup complete", nothing, [one.name])
        began_s = datetime.fromisoformat(began["ts"]).timestamp()
        ended_s = datetime.fromisoformat(ended["ts"]).timestamp()
        found.append(WarmedUp(one.name, one.role, began_s, ended_s - began_s, brief))
    return sorted(found, key=lambda one: one.began_s)


def connect_latency_s(watched: Watched) -> float:
    """Mean of all openings so far, limiters left out, by the server's own timer."""
    count = watched.total("dsql_connect_latency_count", outcome="opened")
    return watched.total("dsql_connect_latency_sum", outcome="opened") / count


def simulated(real: Sequence[WarmedUp], settings: ConnectSettings, latency_s: float) -> Outcome:
    """The same starts: each process's brief stores, one opening after the other, then its pool at the real moment."""
    begins_s = [one.began_s - one.startup_connections * latency_s for one in real]
    return _simulate(real, settings, latency_s, [at_s - min(begins_s) for at_s in begins_s], brief=True)


def warm_up_range_s(real: WarmedUp, settings: ConnectSettings, latency_s: float) -> tuple[float, float]:
    """How long the process's warm-up takes in a simulation, at least and at most.

    The real brief stores open some tenths of a second before, in which the bucket refills: at least as long as without
    them, at most as long as with all of them just before.
    """
    least, most = (
        _simulate([real], settings, latency_s, [0.0], brief=brief).warmups[0].took_s for brief in (False, True)
    )
    return least, most - real.startup_connections * latency_s


def _simulate(
    real: Sequence[WarmedUp], settings: ConnectSettings, latency_s: float, starts_s: Sequence[float], *, brief: bool
) -> Outcome:
    return simulate(
        [],
        until_s=UNTIL_S,
        seed=1,
        dsql=DsqlSpec(connect_latency=Lognormal(median_s=latency_s, p99_s=latency_s)),
        timeline=[
            Start(
                at_s=at_s,
                process=ProcessSpec(
                    service=one.process,
                    pool_size=settings.pool_size,
                    rate_per_s=settings.rate_per_s,
                    burst=settings.burst,
                    stagger=False,
                    startup_connections=one.startup_connections if brief else 0,
                ),
            )
            for one, at_s in zip(real, starts_s, strict=True)
        ],
    )


def furthest_apart(real_s: Sequence[float], outcome: Outcome) -> int:
    """Openings by which the two curves of all openings so far differ most, at the end of any second.

    The times are from the first opening on. Curves that are no more than a second apart are taken as one.
    """
    times = sorted(real_s)
    total, totals = 0, [0]
    for count in outcome.series.opened:
        total += count
        totals.append(total)
    last = len(totals) - 1
    apart = 0
    for second in range(1, min(last, int(times[-1]) + 3)):
        here = bisect_right(times, second)
        apart = max(apart, here - totals[min(second + 1, last)], totals[second - 1] - here)
    return apart
