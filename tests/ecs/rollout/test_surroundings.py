"""What stands around the services: in the double, and on moto's server."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from auroral.aws_account import Account, AwsAccount, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout.connects import ScalableTarget
from auroral.ecs.rollout.room import Group
from auroral.ecs.rollout.surroundings import groups, registered, running, targets
from tests.support.moto_server import REGION, Moto, moto_server
from tests.support.rollouts import Site, example_fleet


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


def test_the_newest_revision_and_its_health_check() -> None:
    site = Site()
    old = site.fleet
    made = site.aws.register("history")
    found = registered(site.aws, old, ["history", "ui", "history"])
    assert found["history"].arn == made.arn
    assert old.services["history"].task_definition != made.arn
    assert found["history"].health_checked
    assert list(found) == ["history", "ui"]
    assert registered(site.aws, old, []) == {}


def test_what_runs_is_read_where_it_is_not_what_was_registered() -> None:
    site = Site()
    history = site.fleet.services["history"]
    assert history.dsql is not None
    assert running(site.aws, site.fleet, site.seen()) == {}
    calls = len(site.aws.calls)
    larger = msgspec.structs.replace(history.dsql, rate_per_s=16.2, pool_size=60, burst=60, reservoir=4)
    site.aws.register("history", dsql=larger)
    site.aws.register("ui")
    seen = site.seen()
    assert running(site.aws, site.fleet, seen) == {history.task_definition: history.dsql}
    described = [one for one in site.aws.calls[calls:] if one.operation == "describe_task_definition"]
    assert [one.arguments for one in described] == [{"taskDefinition": history.task_definition}]


@pytest.mark.parametrize(
    ("environment", "share"),
    [({}, [None]), ({"DSQL_ENDPOINT": "x", "DSQL_CONNECTION_RATE_LIMIT": "fast"}, [])],
)
def test_a_definition_without_a_database_opens_nothing_and_one_that_cannot_start_is_left_out(
    environment: dict[str, str], share: list[None]
) -> None:
    site = Site()
    container = site.aws.world.definitions.find("dev-history").container
    assert isinstance(container, dict)
    container["environment"] = [{"name": name, "value": value} for name, value in environment.items()]
    site.aws.register("history")
    assert list(running(site.aws, site.fleet, site.seen()).values()) == share


def test_a_definition_that_ecs_knows_no_more_is_left_out() -> None:
    site = Site()
    site.aws.register("history")
    seen = site.seen()
    unknown = "Unable to describe task definition."
    site.aws.faults.fail("ecs:DescribeTaskDefinition", "ClientException", unknown, kind=Kind.INVALID)
    assert running(site.aws, site.fleet, seen) == {}
    site.aws.faults.deny("ecs:DescribeTaskDefinition")
    with pytest.raises(AwsError):
        running(site.aws, site.fleet, seen)


def test_autoscaling_as_it_is() -> None:
    site, said = Site(), list[str]()
    found = targets(site.aws, site.fleet, said.append)
    assert found == {
        "frontend": ScalableTarget(minimum=2, maximum=3),
    }
    assert said == []


def test_groups_as_they_are() -> None:
    site, said = Site(), list[str]()
    assert groups(site.aws, site.fleet, said.append) == {
        "main": Group(name="dev-main", maximum=7, desired=6),
        "benchmark": Group(name="dev-benchmark", maximum=7, desired=0),
    }
    assert groups(site.aws, msgspec.structs.replace(site.fleet, pools={}), said.append) == {}
    assert said == []


def test_who_may_not_look_is_told_and_goes_on_with_the_plan() -> None:
    site, said = Site(), list[str]()
    site.aws.faults.deny("application-autoscaling:DescribeScalableTargets")
    site.aws.faults.deny("autoscaling:DescribeAutoScalingGroups")
    assert targets(site.aws, site.fleet, said.append) == {}
    assert groups(site.aws, site.fleet, said.append)["main"] == Group(name="dev-main", maximum=7, desired=0)
    assert [text.partition(":")[0] for text in said] == [
        "autoscaling is not looked at",
        "groups of instances are not looked at",
    ]


def all_registered(account: Account, fleet: Fleet, _: object) -> object:
    return registered(account, fleet, fleet.services)


@pytest.mark.parametrize("read", [targets, groups, all_registered])
def test_other_failures_are_raised(read: object) -> None:
    site = Site()
    site.aws.faults.expire()
    with pytest.raises(AwsError) as raised:
        read(site.aws, site.fleet, site.said.append)  # type: ignore[operator]
    assert raised.value.failure.kind is Kind.EXPIRED


@pytest.mark.whole
def test_over_http(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    ecs, scaling = moto.client("ecs"), moto.client("application-autoscaling")
    fleet = example_fleet()
    ecs.create_cluster(clusterName="dev")
    container = {"name": "history", "image": "x", "memory": 100, "healthCheck": {"command": ["CMD", "true"]}}
    for number in range(2):
        containers = [container] if number else [container, {"name": "side", "image": "y", "memory": 10}]
        ecs.register_task_definition(family="dev-history", containerDefinitions=containers)
    ecs.create_service(cluster="dev", serviceName="dev-history", taskDefinition="dev-history", desiredCount=0)
    scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/dev/dev-history",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=4,
        MaxCapacity=6,
        SuspendedState={"DynamicScalingOutSuspended": True},
    )
    account, said = AwsAccount(region=REGION), list[str]()
    newest = registered(account, fleet, ["history"])["history"]
    assert newest.arn.endswith("dev-history:2")
    assert newest.health_checked
    assert targets(account, fleet, said.append) == {"history": ScalableTarget(minimum=4, maximum=6, suspended=True)}
    assert groups(account, fleet, said.append)["main"] == Group(name="dev-main", maximum=7, desired=0)
    assert registered(account, fleet, ["worker"]) == {}
