"""Who holds how many connections: the query, what it came to, and CloudWatch's own count. Pure.

AWS documents no view of a cluster's sessions: `pg_stat_activity` is not on its list of system tables ("System tables
and commands", read in November 2026), and a session there may see itself alone. The count that AWS does publish is a
total: metric ResourceCount of AWS/Usage, resource ClusterConnectionCount.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from auroral.dsql import limits

QUERY = """
SELECT coalesce(usename::text, ''), coalesce(application_name, ''), coalesce(client_addr::text, ''),
  coalesce(state, ''), count(*), count(*) FILTER (WHERE pid = pg_backend_pid())
FROM pg_stat_activity WHERE datname IS NOT NULL GROUP BY 1, 2, 3, 4
"""

USAGE_NAMESPACE = "AWS/Usage"
USAGE_METRIC = "ResourceCount"
USAGE_PERIOD_S = 60
USAGE_WINDOW_S = 15 * 60
"""CloudWatch's usage metrics come minutes late: the newest point of this time counts."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions that are alike."""

    role: str
    application: str
    """What the session calls itself."""
    address: str
    """The client's; empty where the role may not see it."""
    state: str
    """PostgreSQL's: `active`, `idle`, `idle in transaction`; empty where the role may not see it."""
    connections: int


class CloudWatchCount(msgspec.Struct, frozen=True, kw_only=True):
    """AWS's own count of a cluster's connections."""

    connections: float
    at: datetime


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's connections, as far as they can be told."""

    holders: tuple[Holder, ...]
    seen: int
    """In `pg_stat_activity`, ours included."""
    only_itself: bool
    """Whether our session saw nothing but itself."""
    hidden: str = ""
    """Why `pg_stat_activity` was not seen at all, in the database's words; empty: it was."""
    cloudwatch: CloudWatchCount | None = None
    limit: int = limits.MAX_CONNECTIONS

    @property
    def total(self) -> float:
        """The larger of the counts: neither counts a connection that is not there."""
        return max(self.seen, self.cloudwatch.connections if self.cloudwatch else 0)


def tally(rows: Sequence[Sequence[Any]], cloudwatch: CloudWatchCount | None = None, *, hidden: str = "") -> Connections:
    """What the rows of `QUERY` say; the largest holders first. `hidden`: why there are none."""
    holders = [
        Holder(role=role, application=application, address=address.removesuffix("/32"), state=state, connections=count)
        for role, application, address, state, count, _ in rows
    ]
    holders.sort(key=lambda one: (-one.connections, one.role, one.application, one.address, one.state))
    seen = sum(one.connections for one in holders)
    ours = sum(row[5] for row in rows)
    return Connections(
        holders=tuple(holders), seen=seen, only_itself=seen <= ours and not hidden, cloudwatch=cloudwatch, hidden=hidden
    )


def usage_dimensions(cluster_id: str) -> list[dict[str, str]]:
    """Dimensions of the metric that counts a cluster's connections."""
    return [
        {"Name": "Service", "Value": "AuroraDSQL"},
        {"Name": "Type", "Value": "Resource"},
        {"Name": "Resource", "Value": "ClusterConnectionCount"},
        {"Name": "ResourceId", "Value": f"cluster/{cluster_id}"},
        {"Name": "Class", "Value": "None"},
    ]


def newest(points: Sequence[Any]) -> CloudWatchCount | None:
    """The newest of CloudWatch's data points; None where there is none."""
    if not points:
        return None
    last = max(points, key=lambda point: point["Timestamp"])
    return CloudWatchCount(connections=last["Maximum"], at=last["Timestamp"])
