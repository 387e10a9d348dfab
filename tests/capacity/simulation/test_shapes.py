"""Whose services a scenario runs with."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from auroral.bench.workload import builtin as workload
from auroral.capacity import loads
from auroral.capacity.budget import Allowance
from auroral.capacity.document import encode
from auroral.capacity.layout import Options
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices
from auroral.capacity.simulation import shapes
from auroral.capacity.simulation.catalogue import builtin
from auroral.capacity.simulation.fleet import Fleet
from auroral.capacity.simulation.scenario import can_roll
from auroral.capacity.simulation.scenario_file import consistency
from auroral.errors import UsageError


def planned(**options: object) -> bytes:
    chosen = msgspec.structs.replace(Options(anchors=presets().anchors), **options)
    request = Request(workload=workload(loads.REFERENCE_WORKLOAD), preset="150wps", options=chosen)
    return encode(plan(request, presets(), packaged_prices()))


@pytest.mark.parametrize("name", presets().names)
def test_a_preset_keeps_dsqls_limits(name: str) -> None:
    deployed = shapes.from_preset(name)
    assert [one.service for one in deployed.services] == ["history", "matching", "frontend", "worker"]
    assert all(can_roll(one) for one in deployed.services)
    assert sum(one.most * one.rate_per_s for one in deployed.services) <= 98
    assert sum(one.most * one.burst for one in deployed.services) <= 980
    assert sum(one.requests_per_s for one in deployed.services) > 1_000


def test_a_presets_plan_has_the_presets_services() -> None:
    from_plan = shapes.from_plan(planned(), "plan.json")
    assert from_plan.services == shapes.from_preset("150wps").services
    assert from_plan.source == "plan plan.json"
    assert not from_plan.distributed


def test_a_plan_brings_its_settings() -> None:
    deployed = shapes.from_plan(planned(distributed=True), "plan.json")
    assert (deployed.distributed, deployed.counter_per_s) == (True, 98)
    chosen = shapes.deploy(builtin("zone-loss"), deployed)
    assert (chosen.policy.limiter, chosen.counter.limit_per_s) == ("distributed", 98)
    assert chosen.services == deployed.services


def test_what_a_scenario_sets_stays() -> None:
    own = builtin("zone-loss")
    policy = msgspec.structs.replace(own.policy, limiter="none", lifetime_s=660.0, jitter=0.2)
    chosen = shapes.deploy(
        msgspec.structs.replace(own, policy=policy), shapes.from_plan(planned(distributed=True), "p")
    )
    assert chosen.policy == policy


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schema": "auroral.bench.result/1"}', b'{"schema": 3}'])
def test_what_is_no_plan(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^p\.json: expected a plan auroral\.capacity\.plan/1") as caught:
        shapes.from_plan(data, "p.json")
    assert "auroral capacity plan" in caught.value.hint


def test_an_unknown_preset() -> None:
    with pytest.raises(UsageError, match="expected one of the presets dev"):
        shapes.from_preset("15wps")


def test_connections_that_aws_raised_are_those_of_the_simulation() -> None:
    deployed = shapes.from_plan(planned(allowance=Allowance(connections=20_000)), "plan.json")
    chosen = shapes.deploy(builtin("zone-loss"), deployed)
    assert (chosen.database.max_connections, chosen.limits.most_connections) == (20_000, 19_990)
    usual = shapes.deploy(builtin("zone-loss"), shapes.from_preset("150wps"))
    assert (usual.database.max_connections, usual.limits.most_connections) == (10_000, 9_990)


def test_a_zone_of_two_takes_half_of_the_tasks_with_it() -> None:
    chosen = shapes.deploy(builtin("zone-loss"), shapes.from_plan(planned(zones=2), "plan.json"))
    fleet = Fleet(chosen, seed=1)
    assert Counter(spec.zone for spec in fleet.initial()) == {"a": 10, "b": 10}


@pytest.mark.parametrize(("zones", "expected"), [(1, "a cluster in two zones"), (2, "")])
def test_a_zone_that_the_plan_has_not_cannot_be_lost(zones: int, expected: str) -> None:
    chosen = shapes.deploy(builtin("counter-out"), shapes.from_plan(planned(zones=zones), "plan.json"))
    assert "".join(one.expected for one in consistency(chosen, "counter-out")) == expected
