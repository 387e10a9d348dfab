"""One transaction's rows, bytes and age against DSQL's caps, and the conflicts. Pure: time is an argument."""

from __future__ import annotations

import random
from dataclasses import dataclass

from auroral.local.double import refusals
from auroral.local.double.refusals import Refusal
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.statements import Kind


class Conflicts:
    """Decides which commits meet a conflict: one draw per commit of a transaction that changed rows."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self.seed = seed
        self._random = random.Random(seed)

    def next(self) -> bool:
        """Whether this commit does. At rate 0 nothing is drawn."""
        return self.rate > 0 and self._random.random() < self.rate


@dataclass(slots=True)
class Transaction:
    """What one transaction has done so far."""

    started_s: float
    rows: int = 0
    """Changed, by the tags of its commands."""
    size_bytes: int = 0
    """Of the parameters and texts of its writes: DSQL counts what it stores, which the proxy does not see."""
    ddl: int = 0
    dml: int = 0

    def admit(self, kind: Kind, size_bytes: int, now_s: float, settings: DoubleSettings) -> Refusal | None:
        """Whether one more statement may run in it; counts it where it may."""
        age_s = now_s - self.started_s
        if age_s > settings.max_transaction_age_s:
            return refusals.too_old(age_s, settings.max_transaction_age_s)
        if kind is Kind.DDL:
            if self.dml:
                return refusals.DDL_AND_DML
            if self.ddl:
                return refusals.MANY_DDL
            self.ddl += 1
        elif kind is Kind.WRITE:
            if self.ddl:
                return refusals.DDL_AND_DML
            if self.size_bytes + size_bytes > settings.max_transaction_bytes:
                return refusals.too_large(self.size_bytes + size_bytes)
            self.dml += 1
            self.size_bytes += size_bytes
        return None

    def changed(self, rows: int, settings: DoubleSettings) -> Refusal | None:
        """Count changed rows."""
        self.rows += rows
        return refusals.ROW_LIMIT if self.rows > settings.max_rows else None

    def commit(self, now_s: float, settings: DoubleSettings, conflicts: Conflicts) -> Refusal | None:
        """Whether it may commit. Draws a conflict only where it changed rows."""
        if self.rows > settings.max_rows:
            return refusals.ROW_LIMIT
        age_s = now_s - self.started_s
        if age_s > settings.max_transaction_age_s:
            return refusals.too_old(age_s, settings.max_transaction_age_s)
        return refusals.CONFLICT if self.rows and conflicts.next() else None
