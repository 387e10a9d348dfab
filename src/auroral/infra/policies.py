"""The statements of the roles' policies. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from auroral.infra.model import Platform, Resource

_TYPES = ("aws_iam_role_policy", "aws_iam_policy", "aws_iam_user_policy", "aws_iam_group_policy")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that allows something."""

    resource: Resource
    """The policy."""
    role: str | None
    """Name of the role that has it; None: not a role's, or not known."""
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Any]
    inverted: bool
    """Whether it says NotAction or NotResource: everything but."""

    def allows(self, action: str) -> bool:
        """Whether it allows an action of this name."""
        return any(matches(pattern, action) for pattern in self.actions)


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that a plan does not know yet."""

    resource: Resource
    role: str | None


def matches(pattern: str, action: str) -> bool:
    """Whether a pattern of IAM (`dsql:Db*`) covers an action; upper and lower case are the same."""
    import fnmatch

    escaped = pattern.lower().replace("[", "[[]")
    return fnmatch.fnmatchcase(action.lower(), escaped)


def policies(platform: Platform) -> Iterator[Statement | Unread]:
    """Every statement with Effect Allow of every identity policy."""
    for resource in platform.of_type(*_TYPES):
        role = role_of(platform, resource)
        text = resource.get("policy")
        if not isinstance(text, str):
            yield Unread(resource=resource, role=role)
        else:
            yield from _statements(resource, role, text)
    for resource in platform.of_type("aws_iam_role"):
        for inline in resource.items("inline_policy"):
            if isinstance(inline, Mapping) and isinstance(inline.get("policy"), str) and not _apart(platform, resource):
                yield from _statements(resource, resource.get("name"), inline["policy"])


def _apart(platform: Platform, role: Resource) -> bool:
    """Whether the role's policies are resources of their own, which a state then shows twice."""
    return any(one.get("role") in (role.get("name"), role.get("id")) for one in platform.of_type("aws_iam_role_policy"))


def role_of(platform: Platform, resource: Resource) -> str | None:
    """Name of the role that a policy or profile is of."""
    value = resource.get("role")
    if isinstance(value, str):
        return value
    role = platform.refers(resource, "role", "aws_iam_role", "name", "id")
    name = role.get("name") if role is not None else None
    return name if isinstance(name, str) else None


def _statements(resource: Resource, role: str | None, text: str) -> Iterator[Statement]:
    document = json.loads(text)
    for one in _listed(document.get("Statement", [])):
        if one.get("Effect") != "Allow":
            continue
        yield Statement(
            resource=resource,
            role=role,
            sid=one.get("Sid", ""),
            actions=tuple(_listed(one.get("Action", "*" if "NotAction" in one else []))),
            resources=tuple(_listed(one.get("Resource", "*" if "NotResource" in one else []))),
            conditions=one.get("Condition", {}),
            inverted="NotAction" in one or "NotResource" in one,
        )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
