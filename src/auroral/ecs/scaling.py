"""Asks AWS what scales: groups of instances, and the services' targets of autoscaling. Acts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from auroral.aws_account import Account, listed


def groups_named(account: Account, names: Iterable[str]) -> list[Mapping[str, Any]]:
    """The Auto Scaling groups of these names, as AWS describes them; without names none. Raises `AwsError`."""
    asked = list(names)
    if not asked:  # AWS takes no names for all that there are
        return []
    return list(
        listed(
            account,
            "autoscaling",
            "describe_auto_scaling_groups",
            "AutoScalingGroups",
            token="NextToken",
            AutoScalingGroupNames=asked,
        )
    )


def targets_of(account: Account, cluster: str, services: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The services' scalable targets, by the service's name. Raises `AwsError`."""
    names = {f"service/{cluster}/{name}": name for name in services}
    found = listed(
        account,
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        token="NextToken",
        ServiceNamespace="ecs",
        ResourceIds=list(names),
    )
    return {names[one["ResourceId"]]: one for one in found if one.get("ResourceId") in names}
