"""What happens to a simulated cluster from outside, and when. Pure; times are seconds since the simulation's start."""

from __future__ import annotations

from typing import Literal

import msgspec

from auroral.capacity.simulation.spec import Demand, ProcessSpec


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Running processes by service, zone and id; what is empty matches every one."""

    service: str = ""
    zone: str = ""
    process: str = ""

    def matches(self, spec: ProcessSpec) -> bool:
        """Is this process among them?"""
        return self.service in ("", spec.service) and self.zone in ("", spec.zone) and self.process in ("", spec.id)


EVERY = Which()


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """A process starts: its container runs, and opens its first connection after the start delay."""

    at_s: float
    process: ProcessSpec


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """Processes stop: no requests from now on, connections closed after `drain_s` (0: killed).

    With `linger_s` DSQL counts their connections that much longer as open: a lost machine says no goodbye.
    """

    at_s: float
    which: Which = EVERY
    drain_s: float = 0.0
    linger_s: float = 0.0


class ChangeDemand(msgspec.Struct, frozen=True, kw_only=True, tag="demand"):
    """Processes get another demand, those that start later in the same service keep what their spec says."""

    at_s: float
    demand: Demand | None
    which: Which = EVERY


class ScaleDemand(msgspec.Struct, frozen=True, kw_only=True, tag="scale-demand"):
    """Every process, those that start later too, has its spec's rate of requests times a factor: a load curve."""

    at_s: float
    factor: float


class Cut(msgspec.Struct, frozen=True, kw_only=True, tag="cut"):
    """Open connections break. Those in use lose their request; an idle one is found dead when it is lent or probed."""

    at_s: float
    count: int | None = None
    """So many, picked at random among all; all of them if none."""
    which: Which = EVERY


class ExpireAll(msgspec.Struct, frozen=True, kw_only=True, tag="expire-all"):
    """All connections reach the end of their lifetime at once."""

    at_s: float
    which: Which = EVERY


class DsqlOutage(msgspec.Struct, frozen=True, kw_only=True, tag="dsql-outage"):
    """DSQL takes no new connection: refuses, or never answers. Open ones live on."""

    at_s: float
    until_s: float
    mode: Literal["refuse", "hang"] = "refuse"


class CounterOutage(msgspec.Struct, frozen=True, kw_only=True, tag="counter-outage"):
    """The table does not answer, or throttles a share of the requests."""

    at_s: float
    until_s: float
    mode: Literal["unreachable", "throttled"] = "unreachable"
    share: float = 1.0


Action = Start | Stop | ChangeDemand | ScaleDemand | Cut | ExpireAll | DsqlOutage | CounterOutage
"""One entry of a timeline."""
