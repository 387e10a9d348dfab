"""The simple protocol: a query of one or several statements, one after the other. Pure.

Several are one transaction, as PostgreSQL has it: a block of ours wraps them unless they begin and end their own.
"""

from __future__ import annotations

from abc import ABC
from collections import deque

from auroral.local.double import wire
from auroral.local.double.awaited import Await
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.exchange import FAILED
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement
from auroral.local.double.steps import COMMIT_STATEMENT, ROLLBACK, Steps

_COMMIT_QUERY = wire.query(b"COMMIT")


class Queries(Steps, ABC):
    """A session, as far as it is about simple queries."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        super().__init__(shared, catalogue)
        self._parts: deque[Statement] = deque()
        """Of the client's query, those that have not run."""

    def _query(self, message: bytes) -> None:
        self._skipping = False
        judged = self._shared.dialect.statements(message[5:-1])
        if not judged:
            self._forward(message, Await.QUERY)
        elif self._awaited:
            self._when_quiet(lambda: self._start_query(message, judged))
        else:
            self._start_query(message, judged)

    def _start_query(self, message: bytes, judged: tuple[Statement, ...]) -> None:
        self._parts.extend(judged)
        only = self._parts[0] if len(self._parts) == 1 else None
        if only is None:
            # Several are one transaction, unless they begin and end their own.
            if self._block.transaction is None and self._parts[0].kind is not Kind.BEGIN:
                self._wrap()
            self._next_part()
        elif only.refusal is not None or only.needs_catalogue:
            self._with_catalogue(only, lambda: self._judged_query(only, message))
        else:
            self._single_query(only, message)

    def _judged_query(self, statement: Statement, message: bytes) -> None:
        refused = statement.refusal or self._catalogue.refusal(statement)
        if refused is not None:
            self._parts.clear()
            self._refuse_query(refused)
        else:
            self._single_query(statement, message)

    def _single_query(self, statement: Statement, message: bytes) -> None:
        if statement.kind is Kind.WRITE and self._block.transaction is None:
            self._wrap()
            self._next_part()
            return
        self._parts.clear()
        if statement.kind is Kind.COMMIT and self._block.transaction is not None:
            refused = self._decide()
            if refused is not None:
                self._roll_back_with(refused)
                return
        else:
            refused = self._admit(statement, len(message))
            if refused is not None:
                self._refuse_query(refused)
                return
        self._note(statement)
        self._forward(wire.query(statement.sql) if statement.rewritten else message, Await.QUERY, statement)

    def _next_part(self) -> None:
        """The next of the parts of a query; after the last the block that wraps them ends."""
        if not self._parts:
            self._settle_query()
            return
        part = self._parts.popleft()
        self._with_catalogue(part, lambda: self._run_part(part))

    def _run_part(self, part: Statement) -> None:
        if part.kind is Kind.BEGIN and self._block.wrapped and part.refusal is None:
            # PostgreSQL makes the implicit block an explicit one.
            self._block.wrapped = False
            self._emit(wire.command_complete(b"BEGIN"))
            self._release()
            self._next_part()
            return
        refused = part.refusal or self._catalogue.refusal(part)
        if refused is None and part.kind is Kind.COMMIT and self._block.transaction is not None:
            refused = self._decide()
            if refused is not None:
                self._parts.clear()
                self._roll_back_with(refused)
                return
        elif refused is None:
            if part.kind is Kind.WRITE and self._block.transaction is None:
                self._wrap()
            refused = self._admit(part, len(part.sql))
        if refused is not None:
            self._parts.clear()
            self._refuse_query(refused)
            return
        self._note(part)
        self._forward(wire.query(part.sql), Await.PART, part)

    def _settle_query(self) -> None:
        """After the last part: end the block that wraps them, and tell the client that we are ready."""
        if not self._block.wrapped:
            self._release()
            self.to_client += wire.ready(self._status)
            return
        failed = self._status == FAILED
        refused = self._decide()
        if refused is not None:
            self._roll_back_with(refused)
        elif failed:
            self._release()
            self._own(ROLLBACK, Await.SETTLE)
        else:
            self.to_server += _COMMIT_QUERY
            self._note(COMMIT_STATEMENT)
            self._awaited.add(Await.SETTLE, COMMIT_STATEMENT)

    def _refuse_query(self, refused: Refusal) -> None:
        """Answer a simple query with an error; the block it stood in fails."""
        self._release()
        if self._block.wrapped:
            self._block.end()
            self._roll_back_with(refused)
            return
        self._answer_error(refused)
        if self._block.transaction is not None:
            self._fail_block(Await.OWN_FAIL)
        else:
            self.to_client += wire.ready(self._status)

    def _part_ended(self, *, failed: bool) -> None:
        if failed:
            self._parts.clear()
        else:
            self._then = self._next_part
