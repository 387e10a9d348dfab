"""A small deployment as `terraform show -json` would write it, which keeps all 32 properties; tests then break one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from auroral.infra.model import Platform, parse
from auroral.infra.needs import GRPC_PORTS, MEMBERSHIP_PORTS, METRICS_PORT, TEMPORAL, needs
from auroral.infra.properties import PROPERTIES
from auroral.infra.properties.network import INTERFACE_ENDPOINTS

PROJECT = "demo"
ACCOUNT = "123456789012"
REGION = "us-east-1"
CLUSTER = f"arn:aws:dsql:{REGION}:{ACCOUNT}:cluster/abcdefghijklmnopqrstuvwxyz"
DIGEST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/demo/server@sha256:{'0' * 64}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
SERVICES = (*TEMPORAL, "ui", "grafana", "collector", "benchmark-worker")
ONE_SHOTS = ("schema", "operator", "visibility-setup", "benchmark-generator")
PARTIES = (*SERVICES, *ONE_SHOTS, "instances-main", "instances-benchmark", "opensearch", "dsql-endpoint")


class Document:
    """Resources by address, and outputs; `state` and `plan` write them as Terraform does."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, Any] = {}
        self.variables: dict[str, Any] = {"egress_mode": "endpoints"}

    def add(self, address: str, **values: Any) -> dict[str, Any]:
        """Add a resource; returns its values."""
        self.resources[address] = values
        return values

    def __getitem__(self, address: str) -> dict[str, Any]:
        return self.resources[address]

    @property
    def contract(self) -> dict[str, Any]:
        """The contract's value."""
        found = self.outputs["contract"]
        assert isinstance(found, dict)
        return found

    def container(self, name: str) -> dict[str, Any]:
        """The container of a task, to read; `set_container` writes it."""
        found = json.loads(self[f'module.task["{name}"].aws_ecs_task_definition.this']["container_definitions"])[0]
        assert isinstance(found, dict)
        return found

    def set_container(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the container of a task in place."""
        container = self.container(name)
        change(container)
        values = self[f'module.task["{name}"].aws_ecs_task_definition.this']
        values["container_definitions"] = json.dumps([container])

    def set_environment(self, task: str, name: str, value: str) -> None:
        """Set a variable of a task's environment."""

        def change(container: dict[str, Any]) -> None:
            kept = [one for one in container["environment"] if one["name"] != name]
            container["environment"] = [*kept, {"name": name, "value": value}]

        self.set_container(task, change)

    def statements(self, name: str) -> list[dict[str, Any]]:
        """The statements of a task role's policy."""
        found = json.loads(self[f'module.task["{name}"].aws_iam_role_policy.task']["policy"])["Statement"]
        assert isinstance(found, list)
        return found

    def set_statements(self, address: str, *statements: dict[str, Any]) -> None:
        """Replace the statements of a policy."""
        self[address]["policy"] = policy(*statements)

    def state(self) -> str:
        """As an applied state."""
        modules: dict[str, list[dict[str, Any]]] = {}
        for address, values in self.resources.items():
            module, told = _place(address)
            modules.setdefault(module, []).append({**told, "mode": "managed", "values": values})
        root = modules.pop("", [])
        children = [{"address": module, "resources": listed} for module, listed in modules.items()]
        outputs = {name: {"value": value, "sensitive": False} for name, value in self.outputs.items()}
        values = {"outputs": outputs, "root_module": {"resources": root, "child_modules": children}}
        return json.dumps({"format_version": "1.0", "terraform_version": "1.11.4", "values": values})

    def plan(self, unknown: dict[str, Any] | None = None, before: dict[str, Any] | None = None) -> str:
        """As a plan that creates everything, or changes what `before` has; `unknown`: address → after_unknown."""
        unknown, before = unknown or {}, before or {}
        changes = []
        for address, values in self.resources.items():
            module, told = _place(address)
            change = {
                "actions": ["update"] if address in before else ["create"],
                "before": before.get(address),
                "after": values,
                "after_unknown": unknown.get(address, {}),
                "after_sensitive": {},
            }
            changes.append({**told, "module_address": module, "mode": "managed", "change": change})
        outputs = {
            name: {"actions": ["create"], "before": None, "after": value, "after_unknown": unknown.get(name, False)}
            for name, value in self.outputs.items()
        }
        return json.dumps(
            {
                "format_version": "1.2",
                "terraform_version": "1.11.4",
                "variables": {name: {"value": value} for name, value in self.variables.items()},
                "planned_values": {"root_module": {}},
                "resource_changes": changes,
                "output_changes": outputs,
                "configuration": {"root_module": {}},
            }
        )


def policy(*statements: dict[str, Any]) -> str:
    """A policy document of statements that allow."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def _place(address: str) -> tuple[str, dict[str, Any]]:
    """A resource's module, and what Terraform says beside its values."""
    module, _, rest = address.rpartition(".aws_") if ".aws_" in address else ("", "", address)
    rest = f"aws_{rest}" if module else rest
    body, _, key = rest.partition("[")
    kind, name = body.split(".")
    told: dict[str, Any] = {"address": address, "type": kind, "name": name}
    if key:
        told["index"] = json.loads(key.rstrip("]"))
    return module, told


def deployment(*, limiter: str = "local", egress_mode: str = "endpoints") -> Document:
    """A deployment that keeps every property."""
    document = Document()
    document.variables["egress_mode"] = egress_mode
    document.outputs["contract"] = _contract(limiter, egress_mode)
    _network(document, limiter, egress_mode)
    for name in SERVICES:
        _task(document, name)
        _service(document, name)
    for name in ONE_SHOTS:
        _task(document, name)
    _pool(document, "main", 3)
    _pool(document, "benchmark", 0)
    _stores(document)
    return copy.deepcopy(document)


def broken_by(text: str) -> dict[int, list[str]]:
    """The numbers of the broken properties, with what they say."""
    return findings_of(parse(text), "broken")


def findings_of(platform: Platform, kind: str) -> dict[int, list[str]]:
    """Number of a property → its findings of this kind."""
    found = {
        one.number: [f"{each.address}: {each.message}" for each in one.check(platform) if each.kind == kind]
        for one in PROPERTIES
    }
    return {number: listed for number, listed in found.items() if listed}


def assert_breaks(document: Document, number: int, *words: str) -> None:
    """Exactly this property is broken, in a state and in a plan, and the message says these words."""
    broken = broken_by(document.state())
    assert set(broken) == {number}, broken
    text = "\n".join(broken[number])
    assert [word for word in words if word not in text] == [], text
    assert set(broken_by(document.plan())) == {number}


def _network(document: Document, limiter: str, egress_mode: str) -> None:
    where = "module.network"
    document.add(f"{where}.aws_vpc.this", id="vpc-1", cidr_block="10.0.0.0/16", ipv6_cidr_block="")
    document.add(f"{where}.aws_default_security_group.this", id="sg-default", vpc_id="vpc-1", ingress=[], egress=[])
    for zone in "abc":
        subnet = f'{where}.aws_subnet.private["{REGION}{zone}"]'
        document.add(subnet, id=f"subnet-{zone}", map_public_ip_on_launch=False)
    if egress_mode == "nat":
        document.add(f"{where}.aws_internet_gateway.this[0]", id="igw-1")
        document.add(f'{where}.aws_eip.nat["a"]', id="eip-1", instance="")
        document.add(f'{where}.aws_nat_gateway.this["a"]', id="nat-1")
        document.add(f'{where}.aws_route.nat["a"]', destination_cidr_block="0.0.0.0/0", nat_gateway_id="nat-1")
    for party in PARTIES:
        document.add(f'{where}.aws_security_group.party["{party}"]', id=f"sg-{party}", name=f"{PROJECT}-{party}")
    for name in INTERFACE_ENDPOINTS:
        group = f'{where}.aws_security_group.endpoint["{name}"]'
        document.add(group, id=f"sg-endpoint:{name}", name=f"{PROJECT}-endpoint-{name}")
        document.add(f'{where}.aws_vpc_endpoint.interface["{name}"]', **_endpoint(name))
    for name in ("s3", "dynamodb"):
        values = {**_endpoint(name), "vpc_endpoint_type": "Gateway", "prefix_list_id": f"pl-prefix:{name}"}
        document.add(f'{where}.aws_vpc_endpoint.gateway["{name}"]', **values)
    document.add("module.dsql.aws_vpc_endpoint.this", **_endpoint("dsql-abcd"))
    parties = (*PARTIES, *(f"endpoint:{name}" for name in INTERFACE_ENDPOINTS))
    for need in needs(parties, distributed_limiter=limiter == "distributed", egress_mode=egress_mode):
        add_edge(document, need.source, need.target, need.port)


def _endpoint(name: str) -> dict[str, Any]:
    return {
        "id": f"vpce-{name}",
        "service_name": f"com.amazonaws.{REGION}.{name}",
        "vpc_endpoint_type": "Interface",
        "private_dns_enabled": True,
    }


def add_edge(document: Document, source: str, target: str, port: int, *, sides: str = "both") -> None:
    """Open a way, on both sides or one of `egress`, `ingress`."""
    key = f"{source}-to-{target.replace(':', '-')}-{port}"
    common = {"ip_protocol": "tcp", "from_port": port, "to_port": port, "cidr_ipv4": None, "cidr_ipv6": None}
    range_, prefix = "/" in target, target.startswith("prefix:")
    if sides in ("both", "egress"):
        document.add(
            f'module.network.aws_vpc_security_group_egress_rule.edge["{key}"]',
            **{
                **common,
                "security_group_id": f"sg-{source}",
                "cidr_ipv4": target if range_ else None,
                "prefix_list_id": f"pl-{target}" if prefix else None,
                "referenced_security_group_id": None if range_ or prefix else f"sg-{target}",
            },
        )
    if sides in ("both", "ingress") and not range_ and not prefix:
        document.add(
            f'module.network.aws_vpc_security_group_ingress_rule.edge["{key}"]',
            **{**common, "security_group_id": f"sg-{target}", "referenced_security_group_id": f"sg-{source}"},
        )


def _task(document: Document, name: str) -> None:
    where = f'module.task["{name}"]'
    environment = {"AWS_REGION": REGION}
    if name in TEMPORAL:
        environment |= {
            "TEMPORAL_SQL_MAX_CONNS": "50",
            "TEMPORAL_SQL_MAX_IDLE_CONNS": "50",
            "TEMPORAL_SQL_MAX_CONN_LIFETIME": "55m",
            "DSQL_CONNECTION_RATE_LIMIT": "8.1",
            "DSQL_CONNECTION_BURST_LIMIT": "50",
            "DSQL_RESERVOIR": "0",
        }
    container = {
        "name": name,
        "image": DIGEST,
        "essential": True,
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "healthCheck": {"command": ["CMD", "true"], "startPeriod": 78},
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {"logDriver": "awslogs"},
    }
    pool = "benchmark" if name.startswith("benchmark-") else "main"
    document.add(
        f"{where}.aws_ecs_task_definition.this",
        arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{PROJECT}-{name}:1",
        family=f"{PROJECT}-{name}",
        cpu="256",
        memory="512",
        runtime_platform=[{"cpu_architecture": "ARM64"}],
        volume=[],
        placement_constraints=[{"type": "memberOf", "expression": f"attribute:workload == {pool}"}],
        container_definitions=json.dumps([container]),
    )
    group = f"/ecs/{PROJECT}/{name}"
    document.add(f"{where}.aws_cloudwatch_log_group.this", name=group, retention_in_days=30, kms_key_id=KEY)
    document.add(f"{where}.aws_iam_role.task", name=f"{PROJECT}-{name}-task", id=f"{PROJECT}-{name}-task")
    statements = []
    if name in TEMPORAL or name == "operator":
        statements.append({"Action": ["dsql:DbConnect"], "Resource": [CLUSTER]})
    if name == "schema":
        statements.append({"Action": "dsql:DbConnectAdmin", "Resource": CLUSTER})
    statements.append({"Action": ["ssmmessages:OpenDataChannel"], "Resource": ["*"]})
    document.add(f"{where}.aws_iam_role_policy.task", role=f"{PROJECT}-{name}-task", policy=policy(*statements))


def _service(document: Document, name: str) -> None:
    document.add(
        f'module.task["{name}"].aws_ecs_service.this[0]',
        name=f"{PROJECT}-{name}",
        task_definition=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{PROJECT}-{name}:1",
        desired_count=0,
        enable_execute_command=True,
        deployment_maximum_percent=100,
        deployment_circuit_breaker=[{"enable": True, "rollback": True}],
        alarms=[{"enable": True, "rollback": True, "alarm_names": [f"{PROJECT}-{name}-memory"]}],
        network_configuration=[{"assign_public_ip": False, "security_groups": [f"sg-{name}"]}],
    )


def _pool(document: Document, name: str, least: int) -> None:
    where = f'module.capacity["{name}"]'
    document.add(
        f"{where}.aws_launch_template.this",
        instance_type="m7g.xlarge",
        vpc_security_group_ids=[f"sg-instances-{name}"],
        metadata_options=[{"http_tokens": "required", "http_put_response_hop_limit": 1}],
        block_device_mappings=[{"device_name": "/dev/xvda", "ebs": [{"encrypted": "true"}]}],
        network_interfaces=[],
    )
    document.add(
        f"{where}.aws_autoscaling_group.this",
        name=f"{PROJECT}-{name}",
        min_size=least,
        max_size=6,
        desired_capacity=least,
    )
    role = f"{PROJECT}-{name}-instance"
    document.add(f"{where}.aws_iam_role.instance", name=role, id=role)
    document.add(f"{where}.aws_iam_instance_profile.this", name=role, role=role)
    agent = {"Action": ["ecs:DiscoverPollEndpoint", "ecr:GetAuthorizationToken"], "Resource": "*"}
    poll = {"Action": "ecs:Poll", "Resource": f"arn:aws:ecs:{REGION}:{ACCOUNT}:container-instance/{PROJECT}/*"}
    document.add(f"{where}.aws_iam_role_policy.instance", role=role, policy=policy(agent, poll))


def _stores(document: Document) -> None:
    document.add(
        "module.dsql.aws_dynamodb_table.limiter",
        name=f"{PROJECT}-dsql-rate-limiter",
        hash_key="pk",
        range_key=None,
        billing_mode="PAY_PER_REQUEST",
        attribute=[{"name": "pk", "type": "S"}],
        ttl=[{"attribute_name": "ttl_epoch", "enabled": True}],
    )
    document.add(
        "module.visibility.aws_opensearch_domain.this",
        domain_name=f"{PROJECT}-visibility",
        cluster_config=[
            {
                "instance_count": 3,
                "zone_awareness_enabled": True,
                "zone_awareness_config": [{"availability_zone_count": 3}],
            }
        ],
        encrypt_at_rest=[{"enabled": True}],
        node_to_node_encryption=[{"enabled": True}],
        domain_endpoint_options=[{"enforce_https": True, "tls_security_policy": "Policy-Min-TLS-1-2-PFS-2023-10"}],
        vpc_options=[{"subnet_ids": ["subnet-a"]}],
    )


def _contract(limiter: str, egress_mode: str) -> dict[str, Any]:
    def service(name: str) -> dict[str, Any]:
        pool = {"pool_size": 50, "rate_per_s": 8.1, "burst": 50, "reservoir": 0}
        return {
            "service": f"{PROJECT}-{name}",
            "pool": "benchmark" if name.startswith("benchmark-") else "main",
            "ports": {"grpc": GRPC_PORTS.get(name, 80), "membership": MEMBERSHIP_PORTS.get(name, 0)},
            "metrics_port": METRICS_PORT,
            "planned_count": 2,
            "autoscale_max": 2,
            "min_healthy_percent": 50,
            "max_percent": 100,
            "dsql": pool if name in TEMPORAL else None,
        }

    def task(name: str) -> dict[str, Any]:
        return {
            "task_family": f"{PROJECT}-{name}",
            "role_arn": f"arn:aws:iam::{ACCOUNT}:role/{PROJECT}-{name}-task",
            "group_ids": [f"sg-{name}"],
            "pool": "benchmark" if name.startswith("benchmark-") else "main",
        }

    return {
        "version": 1,
        "project": PROJECT,
        "network": {"egress_mode": egress_mode},
        "services": {name: service(name) for name in SERVICES},
        "tasks": {name: task(name) for name in ONE_SHOTS},
        "capacity": {
            name: {"asg": f"{PROJECT}-{name}", "instance_type": "m7g.xlarge", "max": 6}
            for name in ("main", "benchmark")
        },
        "dsql": {
            "limits": {"connections": 10000, "rate_per_s": 100, "burst": 1000},
            "limiter": {"mode": limiter, "limit_per_s": 100, "table": f"{PROJECT}-dsql-rate-limiter"},
        },
    }
