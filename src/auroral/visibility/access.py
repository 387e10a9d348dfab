"""Who may enter the index: a role of OpenSearch's security plugin with least rights, mapped to IAM roles. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from auroral.errors import UsageError

_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+")

CLUSTER_PERMISSIONS = ("cluster:monitor/health", "indices:data/write/bulk")
"""What Temporal 1.32.2 asks beyond its index: its health after a new search attribute, and the bulk request itself."""

INDEX_PERMISSIONS = (
    "indices:admin/mapping/put",
    "indices:admin/mappings/get",
    "indices:data/read/get",
    "indices:data/read/search",
    "indices:data/write/bulk*",
    "indices:data/write/delete",
    "indices:data/write/index",
)
"""What it asks of the index (its client, elasticsearch/client/client_v7.go): documents are read, counted, written and
deleted, search attributes added to the mapping. The index is neither created nor deleted by a server."""


def role_name(index: str) -> str:
    """The role of an index's servers: one for each index, so that clusters on one domain do not see each other's."""
    return f"{index}_server"


def role_body(index: str) -> dict[str, Any]:
    """The body of `PUT _plugins/_security/api/roles/<role>`."""
    return {
        "description": f"Temporal's servers on the visibility index {index} (auroral)",
        "cluster_permissions": list(CLUSTER_PERMISSIONS),
        "index_permissions": [{"index_patterns": [index], "allowed_actions": list(INDEX_PERMISSIONS)}],
        "tenant_permissions": [],
    }


def check_arns(arns: Sequence[str]) -> None:
    """Refuse what IAM could not have issued, all at once. Raises `UsageError`."""
    wrong = [arn for arn in arns if not _ARN.fullmatch(arn)]
    if wrong:
        raise UsageError(
            f"expected the ARN of an IAM role or user, arn:aws:iam::<account>:role/<name>, found {', '.join(wrong)}",
            hint="for an assumed role (arn:aws:sts::…) give the role's own ARN",
        )


def role_differs(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a role grants other rights than wanted; order and descriptions aside."""
    return bool(_rights(wanted) != _rights(found))


def unmapped(arns: Sequence[str], mapping: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The ARNs that a role is not mapped to: as a backend role for IAM roles, as a user for IAM users."""
    there = mapped(mapping)
    return tuple(dict.fromkeys(arn for arn in arns if arn not in there))


def mapped(mapping: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Everybody that a role is mapped to."""
    if mapping is None:
        return ()
    return (*mapping.get("backend_roles", ()), *mapping.get("users", ()))


def mapping_body(arns: Sequence[str], mapping: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body of `PUT _plugins/_security/api/rolesmapping/<role>`: what is mapped stays, these are added.

    A domain knows a caller by the ARN of its IAM role as backend role, and by the ARN of an IAM user as user name
    (Amazon OpenSearch Service Developer Guide, "Fine-grained access control", read in November 2026).
    """
    before = mapping or {}
    body: dict[str, Any] = {
        kind: list(dict.fromkeys([*before.get(kind, ()), *(arn for arn in arns if (":user/" in arn) is is_user)]))
        for kind, is_user in (("backend_roles", False), ("users", True))
    }
    body["hosts"] = list(before.get("hosts", ()))
    if before.get("and_backend_roles"):
        body["and_backend_roles"] = list(before["and_backend_roles"])
    if before.get("description"):
        body["description"] = before["description"]
    return body


def _rights(role: Mapping[str, Any]) -> Any:
    def indexed(permission: Mapping[str, Any]) -> Any:
        restrictions = tuple(
            (name, str(permission[name])) for name in ("dls", "fls", "masked_fields") if permission.get(name)
        )
        return (
            frozenset(permission.get("index_patterns", ())),
            frozenset(permission.get("allowed_actions", ())),
            restrictions,
        )

    return (
        frozenset(role.get("cluster_permissions", ())),
        frozenset(indexed(permission) for permission in role.get("index_permissions", ())),
        frozenset(str(permission) for permission in role.get("tenant_permissions", ())),
    )
