"""Services read out of ECS's descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from auroral.ecs.definition import (
    container_of,
    family_of,
    group_name_of,
    instance_type_of,
    named_of,
    pool_of,
    service_of,
)
from auroral.ecs.fleet import Pool
from auroral.errors import TargetError

MAIN = Pool(key="main", provider="dev-main", group="dev-main", instance_type="m7g.xlarge", minimum=1, maximum=3)
SERVICE = {"serviceName": "dev-history", "desiredCount": 2}


def _service(container: dict[str, Any], environment: dict[str, str] | None = None, **more: Any) -> Any:
    definition = {"family": "dev-history", "containerDefinitions": [container]}
    return service_of(
        "history", more.get("service", SERVICE), definition, environment or {}, pool="main", bounds=more.get("bounds")
    )


def test_the_container_of_the_service_counts_not_its_sidecars() -> None:
    sidecar, own = {"name": "proxy", "essential": False}, {"name": "server"}
    assert container_of({"containerDefinitions": [sidecar, own]}, "history")["name"] == "server"
    assert container_of({"containerDefinitions": [own, {"name": "history"}]}, "history")["name"] == "history"
    assert container_of({}, "history") == {}


def test_resources_come_from_the_container_where_the_task_has_none() -> None:
    seen = _service({"name": "history", "cpu": 512, "memoryReservation": 700})
    assert (seen.cpu, seen.memory) == (512, 700)


def test_a_service_at_0_counts_with_what_autoscaling_keeps() -> None:
    seen = _service({"name": "history"}, service={"serviceName": "x", "desiredCount": 0}, bounds=(3, 9))
    assert (seen.planned, seen.maximum) == (3, 9)


def test_variables_that_are_not_set_have_the_servers_defaults() -> None:
    share = _service({"name": "history"}, {"DSQL_ENDPOINT": "x", "DSQL_RESERVOIR": "4"}).dsql
    assert (share.pool_size, share.rate_per_s, share.burst, share.reservoir) == (50, 10, 100, 4)
    assert _service({"name": "history"}, {"TEMPORAL_SQL_MAX_CONNS": "9"}).dsql is None


def test_a_variable_that_is_no_number() -> None:
    with pytest.raises(TargetError, match="dev-history: its task definition sets DSQL_CONNECTION_RATE_LIMIT=fast"):
        _service({"name": "history"}, {"DSQL_ENDPOINT": "x", "DSQL_CONNECTION_RATE_LIMIT": "fast"})


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("vpc-dev-visibility-abcdefghijklmnopqrstuvwxyz.us-east-1.es.amazonaws.com", "dev-visibility"),
        ("search-dev-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com", "dev"),
        ("vpc-dev-abcdefghijklmnopqrstuvwxyz.aos.us-east-1.on.aws", "dev"),
        ("opensearch.example.com", ""),
        ("", ""),
    ],
)
def test_the_domain_in_an_endpoint(host: str, domain: str) -> None:
    environment = {"DSQL_ENDPOINT": "x", "TEMPORAL_OPENSEARCH_HOST": host}
    assert named_of("dev", {"history": environment}).domain == domain


def test_the_public_name_of_a_private_endpoint() -> None:
    environment = {
        "DSQL_ENDPOINT": "abcdefghijklmnopqrstuvwxyz.dsql-fnh4.us-east-1.on.aws",
        "DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED": "true",
    }
    named = named_of("dev", {"ui": {}, "history": environment})
    assert named.dsql_endpoint == "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
    assert named.dsql_cluster == "abcdefghijklmnopqrstuvwxyz"
    assert named.limiter == "distributed"
    assert named_of("dev", {"ui": {}}).limiter == ""


def test_the_pool_by_provider_then_by_workload() -> None:
    pools = {"main": MAIN}
    strategy = [{"capacityProvider": "dev-main", "weight": 1}]
    assert pool_of({"capacityProviderStrategy": strategy}, {}, (), pools) == "main"
    assert pool_of({}, {}, ("dev-main",), pools) == "main"
    constraint = {"type": "memberOf", "expression": "attribute:workload == main"}
    assert pool_of({}, {"placementConstraints": [constraint]}, (), pools) == "main"
    assert pool_of({}, {}, (), pools) == ""


def test_names_in_arns() -> None:
    assert family_of("arn:aws:ecs:us-east-1:1:task-definition/dev-history:7") == "dev-history"
    assert (
        group_name_of("arn:aws:autoscaling:us-east-1:1:autoScalingGroup:uuid:autoScalingGroupName/dev-main")
        == "dev-main"
    )
    assert instance_type_of({"Instances": [{"InstanceType": "m7g.large"}]}) == "m7g.large"
    overrides = {"LaunchTemplate": {"Overrides": [{"InstanceType": "m7g.xlarge"}]}}
    assert instance_type_of({"Instances": [], "MixedInstancesPolicy": overrides}) == "m7g.xlarge"
