"""Properties 14 to 16: each kept by the base, and broken by one change alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.capacity.budget import judge
from auroral.infra.model import parse
from auroral.infra.numbers import connecting
from tests.support.deployment_document import Document, assert_breaks, broken_by, deployment


def resize(document: Document, service: str, **pool: float) -> None:
    """Change numbers of the budget, in contract and task alike."""
    names = {
        "pool_size": "TEMPORAL_SQL_MAX_CONNS",
        "rate_per_s": "DSQL_CONNECTION_RATE_LIMIT",
        "burst": "DSQL_CONNECTION_BURST_LIMIT",
    }
    document.contract["services"][service]["dsql"].update(pool)
    for name, value in pool.items():
        document.set_environment(service, names[name], f"{value:g}")
    if "pool_size" in pool:
        document.set_environment(service, "TEMPORAL_SQL_MAX_IDLE_CONNS", f"{pool['pool_size']:g}")


def test_rate_within() -> None:
    document = deployment()
    resize(document, "history", rate_per_s=40)
    assert_breaks(document, 14, "2 × 40 history", "130.6 of 100")


def test_the_earlier_systems_default_is_found() -> None:
    """8/s for each of 44 tasks: the sum that the earlier system never made."""
    document = deployment()
    for name, count in {"history": 16, "matching": 16, "frontend": 9, "worker": 3}.items():
        document.contract["services"][name].update(planned_count=count, autoscale_max=count)
        resize(document, name, rate_per_s=8, burst=20)
    broken = broken_by(document.state())
    assert "= 354 of 100" in broken[14][0]


def test_a_deployments_surge_counts() -> None:
    document = deployment()
    document.contract["services"]["history"]["max_percent"] = 400
    document['module.task["history"].aws_ecs_service.this[0]']["deployment_maximum_percent"] = 400
    broken = broken_by(document.state())
    assert set(broken) == {14}
    assert "while history is deployed" in broken[14][0]


def test_autoscaling_counts() -> None:
    document = deployment()
    document.contract["services"]["frontend"]["autoscale_max"] = 8
    assert_breaks(document, 14, "at autoscaling's maximum", "8 × 8.1 frontend")


def test_the_distributed_limiter_takes_the_rates_place() -> None:
    document = deployment(limiter="distributed")
    resize(document, "history", rate_per_s=40)
    assert broken_by(document.state()) == {}
    document.contract["dsql"]["limiter"]["limit_per_s"] = 200
    assert_breaks(document, 14, "admits 200/s")


def test_a_service_deploys_as_the_budget_counts() -> None:
    document = deployment()
    document['module.task["worker"].aws_ecs_service.this[0]']["deployment_maximum_percent"] = 200
    assert_breaks(document, 14, "deployment_maximum_percent 200")


def test_autoscaling_is_as_the_budget_counts() -> None:
    document = deployment()
    document.add(
        'module.task["frontend"].aws_appautoscaling_target.this[0]',
        resource_id="service/demo/demo-frontend",
        max_capacity=9,
    )
    assert_breaks(document, 14, "max_capacity 9")


@pytest.mark.parametrize(("pool", "words"), [({"pool_size": 4900}, "connections"), ({"burst": 480}, "at once")])
def test_connections_within(pool: dict[str, float], words: str) -> None:
    document = deployment(limiter="distributed")
    resize(document, "history", **pool)
    broken = broken_by(document.state())
    assert set(broken) - {20} == {15}  # such a pool also takes long to fill
    assert words in broken[15][0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEMPORAL_SQL_MAX_CONNS", "51"),
        ("DSQL_CONNECTION_RATE_LIMIT", "9"),
        ("DSQL_CONNECTION_BURST_LIMIT", "many"),
        ("DSQL_RESERVOIR", "10"),
    ],
)
def test_tasks_run_with_the_numbers_of_the_budget(name: str, value: str) -> None:
    document = deployment()
    document.set_environment("matching", name, value)
    broken = broken_by(document.state())
    assert set(broken) - {16} == {15}
    assert f"{name}={value}" in broken[15][0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEMPORAL_SQL_MAX_IDLE_CONNS", "10"),
        ("TEMPORAL_SQL_MAX_CONN_LIFETIME", "60m"),
        ("TEMPORAL_SQL_MAX_CONN_LIFETIME", "0"),
        ("TEMPORAL_SQL_MAX_CONN_LIFETIME", "soon"),
        ("TEMPORAL_SQL_MAX_CONN_IDLE_TIME", "5m"),
    ],
)
def test_pool_settings(name: str, value: str) -> None:
    document = deployment()
    document.set_environment("history", name, value)
    assert_breaks(document, 16, f"{name}={value}")


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    more=st.lists(st.integers(0, 20), min_size=4, max_size=4),
    percents=st.lists(st.sampled_from([100, 110, 125, 150, 200]), min_size=4, max_size=4),
    rates=st.lists(st.floats(0.1, 20, allow_nan=False).map(lambda rate: round(rate, 1)), min_size=4, max_size=4),
)
def test_the_sums_are_those_of_the_budget(
    counts: list[int], more: list[int], percents: list[int], rates: list[float]
) -> None:
    document = deployment()
    for number, name in enumerate(("history", "matching", "frontend", "worker")):
        one = document.contract["services"][name]
        one.update(planned_count=counts[number], autoscale_max=counts[number] + more[number])
        one.update(max_percent=percents[number])
        one["dsql"].update(rate_per_s=rates[number])
    platform = parse(document.state())
    checks = judge(connecting(platform)).violations
    over = any(check.name.startswith("rate-") for check in checks)
    assert (14 in broken_by(document.state())) == over
