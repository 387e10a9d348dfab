"""The account that a smoke test would work in. Acts."""

from __future__ import annotations

from typing import Any

import msgspec

from auroral import aws
from auroral.errors import TargetError

SERVICES = (
    "autoscaling.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "opensearchservice.amazonaws.com",
)
"""Whose service-linked roles the platform needs: the default of stacks/bootstrap, which a test compares."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account before anything is made in it."""

    id: str
    partition: str
    caller: str
    """ARN of the credentials."""
    lacks: tuple[str, ...]
    """Services of `SERVICES` without a service-linked role."""


def look_at(session: Any) -> Account:
    """Ask who the credentials are, and which roles there are. Raises `TargetError`."""
    try:
        caller = session.client("sts").get_caller_identity()
        iam = session.client("iam")
        lacks = [one for one in SERVICES if not iam.list_roles(PathPrefix=f"/aws-service-role/{one}/")["Roles"]]
    except aws.failures() as error:
        raise TargetError(
            f"the account cannot be asked who these credentials are: {aws.words(error)}",
            hint="aws sts get-caller-identity must answer; AWS_PROFILE names a profile",
        ) from error
    return Account(
        id=caller["Account"], partition=caller["Arn"].split(":")[1], caller=caller["Arn"], lacks=tuple(lacks)
    )
