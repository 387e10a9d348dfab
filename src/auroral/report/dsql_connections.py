"""Who holds a cluster's connections, as a versioned document and as text. Pure."""

from __future__ import annotations

import msgspec

from auroral.dsql.connections import Connections
from auroral.dsql.target import DsqlTarget
from auroral.json_document import json_text
from auroral.report.dsql_plain import columns, wrapped
from auroral.units import format_ratio

VERSION = 1
_HIDDEN = "–"


class ConnectionsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Connections by holder. `schema_version` grows with each change that a reader must know of."""

    schema_version: int = VERSION
    kind: str = "auroral-dsql-connections"
    at: str
    """UTC, ISO 8601."""
    endpoint: str
    region: str
    user: str
    connections: Connections
    total: float
    """The larger of what the database shows and what CloudWatch counts."""


def document(target: DsqlTarget, found: Connections, *, at: str) -> ConnectionsDocument:
    """Put together what is printed."""
    return ConnectionsDocument(
        at=at,
        endpoint=target.endpoint,
        region=target.region,
        user=target.user,
        connections=found,
        total=found.total,
    )


def encode(found: ConnectionsDocument) -> str:
    """The document as JSON."""
    return json_text(found)


def text(found: ConnectionsDocument, *, asked_cloudwatch: bool) -> str:
    """The document as text: a line for each holder, then the total and what to doubt."""
    seen = found.connections
    rows = [("connections", "role", "application", "address", "state")]
    rows += [
        (
            f"{one.connections:,}",
            one.role or _HIDDEN,
            one.application or _HIDDEN,
            one.address or _HIDDEN,
            one.state or _HIDDEN,
        )
        for one in seen.holders
    ]
    lines = [*columns(rows, right=(0,)), ""] if seen.holders else []
    if not seen.hidden:
        lines.append(f"{seen.seen:,} seen in pg_stat_activity by {found.user}, this command's own included")
    if seen.cloudwatch is not None:
        lines.append(f"{seen.cloudwatch.connections:,.0f} counted by CloudWatch at {seen.cloudwatch.at.isoformat()}")
    share = format_ratio(found.total / seen.limit)
    lines.append(f"{share} of {seen.limit:,}, the cluster's limit unless AWS raised it")
    return "\n".join([*lines, *_doubts(found, asked_cloudwatch)]) + "\n"


def _doubts(found: ConnectionsDocument, asked_cloudwatch: bool) -> list[str]:
    seen, lines = found.connections, []
    if seen.hidden:
        lines += wrapped(f"Who holds them is not to be seen here: {seen.hidden}. The servers' own metrics tell theirs.")
    elif seen.only_itself:
        told = "; --cloudwatch asks AWS for the total" if not asked_cloudwatch else ""
        lines += wrapped(
            "This session sees itself alone. AWS documents no view of a cluster's sessions, so that does not mean "
            f"that there are no others{told}. Who holds them, the servers' own metrics tell."
        )
    elif any(not one.state for one in seen.holders):
        lines += wrapped(f"{_HIDDEN}: {found.user} may not see it of other roles.")
    if asked_cloudwatch and seen.cloudwatch is None:
        lines += wrapped("CloudWatch has no count of the last 15 minutes for this cluster.")
    return ["", *lines] if lines else []
