"""The transaction block of one session: the client's own, or one of ours around a write outside a block. Pure."""

from __future__ import annotations

from auroral.local.double import wire
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement
from auroral.local.double.transaction import Transaction


class Block:
    """Whether a block is open, whose it is, and what became of it."""

    __slots__ = ("_committing", "_cutting", "_shared", "transaction", "wrapped")

    def __init__(self, shared: Shared) -> None:
        self.transaction: Transaction | None = None
        self.wrapped = False
        """It is ours."""
        self._shared = shared
        self._committing: Transaction | None = None
        self._cutting = False

    def begin(self, now_s: float, *, wrapped: bool = False) -> None:
        """A block opens, or goes on as the client's."""
        self.wrapped = wrapped
        if self.transaction is None:
            self.transaction = Transaction(now_s)

    def end(self) -> None:
        """No block is open."""
        self.transaction = None
        self.wrapped = False

    def admit(self, statement: Statement, size_bytes: int, now_s: float) -> Refusal | None:
        """Whether one more statement may run in it."""
        if self.transaction is None or statement.kind is Kind.ROLLBACK or statement.kind is Kind.COMMIT:
            return None
        return self.transaction.admit(statement.kind, size_bytes, now_s, self._shared.settings)

    def changed(self, tag: bytes) -> Refusal | None:
        """Count what a write's tag says. Of a block of ours the commit decides."""
        if self.transaction is None:
            return None
        refused = self.transaction.changed(wire.rows_of_tag(tag), self._shared.settings)
        return None if self.wrapped else refused

    def decide(self, now_s: float, *, failed: bool) -> Refusal | None:
        """Whether it may commit; a failed one may, since PostgreSQL makes a rollback of it. It has ended either way."""
        transaction = self.transaction
        self.end()
        self._committing = None
        self._cutting = False
        if transaction is None or failed:
            return None
        refused = transaction.commit(now_s, self._shared.settings, self._shared.conflicts)
        if refused is None:
            self._committing = transaction
            if transaction.rows and self._shared.cut_commits > 0:
                self._shared.cut_commits -= 1
                self._cutting = True
        return refused

    def committed(self) -> bool:
        """PostgreSQL has committed; return whether the client must not hear of it."""
        transaction, self._committing = self._committing, None
        if transaction is None or not transaction.rows:
            return False
        self._shared.statistics.commits += 1
        self._shared.statistics.rows += transaction.rows
        self._shared.statistics.unknown_outcomes += self._cutting
        return self._cutting
