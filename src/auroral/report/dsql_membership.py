"""Rows of `cluster_membership` as a versioned document and as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from auroral.dsql.membership import Member
from auroral.dsql.target import DsqlTarget
from auroral.json_document import json_text
from auroral.report.dsql_plain import columns
from auroral.units import format_duration

VERSION = 1
MOST_SHOWN = 50


class MembershipDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What was found and done. `schema_version` grows with each change that a reader must know of."""

    schema_version: int = VERSION
    kind: str = "auroral-cluster-membership"
    endpoint: str
    read_at: str
    """By the database's clock, UTC, ISO 8601."""
    older_than_s: float
    rows: int
    """In the table."""
    silent: list[Member]
    """Not heard of for longer."""
    heard: list[Member] = []
    """The others."""
    deleted: int | None
    """None: nothing was to be deleted, or it was not asked for."""


def document(
    target: DsqlTarget,
    members: Sequence[Member],
    gone: Sequence[Member],
    *,
    read_at: str,
    older_than_s: float,
    deleted: int | None,
) -> MembershipDocument:
    """Put together what is printed."""
    return MembershipDocument(
        endpoint=target.endpoint,
        read_at=read_at,
        older_than_s=older_than_s,
        rows=len(members),
        silent=list(gone),
        heard=[one for one in members if one.host_id not in {row.host_id for row in gone}],
        deleted=deleted,
    )


def encode(found: MembershipDocument) -> str:
    """The document as JSON."""
    return json_text(found)


def summary(members: Sequence[Member], gone: Sequence[Member], older_than_s: float) -> str:
    """One line: how many rows, and how many of hosts that are gone."""
    return counted(len(members), len(gone), older_than_s)


def counted(rows: int, gone: int, older_than_s: float) -> str:
    """The same, of their numbers."""
    told = f"{rows:,} row{'' if rows == 1 else 's'} in cluster_membership"
    heard = f"{rows - gone:,} of hosts heard of within {format_duration(older_than_s)}"
    return f"{told}: {heard}, {gone:,} of hosts that were not"


def table(gone: Sequence[Member]) -> str:
    """A line for each row, the longest silent first."""
    rows = [("role", "address", "last heartbeat", "silent for", "host id")]
    rows += [
        (
            one.role,
            one.address,
            f"{one.last_heartbeat:%Y-%m-%d %H:%M:%S}",
            format_duration(round(one.silent_s)),
            one.host_id,
        )
        for one in gone[:MOST_SHOWN]
    ]
    lines = columns(rows)
    if len(gone) > MOST_SHOWN:
        lines.append(f"and {len(gone) - MOST_SHOWN:,} more")
    return "\n".join(lines)
