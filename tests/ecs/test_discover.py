"""A deployment is found by names: services, groups and scaling targets made by hand in moto, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.aws_calls import Failure, Kind
from auroral.ecs.discover import discover
from auroral.ecs.fleet import DsqlShare
from auroral.errors import ExitCode, UsageError
from tests.support.moto_server import REGION, Moto, moto_server

DSQL = "abcdefghijklmnopqrstuvwxyz"
ENVIRONMENT = {
    "DSQL_ENDPOINT": f"{DSQL}.dsql-fnh4.us-east-1.on.aws",
    "TEMPORAL_SQL_MAX_CONNS": "40",
    "DSQL_CONNECTION_RATE_LIMIT": "8.1",
    "DSQL_CONNECTION_BURST_LIMIT": "30",
    "DSQL_RESERVOIR": "2",
    "TEMPORAL_OPENSEARCH_HOST": "vpc-dev-visibility-abcdefghijklmnopqrstuvwxyz.us-east-1.es.amazonaws.com",
}


def _register(ecs: Any, key: str, environment: Mapping[str, str], image: str = "server:1") -> str:
    container = {
        "name": key,
        "image": image,
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "portMappings": [{"name": "grpc", "containerPort": 7234}],
        "healthCheck": {"command": ["CMD", "true"], "startPeriod": 78},
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": f"/ecs/dev/{key}"}},
    }
    answer = ecs.register_task_definition(
        family=f"dev-{key}",
        cpu="1024",
        memory="4096",
        containerDefinitions=[container],
        placementConstraints=[{"type": "memberOf", "expression": "attribute:workload == main"}],
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        ecs, scaling = running.client("ecs"), running.client("autoscaling")
        scaling.create_launch_configuration(
            LaunchConfigurationName="x", ImageId="ami-12345678", InstanceType="m7g.xlarge"
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName="dev-main",
            LaunchConfigurationName="x",
            MinSize=1,
            MaxSize=5,
            AvailabilityZones=[f"{REGION}a"],
        )
        (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        provider = {"autoScalingGroupArn": group["AutoScalingGroupARN"]}
        ecs.create_capacity_provider(name="dev-main", autoScalingGroupProvider=provider)
        ecs.create_cluster(clusterName="shop", capacityProviders=["dev-main"])
        ecs.create_cluster(clusterName="other")
        for key, environment in (("history", ENVIRONMENT), ("frontend", ENVIRONMENT), ("ui", {})):
            _register(ecs, key, environment)
            ecs.create_service(
                cluster="shop",
                serviceName=f"dev-{key}",
                taskDefinition=f"dev-{key}:1",
                desiredCount=2,
                deploymentConfiguration={"minimumHealthyPercent": 75, "maximumPercent": 100},
            )
        _register(ecs, "history", ENVIRONMENT, image="server:2")
        _register(ecs, "till", {})
        ecs.create_service(cluster="shop", serviceName="dev-till", taskDefinition="dev-till", desiredCount=1)
        running.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId="service/shop/dev-history",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=2,
            MaxCapacity=6,
        )
        yield running


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount()


def test_the_fleet_of_a_cluster(account: AwsAccount) -> None:
    fleet = discover(account, "shop", "dev")
    assert list(fleet.services) == ["frontend", "history", "ui"], "dev-till is another project's"
    history = fleet.services["history"]
    assert history.task_definition.endswith("dev-history:2"), "the newest revision, not the one that runs"
    assert (history.name, history.container, history.family) == ("dev-history", "history", "dev-history")
    assert (history.cpu, history.memory, history.log_group) == (1024, 4096, "/ecs/dev/history")
    assert (history.planned, history.maximum) == (2, 6)
    assert (history.min_healthy_percent, history.max_percent, history.start_period_s) == (75, 100, 78)
    assert history.ports == {"grpc": 7234}
    assert history.dsql == DsqlShare(pool_size=40, rate_per_s=8.1, burst=30, reservoir=2)
    assert history.pool == "main"
    assert fleet.services["ui"].dsql is None
    assert fleet.contract is None


def test_its_pools_and_stores(account: AwsAccount) -> None:
    fleet = discover(account, "shop", "dev")
    (pool,) = fleet.pools.values()
    assert (pool.key, pool.provider, pool.group) == ("main", "dev-main", "dev-main")
    assert (pool.minimum, pool.maximum, pool.instance_type) == (1, 5, "m7g.xlarge")
    assert (fleet.named.dsql_cluster, fleet.named.domain) == (DSQL, "dev-visibility")
    assert (fleet.named.limiter, fleet.named.alarm_prefix) == ("local", "dev-")


def test_no_such_cluster_names_those_that_are_there(account: AwsAccount) -> None:
    with pytest.raises(
        UsageError, match="there is no cluster shpo in us-east-1: expected one of other, shop"
    ) as raised:
        discover(account, "shpo", "dev")
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_prefix_that_no_service_has(account: AwsAccount) -> None:
    with pytest.raises(UsageError, match="dev-frontend, dev-history, dev-till, dev-ui"):
        discover(account, "shop", "prod")
    with pytest.raises(UsageError, match="dev-history, …: there is none at all"):
        discover(account, "other", "dev")


class Denying:
    """The account, but for calls that it denies."""

    def __init__(self, account: AwsAccount, operation: str, kind: Kind, *, only_family: bool = False) -> None:
        self._account, self._operation, self._kind, self._only_family = account, operation, kind, only_family
        self.region, self.profile = account.region, account.profile

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        spared = self._only_family and ":" in str(arguments.get("taskDefinition"))
        if operation == self._operation and not spared:
            raise AwsError(Failure(kind=self._kind, code=self._kind.value, words="no", call=operation))
        return self._account.call(service, operation, **arguments)


def test_whoever_may_not_see_autoscaling_goes_on_without(account: AwsAccount) -> None:
    fleet = discover(Denying(account, "describe_scalable_targets", Kind.DENIED), "shop", "dev")
    assert fleet.services["history"].maximum == 2
    with pytest.raises(AwsError, match="throttled"):
        discover(Denying(account, "describe_scalable_targets", Kind.THROTTLED), "shop", "dev")


def test_a_family_without_an_active_revision(account: AwsAccount) -> None:
    """As after somebody deregistered them all: the service goes on with the one that it has."""
    fleet = discover(Denying(account, "describe_task_definition", Kind.MISSING, only_family=True), "shop", "dev")
    assert fleet.services["history"].task_definition.endswith("dev-history:1")
