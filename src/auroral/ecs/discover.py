"""Finds a deployment by the names of its cluster and services, where there are no outputs. Acts.

What only Terraform knows stays unknown: how many tasks were planned. What a service wants now counts instead, or the
least that its autoscaling keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from auroral.aws_account import Account, AwsError, listed
from auroral.aws_calls import Kind
from auroral.ecs.definition import (
    environment_of,
    family_of,
    group_name_of,
    instance_type_of,
    last_of,
    named_of,
    pool_of,
    service_of,
    strategy_of,
)
from auroral.ecs.fleet import BENCHMARK_WORKER, ORDER, Fleet, Pool
from auroral.ecs.observe import SERVICES_AT_ONCE
from auroral.ecs.scaling import groups_named, targets_of
from auroral.errors import UsageError

KEYS = (*ORDER, BENCHMARK_WORKER)
_AT_ONCE = 8
_MOST_NAMED = 12


def discover(account: Account, cluster: str, project: str) -> Fleet:
    """The fleet of the services `<project>-<key>` in a cluster.

    Raises `UsageError` where there is no such cluster or none of its services has the prefix; each names what is
    there. Raises `AwsError`.
    """
    found = _cluster(account, cluster)
    services = _services(account, cluster, project)
    definitions = _definitions(account, project, services)
    environments = {key: environment_of(one, key) for key, one in definitions.items()}
    pools = _pools(account, project, _providers(found, services))
    maxima = _autoscaling(account, cluster, services)
    default = strategy_of(found.get("defaultCapacityProviderStrategy"))
    fleet_services = {
        key: service_of(
            key,
            services[key],
            definitions[key],
            environments[key],
            pool=pool_of(services[key], definitions[key], default, pools),
            bounds=maxima.get(str(services[key]["serviceName"])),
        )
        for key in KEYS
        if key in services
    }
    return Fleet(
        cluster=str(found.get("clusterName") or cluster),
        region=account.region,
        project=project,
        services=fleet_services,
        pools=pools,
        named=named_of(project, environments),
        source=f"names in the cluster {cluster}: what a service wants now counts as planned",
    )


def _cluster(account: Account, cluster: str) -> Mapping[str, Any]:
    answer = account.call("ecs", "describe_clusters", clusters=[cluster])
    for found in answer.get("clusters") or ():
        if found.get("status") == "ACTIVE":
            described: Mapping[str, Any] = found
            return described
    arns = listed(account, "ecs", "list_clusters", "clusterArns")
    raise UsageError(
        f"there is no cluster {cluster} in {account.region}: {_names('expected one of', arns)}",
        hint="--region and --profile say where it is looked for; --outputs and --stack name it themselves",
    )


def _services(account: Account, cluster: str, project: str) -> dict[str, Mapping[str, Any]]:
    """By key. Other services of the cluster are none of ours."""
    arns = list(listed(account, "ecs", "list_services", "serviceArns", cluster=cluster))
    wanted = {f"{project}-{key}": key for key in KEYS}
    ours = [last_of(arn) for arn in arns if last_of(arn) in wanted]
    if not ours:
        raise UsageError(
            f"the cluster {cluster} has no service {project}-frontend, {project}-history, …: "
            + _names("expected --project with the prefix of one of", arns),
            hint="the prefix is the project's name, the variable project of the platform stack",
        )
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(ours), SERVICES_AT_ONCE):
        some = ours[start : start + SERVICES_AT_ONCE]
        answer = account.call("ecs", "describe_services", cluster=cluster, services=some)
        found |= {wanted[str(one["serviceName"])]: one for one in answer.get("services") or ()}
    return found


def _definitions(
    account: Account, project: str, services: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The newest revision of each service's family, as the last apply registered it."""

    def described(service: Mapping[str, Any]) -> Mapping[str, Any]:
        running = str(service.get("taskDefinition", ""))
        family = family_of(running)
        try:
            answer = account.call("ecs", "describe_task_definition", taskDefinition=family)
        except AwsError as error:
            # A family whose revisions are all deregistered: the service still runs one of them.
            if error.failure.kind not in (Kind.MISSING, Kind.INVALID):
                raise
            answer = account.call("ecs", "describe_task_definition", taskDefinition=running)
        definition: Mapping[str, Any] = answer["taskDefinition"]
        return definition

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="discover") as pool:
        return dict(zip(services, pool.map(described, services.values()), strict=True))


def _providers(cluster: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    named = [str(name) for name in cluster.get("capacityProviders") or ()]
    for service in services.values():
        named += strategy_of(service.get("capacityProviderStrategy"))
    return [name for name in dict.fromkeys(named) if not name.startswith("FARGATE")]


def _pools(account: Account, project: str, providers: Sequence[str]) -> dict[str, Pool]:
    if not providers:
        return {}
    answer = account.call("ecs", "describe_capacity_providers", capacityProviders=list(providers))
    groups = {
        str(one["name"]): group_name_of(str(one["autoScalingGroupProvider"].get("autoScalingGroupArn", "")))
        for one in answer.get("capacityProviders") or ()
        if one.get("autoScalingGroupProvider")
    }
    if not groups:
        return {}
    named = groups_named(account, filter(None, groups.values()))
    described = {str(one["AutoScalingGroupName"]): one for one in named}
    pools = {}
    for provider, group in groups.items():
        one = described.get(group, {})
        key = provider.removeprefix(f"{project}-")
        pools[key] = Pool(
            key=key,
            provider=provider,
            group=group,
            instance_type=instance_type_of(one),
            minimum=int(one.get("MinSize", 0)),
            maximum=int(one.get("MaxSize", 0)),
        )
    return pools


def _autoscaling(
    account: Account, cluster: str, services: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[int, int]]:
    """Service's name → least and most tasks. Whoever may not ask for it goes on without."""
    try:
        targets = targets_of(account, cluster, [str(one["serviceName"]) for one in services.values()])
    except AwsError as error:
        if error.failure.kind is Kind.DENIED:
            return {}
        raise
    return {name: (int(one.get("MinCapacity", 0)), int(one.get("MaxCapacity", 0))) for name, one in targets.items()}


def _names(expected: str, arns: Iterable[str]) -> str:
    ordered = sorted(map(last_of, arns))
    if not ordered:
        return "there is none at all"
    more = f" and {len(ordered) - _MOST_NAMED} more" if len(ordered) > _MOST_NAMED else ""
    return f"{expected} {', '.join(ordered[:_MOST_NAMED])}{more}"
