"""Counters of the double. Pure."""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from auroral.local.double.statements import Statement

_MOST_OPENINGS = 200_000


class Opening(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt to open a connection that the door has answered."""

    at_s: float
    """Since the epoch."""
    role: str
    outcome: str
    """`open`, or the SQLSTATE of the refusal."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All counters at one moment, since the start or the last reset."""

    at_s: float
    """Since the epoch."""
    open: int
    open_by_role: dict[str, int]
    peak: int
    """Most connections that were open at once."""
    opened: int
    refused: dict[str, int]
    """Attempts, by SQLSTATE."""
    commits: int
    """Of transactions that changed rows."""
    conflicts: int
    """Injected."""
    unknown_outcomes: int
    """Committed, then cut before the client was told."""
    rows: int
    """Changed by committed transactions."""
    statements: dict[str, int]
    """By kind."""
    locks: dict[str, int]
    """Executed locking clauses, by kind."""
    refused_statements: dict[str, int]
    """By SQLSTATE."""
    openings: tuple[Opening, ...]


class Statistics:
    """Counts what the proxy does."""

    def __init__(self) -> None:
        self.open_by_role: Counter[str] = Counter()
        self.open = 0
        self.reset()

    def reset(self) -> None:
        """All to nought, but for what is open."""
        self.peak = self.open
        self.opened = 0
        self.refused: Counter[str] = Counter()
        self.commits = 0
        self.conflicts = 0
        self.unknown_outcomes = 0
        self.rows = 0
        self.kinds: Counter[str] = Counter()
        self.locks: Counter[str] = Counter()
        self.refused_statements: Counter[str] = Counter()
        self._openings: deque[Opening] = deque(maxlen=_MOST_OPENINGS)

    def opened_one(self, at_s: float, role: str) -> None:
        """A session began."""
        self.opened += 1
        self.open += 1
        self.open_by_role[role] += 1
        self.peak = max(self.peak, self.open)
        self._openings.append(Opening(at_s, role, "open"))

    def closed_one(self, role: str) -> None:
        """A session ended."""
        self.open -= 1
        self.open_by_role[role] -= 1

    def refused_one(self, at_s: float, role: str, code: str) -> None:
        """An attempt was refused."""
        self.refused[code] += 1
        self._openings.append(Opening(at_s, role, code))

    def ran(self, statement: Statement) -> None:
        """A statement was executed."""
        self.kinds[statement.kind.value] += 1
        for kind in statement.lock_kinds:
            self.locks[kind] += 1

    def snapshot(self, at_s: float) -> Snapshot:
        """All counters now."""
        return Snapshot(
            at_s=at_s,
            open=self.open,
            open_by_role={role: count for role, count in self.open_by_role.items() if count},
            peak=self.peak,
            opened=self.opened,
            refused=dict(self.refused),
            commits=self.commits,
            conflicts=self.conflicts,
            unknown_outcomes=self.unknown_outcomes,
            rows=self.rows,
            statements=dict(self.kinds),
            locks=dict(self.locks),
            refused_statements=dict(self.refused_statements),
            openings=tuple(self._openings),
        )
