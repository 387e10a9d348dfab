"""A deployment at one moment: what ECS, its stores and its alarms say, and why what is not known is not. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from auroral.dsql.connections import CloudWatchCount
from auroral.dsql.membership import Member
from auroral.ecs.seen import ClusterSeen

WINDOW_S = 15 * 60
"""Of what counts as recent: refusals, data points of CloudWatch."""

_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")


class Part(StrEnum):
    """What is read beside ECS's own services, tasks and instances. One that cannot be read sinks no other."""

    IMAGES = "images"
    GROUPS = "groups"
    CONNECTIONS = "connections"
    REFUSALS = "refusals"
    SEARCH = "opensearch"
    DOMAIN = "opensearch domain"
    ALARMS = "alarms"
    MEMBERSHIP = "membership"
    RING = "ring log"


class GroupSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One Auto Scaling group."""

    name: str
    minimum: int
    desired: int
    maximum: int
    in_service: int
    trouble: str = ""
    """Why its last attempt to start an instance failed; empty: it did not."""


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """Connects that DSQL refused of late."""

    by_reason: Mapping[str, int]
    """`rate`, `connections`, `auth`, `timeout`, `network`, `other` → how many; without those of 0."""
    source: str
    """`metrics` or `logs`."""
    at_least: bool = False
    """Whether there may be more than were read."""

    @property
    def total(self) -> int:
        """Of all reasons."""
        return sum(self.by_reason.values())


class SearchSeen(msgspec.Struct, frozen=True, kw_only=True):
    """OpenSearch as CloudWatch measures it."""

    status: str
    """green, yellow, red; empty: no data point of late."""
    at: datetime | None = None
    nodes: int | None = None
    writes_blocked: bool = False
    free_mib: float | None = None
    """Of the node that has least."""


class DomainSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The domain as its service describes it."""

    version: str
    processing: bool
    """A change of its configuration is under way."""
    upgrading: bool
    deleted: bool = False


class AlarmSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm in ALARM."""

    name: str
    since: datetime
    description: str


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of `cluster_membership`."""

    rows: tuple[Member, ...]


class RingLines(msgspec.Struct, frozen=True, kw_only=True):
    """What the servers logged of their ring, that says they cannot join it."""

    by_service: Mapping[str, int]
    example: str
    """The newest of these lines."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. What is None is not known, and `unknown` says why, unless nobody asked for it."""

    cluster: ClusterSeen
    images: Mapping[str, str] = {}
    """ARN of a task definition → image of the service's container."""
    newest: Mapping[str, str] = {}
    """Service → ARN of its family's newest revision."""
    groups: Mapping[str, GroupSeen] = {}
    """Pool → its group."""
    connections: CloudWatchCount | None = None
    refusals: Refusals | None = None
    search: SearchSeen | None = None
    domain: DomainSeen | None = None
    alarms: tuple[AlarmSeen, ...] | None = None
    membership: Membership | None = None
    ring: RingLines | None = None
    unknown: Mapping[str, str] = {}
    """`Part` → why it is not known."""

    @property
    def at(self) -> datetime:
        """When it was looked at."""
        return self.cluster.at


def short_image(image: str) -> str:
    """An image as it fits a column: `server:1.2.3`, `server@0123456789ab`; without registry and repository's path."""
    found = _DIGEST.search(image)
    name = (image[: found.start()] if found else image).rsplit("/", 1)[-1]
    return f"{name}@{found[1][:12]}" if found else name


def revision_of(arn: str) -> str:
    """`arn:…:task-definition/dev-history:7` → `7`."""
    return arn.rpartition(":")[2]
