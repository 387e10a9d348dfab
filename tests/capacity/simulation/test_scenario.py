"""Scenarios as values: defaults that are the server's, labels, what ECS's percentages allow."""

from __future__ import annotations

from typing import get_args

import pytest

from auroral.capacity.simulation.scenario import (
    Action,
    Counter,
    Database,
    Event,
    Policy,
    ServiceShape,
    can_roll,
    lower,
    upper,
)
from auroral.capacity.simulation.spec import CounterSpec, Demand, DsqlSpec, ProcessSpec
from tests.support.scenarios import shape


def test_the_defaults_are_the_engines() -> None:
    policy, process = Policy(), ProcessSpec(service="history")
    assert policy.stagger_s == process.stagger_max_s
    assert policy.warmup_retries == process.warmup_max_retries
    assert policy.warmup_backoff_s == process.warmup_first_backoff_s
    same = ("limiter", "lifetime_s", "jitter", "connect_timeout_s", "max_opening", "warmup_max_backoff_s")
    for name in (*same, "acquire_timeout_s", "clock_skew_s"):
        assert getattr(policy, name) == getattr(process, name)
    hold = Demand(rate_per_s=1.0).hold
    assert (policy.hold_median_s, policy.hold_p99_s) == (hold.median_s, hold.p99_s)  # type: ignore[union-attr]
    database, dsql = Database(), DsqlSpec()
    assert (database.connect_burst, database.max_connections) == (dsql.burst, dsql.max_connections)
    assert (database.connect_rate_per_s, database.session_lifetime_s) == (
        dsql.connect_rate_per_s,
        dsql.session_lifetime_s,
    )
    assert Counter().limit_per_s == CounterSpec().limit_per_s


@pytest.mark.parametrize("action", get_args(Action))
def test_every_event_has_a_label(action: Action) -> None:
    assert Event(at_s=1.0, do=action).label
    assert "history" in Event(at_s=1.0, do="deploy", services=("history",)).label


def test_an_outage_is_timed_from_its_end() -> None:
    assert Event(at_s=5.0, do="refuse-connects", for_s=60.0).ends_s == 65.0
    assert Event(at_s=5.0, do="deploy", for_s=60.0).ends_s == 5.0


def test_percentages_round_as_ecs_does() -> None:
    assert (upper(8, 113), upper(3, 134), upper(2, 149)) == (9, 4, 2)
    assert (lower(8, 75), lower(3, 66), lower(2, 51)) == (6, 2, 2)


@pytest.mark.parametrize(
    ("least", "most", "can"), [(100, 200, True), (100, 100, False), (95, 110, False), (66, 100, True)]
)
def test_whether_a_deployment_can_move(least: int, most: int, can: bool) -> None:
    service: ServiceShape = shape(min_healthy_percent=least, max_percent=most)
    assert can_roll(service) is can


def test_autoscaling_never_means_fewer() -> None:
    assert shape(max_replicas=0).most == 3
    assert shape(max_replicas=5).most == 5
