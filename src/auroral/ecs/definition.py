"""Reads a deployment's services out of ECS's own descriptions: service, task definition, environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from auroral.ecs.fleet import DsqlShare, FleetService, Named, Pool
from auroral.errors import TargetError

_DEFAULTS = {
    "TEMPORAL_SQL_MAX_CONNS": "50",
    "DSQL_CONNECTION_RATE_LIMIT": "10",
    "DSQL_CONNECTION_BURST_LIMIT": "100",
    "DSQL_RESERVOIR": "0",
}
"""What the server takes where a variable is not set: docs/reference/server-environment.md."""

_DOMAIN = re.compile(r"(?:vpc-|search-)?(.+)-[a-z0-9]{26}\.(?:[a-z0-9-]+\.es\.amazonaws\.com|aos\.[a-z0-9-]+\.on\.aws)")
_PRIVATE = re.compile(r"\.dsql-[a-z0-9]+\.")


def service_of(
    key: str,
    service: Mapping[str, Any],
    definition: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    pool: str,
    bounds: tuple[int, int] | None,
) -> FleetService:
    """One service. `bounds` are the least and most tasks of its autoscaling; None: it has none.

    Raises `TargetError` where its environment holds what is no number.
    """
    container = container_of(definition, key)
    least, most = bounds or (0, 0)
    planned = int(service.get("desiredCount", 0)) or least
    rollout = service.get("deploymentConfiguration") or {}
    health = container.get("healthCheck") or {}
    log = (container.get("logConfiguration") or {}).get("options") or {}
    return FleetService(
        key=key,
        name=str(service["serviceName"]),
        container=str(container.get("name", key)),
        family=str(definition.get("family", "")),
        task_definition=str(definition.get("taskDefinitionArn", "")),
        log_group=str(log.get("awslogs-group", "")),
        cpu=int(definition.get("cpu") or container.get("cpu") or 0),
        memory=int(definition.get("memory") or container.get("memory") or container.get("memoryReservation") or 0),
        pool=pool,
        planned=planned,
        maximum=max(planned, most),
        min_healthy_percent=int(rollout.get("minimumHealthyPercent", 100)),
        max_percent=int(rollout.get("maximumPercent", 200)),
        start_period_s=int(health.get("startPeriod") or 0),
        ports={
            str(one.get("name") or one["containerPort"]): int(one["containerPort"])
            for one in container.get("portMappings") or ()
        },
        dsql=share_of(str(service["serviceName"]), environment),
    )


def share_of(service: str, environment: Mapping[str, str]) -> DsqlShare | None:
    """What a task with this environment takes of DSQL; None: it opens no connection.

    Raises `TargetError` where it holds what is no number; `service` is for the message.
    """
    if "DSQL_ENDPOINT" not in environment:
        return None

    def number(name: str) -> float:
        text = environment.get(name) or _DEFAULTS[name]
        try:
            return float(text)
        except ValueError as error:
            raise TargetError(
                f"{service}: its task definition sets {name}={text}: expected a number",
                hint="correct it in the platform stack, and apply that",
            ) from error

    return DsqlShare(
        pool_size=int(number("TEMPORAL_SQL_MAX_CONNS")),
        rate_per_s=number("DSQL_CONNECTION_RATE_LIMIT"),
        burst=int(number("DSQL_CONNECTION_BURST_LIMIT")),
        reservoir=int(number("DSQL_RESERVOIR")),
    )


def named_of(project: str, environments: Mapping[str, Mapping[str, str]]) -> Named:
    """What the servers' environment says of the stores."""
    server = next((one for one in environments.values() if "DSQL_ENDPOINT" in one), {})
    distributed = server.get("DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED", "false") == "true"
    endpoint = server.get("DSQL_ENDPOINT", "")
    return Named(
        dsql_cluster=endpoint.partition(".")[0],
        dsql_endpoint=_PRIVATE.sub(".dsql.", endpoint),
        limiter=("distributed" if distributed else "local") if server else "",
        domain=_domain(server.get("TEMPORAL_OPENSEARCH_HOST", "")),
        alarm_prefix=f"{project}-",
        query_url=environments.get("grafana", {}).get("AURORAL_PROMETHEUS_URL", ""),
    )


def _domain(host: str) -> str:
    """Name of the OpenSearch domain in `vpc-<domain>-<26 letters>.<region>.es.amazonaws.com`."""
    found = _DOMAIN.fullmatch(host)
    return found[1] if found else ""


def pool_of(
    service: Mapping[str, Any], definition: Mapping[str, Any], default: Sequence[str], pools: Mapping[str, Pool]
) -> str:
    """By the service's capacity provider, else by the workload that its tasks may be placed for."""
    of = {one.provider: one.key for one in pools.values()}
    for provider in (*strategy_of(service.get("capacityProviderStrategy")), *default):
        if provider in of:
            return of[provider]
    for constraint in definition.get("placementConstraints") or ():
        expression = str(constraint.get("expression", ""))
        workload = expression.partition("attribute:workload ==")[2].strip()
        if workload in pools:
            return workload
    return ""


def container_of(definition: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The container that does a service's work: of its name, else the first that is essential."""
    containers: Sequence[Mapping[str, Any]] = definition.get("containerDefinitions") or ({},)
    named = [one for one in containers if one.get("name") == key]
    essential = [one for one in containers if one.get("essential", True)]
    return (named or essential or list(containers))[0]


def environment_of(definition: Mapping[str, Any], key: str) -> dict[str, str]:
    """The plain environment of a service's container; secrets are no part of it."""
    container = container_of(definition, key)
    return {str(one.get("name")): str(one.get("value", "")) for one in container.get("environment") or ()}


def family_of(definition: str) -> str:
    """`arn:…:task-definition/dev-history:7` → `dev-history`."""
    return last_of(definition).partition(":")[0]


def strategy_of(strategy: Any) -> list[str]:
    """Names of the capacity providers of a strategy."""
    return [str(one["capacityProvider"]) for one in strategy or () if one.get("capacityProvider")]


def instance_type_of(group: Mapping[str, Any]) -> str:
    """Of a group's instances, else the first that it may start; empty where neither says."""
    for instance in group.get("Instances") or ():
        if instance.get("InstanceType"):
            return str(instance["InstanceType"])
    template = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    return next((str(one["InstanceType"]) for one in template.get("Overrides") or () if one.get("InstanceType")), "")


def group_name_of(arn: str) -> str:
    """The name in a group's ARN: `…:autoScalingGroupName/dev-main`, or a name as it is."""
    return arn.rpartition("autoScalingGroupName/")[2]


def last_of(arn: str) -> str:
    """What follows an ARN's last slash."""
    return str(arn).rsplit("/", 1)[-1]
