"""What is operated: the services of a deployment, their order, their pools of instances, DSQL's allowance. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from auroral.capacity.budget import Allowance, ServiceConnections
from auroral.deployment import Contract
from auroral.dsql import limits

TEMPORAL = ("frontend", "history", "matching", "worker")
"""Temporal's own services, in the order in which they start: a task resolves only the Service Connect names that
existed when it was deployed, so that the frontend comes before whoever calls it."""

ORDER = (*TEMPORAL, "ui", "grafana", "collector")
"""All that `up` starts, in order; `down` goes the other way."""

BENCHMARK_WORKER = "benchmark-worker"
"""Started by `auroral bench remote` alone."""

WARMUP_LINE = "DSQL pool warmup complete"
ADDRESS_LINE = "Detected ECS task IP from metadata"
"""What a task of the server logs: server/internal/pool/keeper.go, server/internal/host/address.go."""


class DsqlShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one task may take of DSQL."""

    pool_size: int
    rate_per_s: float
    burst: int
    reservoir: int = 0


class FleetService(msgspec.Struct, frozen=True, kw_only=True):
    """One service of ECS."""

    key: str
    """`history`, `benchmark-worker`, …"""
    name: str
    """Of the ECS service."""
    container: str
    family: str
    task_definition: str
    """ARN that the last apply registered; the service may run another one."""
    log_group: str
    cpu: int
    """CPU units of a task; 1,024 are a vCPU."""
    memory: int
    """MiB of a task."""
    pool: str
    """Key of `Fleet.pools`."""
    planned: int
    """Tasks that the plan foresees."""
    maximum: int
    """Tasks that autoscaling may start; `planned` where there is none."""
    min_healthy_percent: int = 100
    max_percent: int = 200
    start_period_s: int = 0
    ports: Mapping[str, int] = {}
    dsql: DsqlShare | None = None
    """None: it opens no connection to DSQL."""

    def connections(self, planned: int) -> ServiceConnections | None:
        """The service as the budget sees it with so many tasks; None where it opens no connection."""
        if self.dsql is None:
            return None
        return ServiceConnections(
            service=self.key,
            planned=planned,
            maximum=max(planned, self.maximum) if self.maximum > self.planned else planned,
            pool_size=self.dsql.pool_size,
            reservoir=self.dsql.reservoir,
            rate_per_s=self.dsql.rate_per_s,
            burst=self.dsql.burst,
            min_healthy_percent=self.min_healthy_percent,
            max_percent=self.max_percent,
        )


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One pool of instances."""

    key: str
    """`main`, `benchmark`."""
    provider: str
    """Capacity provider."""
    group: str
    """Auto Scaling group."""
    instance_type: str
    minimum: int
    maximum: int


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment's stores and alarms are called; empty: it is not known."""

    dsql_cluster: str = ""
    """Identifier."""
    dsql_endpoint: str = ""
    """Host name: the public one, as far as it is known."""
    limiter: str = ""
    """How connects a second are held: `local`, or `distributed`."""
    domain: str = ""
    """Of OpenSearch."""
    account_id: str = ""
    alarm_prefix: str = ""
    query_url: str = ""
    """Of the workspace of Amazon Managed Service for Prometheus, with a slash at its end."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment, as the commands of `auroral cluster` and `auroral bench remote` act on it."""

    cluster: str
    """Name of the ECS cluster."""
    region: str
    project: str = ""
    services: Mapping[str, FleetService]
    pools: Mapping[str, Pool] = {}
    allowance: Allowance = Allowance()
    named: Named = Named()
    contract: Contract | None = None
    """None: the names were given by flag, and what only Terraform knows is not known."""
    source: str = ""
    """Where it was read from, for messages."""

    def ordered(self) -> tuple[FleetService, ...]:
        """What `up` starts, in order."""
        return tuple(self.services[key] for key in ORDER if key in self.services)

    def key_of(self, name: str) -> str | None:
        """The service that ECS knows by this name; None where it is none of ours."""
        return next((one.key for one in self.services.values() if one.name == name), None)


def of_contract(contract: Contract, source: str = "") -> Fleet:
    """The fleet of a deployment."""
    services = {
        key: FleetService(
            key=key,
            name=one.service,
            container=one.container,
            family=one.task_family,
            task_definition=one.task_definition_arn,
            log_group=one.log_group,
            cpu=one.cpu,
            memory=one.memory,
            pool=one.pool,
            planned=one.planned_count,
            maximum=max(one.planned_count, one.autoscale_max),
            min_healthy_percent=one.min_healthy_percent,
            max_percent=one.max_percent,
            start_period_s=one.start_period_s,
            ports=one.ports,
            dsql=None
            if one.dsql is None
            else DsqlShare(
                pool_size=one.dsql.pool_size,
                rate_per_s=one.dsql.rate_per_s,
                burst=one.dsql.burst,
                reservoir=one.dsql.reservoir,
            ),
        )
        for key, one in contract.services.items()
    }
    pools = {
        key: Pool(
            key=key,
            provider=one.provider,
            group=one.asg,
            instance_type=one.instance_type,
            minimum=one.min,
            maximum=one.max,
        )
        for key, one in contract.capacity.items()
    }
    granted = contract.dsql.limits
    return Fleet(
        cluster=contract.cluster.name,
        region=contract.region,
        project=contract.project,
        services=services,
        pools=pools,
        allowance=Allowance(
            connections=granted.connections or limits.MAX_CONNECTIONS,
            rate_per_s=granted.rate_per_s or limits.CONNECT_RATE_PER_S,
            burst=granted.burst or limits.CONNECT_BURST,
        ),
        named=Named(
            dsql_cluster=contract.dsql.identifier,
            dsql_endpoint=contract.dsql.endpoint,
            limiter=contract.dsql.limiter.mode,
            domain=contract.visibility.domain,
            account_id=contract.account_id,
            alarm_prefix=contract.alarms.prefix,
            query_url=contract.metrics.query_url,
        ),
        contract=contract,
        source=source,
    )
