"""Rows of Temporal's `cluster_membership`: whose host is silent, and the SQL that lists and deletes them. Pure.

Source: Temporal Server 1.32.2, `common/membership/ringpop/monitor.go`: a host writes its heartbeat every 10 to 15 s,
is asked for as a seed for 20 s after it, and its row expires after 48 h; it is pruned when another host starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

HEARTBEAT_WINDOW_S = 20.0
"""`healthyHostLastHeartbeatCutoff`: Temporal itself takes no host for alive whose heartbeat is older."""

SILENT_AFTER_S = 60.0
"""Default: the window, and room for one heartbeat that waited 30 s for a connection of the pool."""

CHUNK_ROWS = 400
"""Deleted in one transaction: with their five index entries 2,400, where DSQL takes 3,000 changed rows."""

ROLES = {1: "frontend", 2: "history", 3: "matching", 4: "worker", 5: "internal-frontend"}
"""`persistence.ServiceType`."""

PARTITION = 0
"""`constMembershipPartition`: Temporal writes no other."""

LIST = (
    "SELECT host_id::text, role, rpc_address, rpc_port, session_start, last_heartbeat, record_expiry "
    f"FROM cluster_membership WHERE membership_partition = {PARTITION}"
)

NOW = "SELECT now() AT TIME ZONE 'UTC'"
"""The database's time as the rows have theirs: UTC, without a zone."""

DELETE = (
    f"DELETE FROM cluster_membership WHERE membership_partition = {PARTITION} "
    "AND host_id = ANY(%s::uuid[]) AND last_heartbeat < %s"
)
"""By id and once more by age: a host that was heard of in between keeps its row."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One host's row."""

    host_id: str
    role: str
    address: str
    """`host:port` of its membership."""
    session_start: datetime
    last_heartbeat: datetime
    record_expiry: datetime
    silent_s: float
    """Since its last heartbeat, by the database's clock; below 0 where the host's clock is ahead."""


def member(row: Sequence[Any], now: datetime) -> Member:
    """One row of `LIST`."""
    host_id, role, address, port, started, heartbeat, expiry = row
    host = f"[{address}]" if ":" in address else address
    return Member(
        host_id=host_id,
        role=ROLES.get(role, f"role {role}"),
        # A SMALLINT in the schema: ports above 32,767 come out negative.
        address=f"{host}:{port % 65536}",
        session_start=started,
        last_heartbeat=heartbeat,
        record_expiry=expiry,
        silent_s=(now - heartbeat).total_seconds(),
    )


def silent(members: Sequence[Member], older_than_s: float) -> list[Member]:
    """Those not heard of for longer, the longest first. Raises `ValueError` for less than the heartbeat window."""
    if not older_than_s >= HEARTBEAT_WINDOW_S:
        raise ValueError(
            f"at least {HEARTBEAT_WINDOW_S:g} s, for so long Temporal takes a host for alive; not {older_than_s:g} s"
        )
    return sorted(
        (one for one in members if one.silent_s > older_than_s), key=lambda one: (-one.silent_s, one.role, one.host_id)
    )


def chunks(members: Sequence[Member], size: int = CHUNK_ROWS) -> Iterator[list[str]]:
    """Their ids, so many at a time."""
    for start in range(0, len(members), size):
        yield [one.host_id for one in members[start : start + size]]
