"""Runs a simulation: processes, Aurora DSQL, the counter and a timeline, to an outcome. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from auroral.capacity.simulation.controller import Controller
from auroral.capacity.simulation.outcome import Outcome
from auroral.capacity.simulation.spec import CounterSpec, DsqlSpec, ProcessSpec
from auroral.capacity.simulation.timeline import Action


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a violation, and how many events around the first of each kind are kept."""

    max_wait_s: float | None = None
    """A request that waited longer for a connection."""
    refusals: bool = True
    """A connection that DSQL refused by its rate or its cap (an outage of the timeline is none)."""
    below_target: bool = False
    """A pool of a warm process with fewer usable connections than its target."""
    below_target_from_s: float = 0.0
    """Not counted before."""
    events_before: int = 20
    events_after: int = 20


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
    skip_idle_requests: bool = True,
) -> Outcome:
    """Run the cluster from 0 to `until_s` and say what happened.

    `processes` start at 0; others by `Start` in the timeline or by a controller. `counter` is needed where a process
    has the distributed limiter. `skip_idle_requests` false simulates every request, however improbable a wait is.
    Same arguments, same bytes: each process draws from random streams of its own, made of the seed and its id.
    Errors: UsageError for what cannot be simulated.
    """
    raise NotImplementedError
