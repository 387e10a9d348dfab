"""The whole platform, applied to an emulated AWS by `auroral infra`, looked at as an outsider would, and destroyed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from auroral.infra.edges import edges
from auroral.infra.model import Platform, parse
from auroral.infra.needs import needs
from auroral.infra.policies import matches
from tests.infra.emulated import PROJECT, Deployed
from tests.support.deployment_document import findings_of

pytestmark = [pytest.mark.whole, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def contract(deployed: Deployed) -> dict[str, Any]:
    code, out, _ = deployed.auroral("output")
    assert code == 0
    value = json.loads(out)["contract"]["value"]
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def state(deployed: Deployed) -> Platform:
    found = sorted((deployed.directory / "source").glob("stacks/*"))
    assert len(found) == 1
    root = deployed.workshop.folder / "deployment/source/stacks/platform"
    data = str(deployed.directory / "terraform")
    return parse(deployed.workshop.terraform(root, "show", "-json", TF_DATA_DIR=data).stdout)


def test_every_property_is_decided_and_holds(state: Platform) -> None:
    assert findings_of(state, "broken") == {}
    assert findings_of(state, "unknown") == {}
    assert set(range(1, 33)) - set(findings_of(state, "kept")) == {6}  # counts are the operator's by now


def test_check_says_so(deployed: Deployed) -> None:
    code, out, _ = deployed.auroral("check", "--state", "--strict")
    assert code == 0
    assert "0 broken, 0 not known yet" in out


def test_services_as_ecs_has_them(deployed: Deployed, contract: dict[str, Any]) -> None:
    ecs = deployed.moto.client("ecs")
    assert set(contract["services"]) >= {"history", "matching", "frontend", "worker", "ui", "grafana", "collector"}
    for name, one in contract["services"].items():
        found = ecs.describe_services(cluster=contract["cluster"]["name"], services=[one["service"]])["services"][0]
        assert found["desiredCount"] == 0, name
        assert found["enableExecuteCommand"] is True
        assert found["deploymentConfiguration"]["maximumPercent"] == one["max_percent"]
        assert found["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] == [one["group_id"]]
        task = ecs.describe_task_definition(taskDefinition=one["task_family"])["taskDefinition"]
        container = task["containerDefinitions"][0]
        assert "@sha256:" in container["image"]
        assert task["runtimePlatform"]["cpuArchitecture"] == "ARM64"
        assert container["logConfiguration"]["options"]["awslogs-group"] == f"/ecs/{PROJECT}/{name}"
        environment = {pair["name"]: pair["value"] for pair in container["environment"]}
        if one["dsql"] is not None:
            assert environment["DSQL_ENDPOINT"] == contract["dsql"]["private_endpoint"]
            assert environment["TEMPORAL_SERVICES"] == name
            assert int(environment["TEMPORAL_SQL_MAX_CONNS"]) == one["dsql"]["pool_size"]
            assert float(environment["DSQL_CONNECTION_RATE_LIMIT"]) == one["dsql"]["rate_per_s"]


def test_one_shot_tasks_as_ecs_has_them(deployed: Deployed, contract: dict[str, Any]) -> None:
    ecs = deployed.moto.client("ecs")
    assert set(contract["tasks"]) >= {"schema", "operator", "visibility", "generator"}
    for one in contract["tasks"].values():
        task = ecs.describe_task_definition(taskDefinition=one["task_family"])["taskDefinition"]
        assert task["containerDefinitions"][0]["name"] == one["container"]
        assert task["taskRoleArn"] == one["role_arn"]


ACTIONS = (
    "dsql:DbConnect",
    "dsql:DbConnectAdmin",
    "dsql:DeleteCluster",
    "dynamodb:UpdateItem",
    "s3:PutObject",
    "s3:GetObject",
    "es:ESHttpPost",
    "aps:RemoteWrite",
    "aps:QueryMetrics",
    "secretsmanager:GetSecretValue",
    "ssmmessages:OpenDataChannel",
    "iam:PassRole",
    "ecs:UpdateService",
    "ecs:ListTasks",
    "ecr:BatchGetImage",
    "ecs:Poll",
)
_SERVER = {"dsql:DbConnect", "es:ESHttpPost", "ssmmessages:OpenDataChannel"}
ALLOWED = {
    "history-task": _SERVER,
    "matching-task": _SERVER,
    "frontend-task": _SERVER,
    "worker-task": _SERVER,
    "ui-task": {"ssmmessages:OpenDataChannel"},
    "grafana-task": {"ssmmessages:OpenDataChannel", "aps:QueryMetrics"},
    "collector-task": {"ssmmessages:OpenDataChannel", "aps:RemoteWrite", "ecs:ListTasks"},
    "schema-task": {"ssmmessages:OpenDataChannel", "dsql:DbConnectAdmin"},
    "operator-task": {"ssmmessages:OpenDataChannel", "dsql:DbConnect"},
    "visibility-setup-task": {"ssmmessages:OpenDataChannel", "es:ESHttpPost"},
    "benchmark-generator-task": {"ssmmessages:OpenDataChannel", "s3:PutObject"},
    "benchmark-worker-task": {"ssmmessages:OpenDataChannel"},
    "history-execution": {"ecr:BatchGetImage"},
    "grafana-execution": {"ecr:BatchGetImage", "secretsmanager:GetSecretValue"},
    "main-instance": {"ecr:BatchGetImage", "ecs:Poll"},
    "benchmark-instance": {"ecr:BatchGetImage", "ecs:Poll"},
}
"""Of these actions exactly these, by role."""


@pytest.mark.parametrize("role", ALLOWED)
def test_roles_action_by_action(deployed: Deployed, role: str) -> None:
    iam = deployed.moto.client("iam")
    name = f"{PROJECT}-{role}"
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    statements = [
        statement
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
    ]
    allowed = set()
    for action in ACTIONS:
        for one in statements:
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            if one["Effect"] == "Allow" and any(matches(pattern, action) for pattern in actions):
                allowed.add(action)
    assert allowed == ALLOWED[role]


def test_every_edge_of_the_security_groups(deployed: Deployed, state: Platform) -> None:
    """What EC2 answers is what the parties need: no way more, no way less."""
    ec2 = deployed.moto.client("ec2")
    groups = {one["GroupId"]: one["GroupName"].removeprefix(f"{PROJECT}-") for one in _all(ec2, "security_groups")}
    prefixes = {
        one.get("prefix_list_id"): f"prefix:{one.key}"
        for one in state.of_type("aws_vpc_endpoint")
        if one.get("vpc_endpoint_type") == "Gateway"
    }
    found: set[tuple[bool, str, str, int]] = set()
    for rule in _all(ec2, "security_group_rules"):
        own = groups[rule["GroupId"]]
        if own == "default":
            continue
        other = rule.get("ReferencedGroupInfo", {}).get("GroupId")
        name = groups[other] if other else prefixes.get(rule.get("PrefixListId"), rule.get("CidrIpv4", "?"))
        assert rule["IpProtocol"] == "tcp", rule
        assert rule["FromPort"] == rule["ToPort"], rule
        ends = (own, name) if rule["IsEgress"] else (name, own)
        found.add((rule["IsEgress"], *ends, rule["FromPort"]))
    parties = [one for one in groups.values() if not one.startswith("endpoint-") and one != "default"]
    wanted = set()
    for need in needs([*parties, *(f"endpoint:{one}" for one in groups.values())]):
        target = need.target.replace("endpoint:", "endpoint-").replace(".", "-")
        wanted.add((True, need.source, target, need.port))
        if not target.startswith("prefix:"):
            wanted.add((False, need.source, target, need.port))
    assert found == wanted
    assert len(found) == len(edges(state))


def _all(ec2: Any, what: str) -> list[Any]:
    pages = ec2.get_paginator(f"describe_{what}").paginate()
    key = "".join(part.title() for part in what.split("_"))
    named = [one for page in pages for one in page[key]]
    if what == "security_groups":
        vpcs = [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
        return [one for one in named if one["VpcId"] in vpcs]
    mine = {one["GroupId"] for one in _all(ec2, "security_groups")}
    return [one for one in named if one["GroupId"] in mine]


def test_nothing_is_open_to_the_world(deployed: Deployed) -> None:
    ec2 = deployed.moto.client("ec2")
    default = {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if one["IsDefault"]}
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    assert [one for one in gateways if not {at["VpcId"] for at in one["Attachments"]} & default] == []
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    assert ec2.describe_addresses()["Addresses"] == []
    subnets = [one for one in ec2.describe_subnets()["Subnets"] if one["VpcId"] not in default]
    assert [one["MapPublicIpOnLaunch"] for one in subnets] == [False, False, False]


def test_a_last_test_destroys_it_all(deployed: Deployed) -> None:
    """The emulated search domain was made outside, and stays."""
    root = deployed.directory / "source/stacks/platform"
    data = str(deployed.directory / "terraform")
    domain = "module.visibility.aws_opensearch_domain.this"
    deployed.workshop.terraform(root, "state", "rm", domain, TF_DATA_DIR=data)
    (deployed.workshop.root("stacks/platform") / "emulated_import.tf").unlink()
    deployed.without_refresh()
    code, out, err = deployed.auroral("destroy", "--yes")
    assert code == 0, f"{out}\n{err}"
    iam, ec2 = deployed.moto.client("iam"), deployed.moto.client("ec2")
    assert [one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].startswith(PROJECT)] == []
    assert [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]] == []
    assert deployed.moto.client("dsql").list_clusters()["clusters"] == []
    ecs = deployed.moto.client("ecs")
    assert [one["status"] for one in ecs.describe_clusters(clusters=[PROJECT])["clusters"]] in ([], ["INACTIVE"])
