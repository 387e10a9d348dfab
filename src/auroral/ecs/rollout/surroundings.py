"""Reads what stands around the services: task definitions, autoscaling, groups of instances. Acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.definition import environment_of, share_of
from auroral.ecs.fleet import DsqlShare, Fleet
from auroral.ecs.rollout.connects import ScalableTarget
from auroral.ecs.rollout.loads import used
from auroral.ecs.rollout.room import Group
from auroral.ecs.scaling import groups_named, targets_of
from auroral.ecs.seen import ClusterSeen
from auroral.errors import TargetError

Say = Callable[[str], None]
_AT_ONCE = 8


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The newest active revision of a service's family."""

    arn: str
    health_checked: bool
    """Whether every essential container has a health check: ECS says UNKNOWN of a task where one has none."""


def registered(account: Account, fleet: Fleet, keys: Iterable[str]) -> dict[str, Registered]:
    """By key; a family without an active revision is left out. Raises `AwsError`."""
    chosen = list(dict.fromkeys(keys))

    def newest(key: str) -> Registered | None:
        try:
            answer = account.call("ecs", "describe_task_definition", taskDefinition=fleet.services[key].family)
        except AwsError as error:
            if error.failure.kind in (Kind.MISSING, Kind.INVALID):  # ECS: ClientException, "Unable to describe …"
                return None
            raise
        definition = answer["taskDefinition"]
        essential = [one for one in definition.get("containerDefinitions") or () if one.get("essential", True)]
        return Registered(
            arn=str(definition.get("taskDefinitionArn", "")),
            health_checked=bool(essential) and all(one.get("healthCheck") for one in essential),
        )

    if not chosen:
        return {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="registered") as pool:
        found = zip(chosen, pool.map(newest, chosen), strict=True)
        return {key: one for key, one in found if one is not None}


def running(account: Account, fleet: Fleet, seen: ClusterSeen) -> dict[str, DsqlShare | None]:
    """What tasks take of DSQL whose task definition is not the fleet's, by its ARN; None: they open no connection.

    One that ECS knows no more, or that no server would start with, is left out. Raises `AwsError`.
    """
    chosen = {
        arn: key
        for key, one in fleet.services.items()
        if one.dsql is not None and key in seen.services
        for arn in used(seen, seen.services[key])
        if arn != one.task_definition
    }

    def share(arn: str) -> tuple[DsqlShare | None] | None:
        key = chosen[arn]
        try:
            answer = account.call("ecs", "describe_task_definition", taskDefinition=arn)
            return (share_of(fleet.services[key].name, environment_of(answer["taskDefinition"], key)),)
        except AwsError as error:
            if error.failure.kind in (Kind.MISSING, Kind.INVALID):
                return None
            raise
        except TargetError:
            return None

    if not chosen:
        return {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="running") as pool:
        found = zip(chosen, pool.map(share, chosen), strict=True)
        return {arn: one[0] for arn, one in found if one is not None}


def targets(account: Account, fleet: Fleet, say: Say) -> dict[str, ScalableTarget]:
    """What Application Auto Scaling may do, by key. Whoever may not ask is told, and goes on without."""
    keys = {one.name: key for key, one in fleet.services.items()}
    try:
        found = targets_of(account, fleet.cluster, keys)
    except AwsError as error:
        if error.failure.kind is not Kind.DENIED:
            raise
        say(f"autoscaling is not looked at: {error.failure.call}: {error.failure.code}; the plan's maxima count")
        return {}
    return {
        keys[name]: ScalableTarget(
            minimum=int(one.get("MinCapacity", 0)),
            maximum=int(one.get("MaxCapacity", 0)),
            suspended=bool((one.get("SuspendedState") or {}).get("DynamicScalingOutSuspended")),
        )
        for name, one in found.items()
    }


def groups(account: Account, fleet: Fleet, say: Say) -> dict[str, Group]:
    """The pools' Auto Scaling groups as they are, by key of the pool; as planned where they may not be looked at."""
    planned = {key: Group(name=one.group, maximum=one.maximum, desired=0) for key, one in fleet.pools.items()}
    names = {one.group: key for key, one in fleet.pools.items() if one.group}
    try:
        found = groups_named(account, names)
    except AwsError as error:
        if error.failure.kind is not Kind.DENIED:
            raise
        say(f"groups of instances are not looked at: {error.failure.call}: {error.failure.code}; the plan counts")
        return planned
    return planned | {
        names[one["AutoScalingGroupName"]]: Group(
            name=str(one["AutoScalingGroupName"]),
            maximum=int(one.get("MaxSize", 0)),
            desired=int(one.get("DesiredCapacity", 0)),
        )
        for one in found
        if one.get("AutoScalingGroupName") in names
    }
