"""What each party of a deployment must reach, and why: the other side of the table of edges. Pure.

Written from what the programs do, not from the stack's table, so that the two can disagree. Temporal's calls were
read from Temporal 1.32.2, those of ECS from its developer guide and from docs/ of this project, in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

TEMPORAL = ("history", "matching", "frontend", "worker")
MEMBERSHIP_PORTS = {"frontend": 6933, "history": 6934, "matching": 6935, "worker": 6939}
GRPC_PORTS = {"frontend": 7233, "history": 7234, "matching": 7235, "worker": 7239}
FRONTEND_HTTP_PORT = 7243
METRICS_PORT = 9090
DSQL_PORT = 5432
TLS_PORT = 443
EVERYWHERE = "0.0.0.0/0"

CALLERS = {
    "frontend": ("frontend", "history", "worker", "ui", "benchmark-generator", "benchmark-worker", "operator"),
    "history": ("frontend", "history", "matching", "worker"),
    "matching": ("frontend", "history", "matching", "worker"),
    "worker": (),
}
"""Who may call a Temporal role by gRPC. The worker's port answers its own health check alone."""

OPTIONAL = {("operator", "frontend", 7233)}
"""What is allowed, though a deployment works without it."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One party has to reach another."""

    source: str
    target: str
    port: int
    reason: str


def needs(
    parties: Iterable[str], *, distributed_limiter: bool = False, egress_mode: str = "endpoints"
) -> tuple[Need, ...]:
    """Everything that these parties have to reach; whoever is not there needs nothing."""
    there = set(parties)
    found = [*_temporal(), *_clients(), *_stores(distributed_limiter=distributed_limiter), *_metrics()]
    tasks = [one for one in there if not one.startswith(("endpoint:", "instances-")) and one not in _NO_TASKS]
    found += _exec(sorted(tasks))
    found += _instances(sorted(one for one in there if one.startswith("instances-")), egress_mode)
    return tuple(one for one in found if one.source in there)


_NO_TASKS = ("opensearch", "dsql-endpoint")


def _need(source: str, target: str, port: int, reason: str) -> Need:
    return Need(source=source, target=target, port=port, reason=reason)


def _temporal() -> Iterator[Need]:
    for source in TEMPORAL:
        for target in TEMPORAL:
            yield _need(source, target, MEMBERSHIP_PORTS[target], "ring members gossip with every other")
    for target in ("history", "matching", "frontend"):
        for source in CALLERS[target]:
            if source in TEMPORAL:
                yield _need(source, target, GRPC_PORTS[target], f"{source} is a client of {target}")
    yield _need("history", "frontend", FRONTEND_HTTP_PORT, "Nexus callbacks within the cluster go over HTTP")


def _clients() -> Iterator[Need]:
    for source in ("ui", "benchmark-generator", "benchmark-worker"):
        yield _need(source, "frontend", GRPC_PORTS["frontend"], "a client of Temporal")


def _stores(*, distributed_limiter: bool) -> Iterator[Need]:
    for source in (*TEMPORAL, "schema", "operator"):
        yield _need(source, "dsql-endpoint", DSQL_PORT, "it opens connections to DSQL")
    for source in (*TEMPORAL, "visibility-setup"):
        yield _need(source, "opensearch", TLS_PORT, "visibility is read and written there")
    for source in TEMPORAL if distributed_limiter else ():
        yield _need(source, "prefix:dynamodb", TLS_PORT, "the distributed limiter counts there")
    yield _need("benchmark-generator", "prefix:s3", TLS_PORT, "results are stored")


def _metrics() -> Iterator[Need]:
    for target in (*TEMPORAL, "benchmark-generator", "benchmark-worker"):
        yield _need("collector", target, METRICS_PORT, "every task is scraped at its own address")
    for name, reason in {
        "ecs": "tasks to scrape are found",
        "ec2": "ecs_observer describes instances, and stops where it may not",
        "aps-workspaces": "metrics are written",
    }.items():
        yield _need("collector", f"endpoint:{name}", TLS_PORT, reason)
    yield _need("grafana", "endpoint:aps-workspaces", TLS_PORT, "metrics are queried")
    yield _need("grafana", "endpoint:monitoring", TLS_PORT, "CloudWatch is queried")
    yield _need("operator", "endpoint:monitoring", TLS_PORT, "DSQL's connections are counted there")


def _exec(tasks: Iterable[str]) -> Iterator[Need]:
    for source in tasks:
        for name in ("ssmmessages", "logs", "kms"):
            yield _need(source, f"endpoint:{name}", TLS_PORT, "ECS Exec: session, its log and its key")


def _instances(instances: Iterable[str], egress_mode: str) -> Iterator[Need]:
    for source in instances:
        for name in ("ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"):
            yield _need(source, f"endpoint:{name}", TLS_PORT, "the ECS agent registers, pulls images, writes logs")
        yield _need(source, "prefix:s3", TLS_PORT, "image layers")
        if egress_mode == "nat":
            yield _need(source, EVERYWHERE, TLS_PORT, "images from registries outside of ECR")
        if source == "instances-main":
            yield _need(source, "endpoint:secretsmanager", TLS_PORT, "the agent reads Grafana's secret")
            yield _need(source, "endpoint:ssm", TLS_PORT, "the agent reads the collector's configuration")
