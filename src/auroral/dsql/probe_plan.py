"""What a probe of a cluster does and what it counts: options, its table's SQL, outcome. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from auroral.dsql import limits
from auroral.dsql.errors import Conflict, DsqlError

SCHEMA = "auroral_probe"
"""Where an operator may make tables: auroral-schema roles makes and grants it."""

MAX_RATE_PER_S = 20.0
"""A fifth of what the cluster takes: the servers' own connections come first."""
MIN_RATE_PER_S = 0.1
"""A token waits for its connection's turn, and lives for a minute."""
MAX_CONNECTIONS = 500
MAX_KEYS = 1_000
HANDSHAKES = 3
COMMIT_KEY = 0
"""The row that commits without contention change; those of the contention are numbered from 1."""


class Measure(StrEnum):
    """Times that a probe takes, by their names in its document."""

    TCP = "tcp"
    """The name resolved and TCP opened."""
    TLS = "tls"
    """The TLS handshake, its certificate verified."""
    TOKEN = "token"
    """Credentials found and a token signed, on this machine."""
    SESSION = "session"
    """TCP, TLS, token checked, session begun."""
    ROUND_TRIP = "round_trip"
    """`SELECT 1` in one session."""
    COMMIT = "commit"
    """COMMIT of one changed row that nobody else changes."""
    TRANSACTION = "transaction"
    """BEGIN, UPDATE of one row, that COMMIT."""
    CONTENDED_COMMIT = "contended_commit"
    """COMMIT that succeeded under contention."""
    CONTENDED_TRANSACTION = "contended_transaction"
    """The whole transaction of that COMMIT, without the attempts before it."""


class ProbeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a probe goes about. Raises `ValueError` for what would endanger the cluster, or measures nothing."""

    connections: int = 5
    """Opened one after the other, and kept until the end."""
    rate_per_s: float = 5.0
    """At which connections are opened, those that replace lost ones included."""
    duration_s: float = 10.0
    """Of each of the three measurements: round trips, commits, contention."""
    writers: int = 4
    """That change the same rows; each has a connection of those."""
    keys: int = 10
    """Rows that they choose among, evenly."""
    timeout_s: float = 10.0
    """The longest wait for an answer."""

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= MAX_CONNECTIONS:
            raise ValueError(f"connections: from 1 to {MAX_CONNECTIONS}, not {self.connections}")
        if not MIN_RATE_PER_S <= self.rate_per_s <= MAX_RATE_PER_S:
            raise ValueError(
                f"rate: from {MIN_RATE_PER_S:g} to {MAX_RATE_PER_S:g} connections a second, not {self.rate_per_s:g}; "
                f"all of the cluster's clients share {limits.CONNECT_RATE_PER_S}"
            )
        if not 0 < self.duration_s <= 3_600:
            raise ValueError(f"duration: above 0 and at most an hour, not {self.duration_s:g} s")
        if not 0 <= self.writers <= self.connections:
            raise ValueError(
                f"writers: from 0 to the number of connections, {self.connections}, not {self.writers}; "
                "each has a connection"
            )
        if not 1 <= self.keys <= MAX_KEYS:
            raise ValueError(f"keys: from 1 to {MAX_KEYS:,}, not {self.keys}")
        if not 0 < self.timeout_s <= 300:
            raise ValueError(f"timeout: above 0 and at most five minutes, not {self.timeout_s:g} s")


class ProbeTable:
    """The SQL of a probe's own table. Raises `ValueError` for a run id that is no part of a name."""

    def __init__(self, run_id: str) -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,40}", run_id):
            raise ValueError(f"a run id of small letters, digits and _, not {run_id!r}")
        self.name = f"{SCHEMA}.probe_{run_id}"
        self.create_schema = f"CREATE SCHEMA {SCHEMA}"
        self.drop_schema = f"DROP SCHEMA {SCHEMA}"
        self.create = f"CREATE TABLE {self.name} (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)"
        self.drop = f"DROP TABLE IF EXISTS {self.name}"
        self.count = f"UPDATE {self.name} SET n = n + 1 WHERE id = %s"
        self.total = f"SELECT coalesce(sum(n), 0)::bigint FROM {self.name}"

    def fill(self, keys: int) -> str:
        """One statement that makes every row."""
        rows = ", ".join(f"({key}, 0)" for key in range(keys + 1))
        return f"INSERT INTO {self.name} (id, n) VALUES {rows} ON CONFLICT DO NOTHING"


@dataclass(slots=True)
class Contention:
    """What writers to the same rows met."""

    attempts: int = 0
    """Transactions begun."""
    committed: int = 0
    conflicts: Counter[Conflict] = field(default_factory=Counter)
    unknown: int = 0
    """Commits whose answer never came: done or not."""
    lost: int = 0
    """Transactions whose connection ended before COMMIT was sent."""
    elapsed_s: float = 0.0

    @property
    def conflict_rate(self) -> float | None:
        """Share of the attempts with an answer that met another transaction; None where there were none.

        A session whose catalogue was out of date (OC001) met no writer, and counts on neither side.
        """
        met = self.conflicts[Conflict.DATA] + self.conflicts[Conflict.OTHER]
        answered = self.committed + met
        return met / answered if answered else None


@dataclass(slots=True)
class ProbeOutcome:
    """What a probe counted; its times went to whoever asked for them."""

    opened: int = 0
    too_fast: int = 0
    """53400."""
    too_many: int = 0
    """53300."""
    unreachable: int = 0
    lost: int = 0
    """Open connections that ended."""
    no_answer: int = 0
    """Of them, those given up after the longest wait."""
    round_trips: int = 0
    commits: int = 0
    commit_conflicts: Counter[Conflict] = field(default_factory=Counter)
    """Met by the commits without contention of ours."""
    commit_unknown: int = 0
    contention: Contention | None = None
    counted: int | None = None
    """Sum of the table's counters at the end: what the database says was committed."""
    left_out: list[str] = field(default_factory=list)
    """What was not measured, and why."""
    left_behind: str = ""
    """The table, where it could not be dropped."""
    interrupted: bool = False
    error: DsqlError | None = None
    """What ended the probe early."""

    @property
    def consistent(self) -> bool | None:
        """Whether the table holds every commit that was acknowledged, and none that was refused; None: not known."""
        if self.counted is None:
            return None
        known, unknown = self.commits, self.commit_unknown
        if self.contention is not None:
            known += self.contention.committed
            unknown += self.contention.unknown
        return known <= self.counted <= known + unknown
