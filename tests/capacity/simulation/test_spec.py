"""What a simulation is made of, bad values included."""

from __future__ import annotations

import math
from typing import Any

import pytest

from auroral.capacity.simulation.spec import Demand, DsqlSpec, Exponential, Lognormal, ProcessSpec
from auroral.capacity.simulation.timeline import EVERY, Which
from auroral.dsql import limits
from auroral.errors import UsageError


def test_dsqls_limits_are_those_of_the_one_definition() -> None:
    spec = DsqlSpec()
    assert spec.connect_rate_per_s == limits.CONNECT_RATE_PER_S
    assert spec.burst == limits.CONNECT_BURST
    assert spec.max_connections == limits.MAX_CONNECTIONS
    assert spec.session_lifetime_s == limits.SESSION_LIFETIME_S


def test_an_id_tells_replicas_and_generations_apart() -> None:
    assert ProcessSpec(service="history", replica=3).id == "history/3"
    assert ProcessSpec(service="history", replica=3, generation=2).id == "history/3.2"


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 0},
        {"pool_size": 10_001},
        {"pools": 0},
        {"reservoir": -1},
        {"max_opening": 0},
        {"lifetime_s": 0},
        {"jitter": 1},
        {"jitter": -0.1},
        {"startup_connections": -1},
        {"connect_timeout_s": 0},
        {"acquire_timeout_s": 0},
        {"probe_after_s": 0},
    ],
)
def test_what_no_server_can_be_is_refused_by_name(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"history/0: cannot simulate {name}"):
        ProcessSpec(service="history", **options)


@pytest.mark.parametrize(("median_s", "p99_s"), [(0, 1), (2, 1), (-1, 1), (1, math.inf), (math.nan, 1)])
def test_a_distribution_needs_its_quantiles_in_order(median_s: float, p99_s: float) -> None:
    with pytest.raises(UsageError, match="median"):
        Lognormal(median_s=median_s, p99_s=p99_s)


@pytest.mark.parametrize("rate", [-1, math.inf, math.nan])
def test_a_demand_needs_a_rate(rate: float) -> None:
    with pytest.raises(UsageError, match="rate of requests"):
        Demand(rate_per_s=rate)


def test_an_exponential_needs_a_mean() -> None:
    with pytest.raises(UsageError, match="mean above zero"):
        Exponential(mean_s=0)


def test_busy_is_rate_times_mean_hold() -> None:
    assert Demand(rate_per_s=100, hold=Exponential(mean_s=0.05)).busy == 5


def test_which_processes_match() -> None:
    spec = ProcessSpec(service="history", replica=1, zone="a")
    assert EVERY.matches(spec)
    assert Which(service="history", zone="a", process="history/1").matches(spec)
    for other in (Which(service="worker"), Which(zone="b"), Which(process="history/2")):
        assert not other.matches(spec)
