"""The contract of a deployment: the one output of infra/stacks/platform that auroral's commands read. Pure.

`contract.schema.json` beside this file is its JSON Schema, generated from these types. A later stack may add to version
1; what it changes or takes away needs another version.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from auroral.errors import UsageError

VERSION = 1
SCHEMA_ID = f"auroral.contract/{VERSION}"
HINT = "terraform output -json > outputs.json, in infra/stacks/platform"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the contract. What this version does not know is left alone."""


class Cluster(Part, frozen=True, kw_only=True):
    """The ECS cluster."""

    name: str
    arn: str
    exec_log_group: str
    service_connect_namespace: str
    dns_namespace: str


class Network(Part, frozen=True, kw_only=True):
    """The VPC; its subnets are private, one in each zone."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    zones: tuple[str, ...]
    egress_mode: str


class Frontend(Part, frozen=True, kw_only=True):
    """host:port of Temporal's frontend."""

    service_connect_address: str
    """For tasks of services that are clients of Service Connect."""
    dns_address: str
    """For standalone tasks, and whoever else is inside the network."""


class DsqlBudget(Part, frozen=True, kw_only=True):
    """What one task of a service may take of DSQL."""

    pool_size: int
    rate_per_s: float
    burst: int
    reservoir: int


class Service(Part, frozen=True, kw_only=True):
    """One ECS service."""

    service: str
    """Name of the ECS service."""
    task_family: str
    task_definition_arn: str
    """The revision that the last apply registered; the service may run another one until `auroral cluster roll`."""
    container: str
    log_group: str
    role_arn: str
    """Of its tasks."""
    group_id: str
    """Security group of its tasks."""
    ports: dict[str, int]
    pool: str
    """Key of `capacity`."""
    cpu: int
    """CPU units of a task; 1,024 are a vCPU."""
    memory: int
    """MiB of a task."""
    planned_count: int
    autoscale_max: int
    min_healthy_percent: int
    max_percent: int
    start_period_s: int
    dsql: DsqlBudget | None = None
    """None: it opens no connection to DSQL."""


class Task(Part, frozen=True, kw_only=True):
    """One task that runs once."""

    task_family: str
    task_definition_arn: str
    container: str
    log_group: str
    role_arn: str
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    pool: str
    capacity_provider: str


class Tasks(Part, frozen=True, kw_only=True):
    """The tasks that run once."""

    schema: Task
    """auroral-schema, as admin of DSQL: schema and roles."""
    operator: Task
    """auroral dsql, auroral cluster clean-membership."""
    visibility: Task
    """auroral visibility, as master of the domain."""
    generator: Task
    """auroral bench run."""


class Pool(Part, frozen=True, kw_only=True):
    """One pool of instances."""

    provider: str
    """Capacity provider."""
    asg: str
    """Auto Scaling group."""
    instance_type: str
    min: int
    max: int


class DsqlLimits(Part, frozen=True, kw_only=True):
    """What AWS has granted to the cluster."""

    connections: int
    rate_per_s: float
    burst: int


class Limiter(Part, frozen=True, kw_only=True):
    """How connects a second are held: `local`, or `distributed` by the table."""

    mode: str
    limit_per_s: int
    table: str


class Backup(Part, frozen=True, kw_only=True):
    """AWS Backup of the DSQL cluster."""

    vault_name: str
    plan_id: str
    backup_role_arn: str
    restore_role_arn: str


class Dsql(Part, frozen=True, kw_only=True):
    """The DSQL cluster."""

    identifier: str
    arn: str
    endpoint: str
    """Public host name."""
    private_endpoint: str
    """Host name inside the network; tokens are signed for the name that is called."""
    limits: DsqlLimits
    limiter: Limiter
    backup: Backup | None = None


class Visibility(Part, frozen=True, kw_only=True):
    """The OpenSearch domain and Temporal's index in it."""

    domain: str
    arn: str
    endpoint: str
    index: str


class Metrics(Part, frozen=True, kw_only=True):
    """The workspace of Amazon Managed Service for Prometheus, and the collector's configuration in SSM."""

    workspace_id: str
    workspace_arn: str
    query_url: str
    remote_write_url: str
    collector_parameter: str


class Alarms(Part, frozen=True, kw_only=True):
    """Who hears of alarms, and how their names begin."""

    topic_arn: str
    prefix: str


class Benchmark(Part, frozen=True, kw_only=True):
    """Where benchmarks run and leave their results."""

    namespace: str
    results_bucket: str
    results_prefix: str


class Commands(Part, frozen=True, kw_only=True):
    """Lines for a shell with the AWS CLI, by service."""

    exec: dict[str, str]
    forward: dict[str, str]


class Contract(Part, frozen=True, kw_only=True):
    """A deployment, as Terraform made it. No value in it is a secret."""

    version: int
    project: str
    region: str
    account_id: str
    partition: str
    cluster: Cluster
    network: Network
    frontend: Frontend
    services: dict[str, Service]
    """history, matching, frontend, worker, ui, grafana, collector, benchmark-worker."""
    tasks: Tasks
    capacity: dict[str, Pool]
    dsql: Dsql
    visibility: Visibility
    metrics: Metrics
    alarms: Alarms
    benchmark: Benchmark
    images: dict[str, str]
    repository_arns: tuple[str, ...]
    grafana_secret_arn: str
    history_shards: int
    log_groups: dict[str, str]
    """What is no service's or task's."""
    commands: Commands


def parse(value: Any, source: str) -> Contract:
    """Read the value of the output. Raises `UsageError` where it is of another version or form."""
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION or isinstance(version, bool):
        found = f"version {version}" if isinstance(version, int) else "something without a version"
        raise UsageError(
            f"expected the output contract of version {VERSION} in {source}, found {found}",
            hint=f"apply the stack of this auroral, or use the auroral of that stack; {HINT}",
        )
    try:
        return msgspec.convert(value, Contract)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"the output contract in {source} has another form than expected: {error}", hint=HINT
        ) from error


def schema() -> str:
    """The JSON Schema, as contract.schema.json holds it."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA_ID.replace('/', ':')}",
        "title": f"Contract of an auroral deployment ({SCHEMA_ID})",
        **msgspec.json.schema(Contract),
    }
    document["$defs"]["Contract"]["properties"]["version"] = {"const": VERSION}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
