"""What scales, asked of the double of AWS."""

from __future__ import annotations

from auroral.ecs.scaling import groups_named, targets_of
from tests.support.fake_ecs import FakeAws
from tests.support.fake_ecs.example import contract_fleet

FLEET = contract_fleet()


def test_groups_are_those_of_the_names() -> None:
    aws = FakeAws.from_fleet(FLEET)
    main = FLEET.pools["main"].group
    assert [one["AutoScalingGroupName"] for one in groups_named(aws, [main])] == [main]


def test_without_names_nothing_is_asked() -> None:
    aws = FakeAws.from_fleet(FLEET)
    before = len(aws.calls)
    assert groups_named(aws, []) == []
    assert len(aws.calls) == before


def test_targets_stand_by_the_names_of_services() -> None:
    aws = FakeAws.from_fleet(FLEET)
    name = FLEET.services["history"].name
    aws.call(
        "application-autoscaling",
        "register_scalable_target",
        ServiceNamespace="ecs",
        ResourceId=f"service/{FLEET.cluster}/{name}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=6,
    )
    found = targets_of(aws, FLEET.cluster, [name, FLEET.services["ui"].name])
    assert {key: (one["MinCapacity"], one["MaxCapacity"]) for key, one in found.items()} == {name: (2, 6)}
