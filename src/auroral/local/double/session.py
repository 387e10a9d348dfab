"""One session between a client and PostgreSQL: bytes in, bytes out, no socket. Pure.

Frames are forwarded as they came wherever possible. What the session does by itself:

- a statement that DSQL refuses never reaches PostgreSQL; the block it stood in fails there too;
- before a commit it waits until PostgreSQL has answered all that went before, then `Block` decides;
- a write outside a block is wrapped into BEGIN and COMMIT, so that what is refused is never committed. Its
  answer is held back until the outcome is known.

`connections` reads `to_client`, `to_server`, `wants_catalogue` and `cut` after each call. This module is the client's
side; `exchange` is PostgreSQL's.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

from auroral.local.double import refusals, sizes, wire
from auroral.local.double.awaited import ENDS, Await
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.exchange import FAILED, Exchange
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement

_COMMIT_STATEMENT = Statement(b"COMMIT", Kind.COMMIT)
_BEGIN, _COMMIT = b"_auroral_begin", b"_auroral_commit"
_ROLLBACK = wire.query(b"ROLLBACK")
_COMMIT_QUERY = wire.query(b"COMMIT")
_HEAD = struct.Struct("!I")
_BARRIERS = (Kind.DDL, Kind.BEGIN, Kind.ROLLBACK)
"""What decides on a block waits until it is known what the block has done."""
_PARSE, _BIND, _DESCRIBE, _EXECUTE, _CLOSE, _SYNC, _QUERY, _FLUSH, _TERMINATE, _CALL = b"PBDECSQHXF"
_HEARD_AFTER_ERROR = frozenset(b"SXQ")


class Session(Exchange):
    """An authenticated session. `now_s` arguments are monotonic."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        super().__init__(shared, catalogue)
        self.wants_catalogue = False
        """Set while it waits for `catalogue_read`."""
        self._client = b""
        self._at = 0
        """Where the first frame of the client begins that was not looked at."""
        self._then: Callable[[], None] | None = None
        """What to do once PostgreSQL has answered all; until then no frame of the client is looked at."""
        self._prepared = False
        """PostgreSQL knows our BEGIN and COMMIT."""
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, tuple[Statement, int]] = {}
        self._parts: deque[Statement] = deque()
        """Of the client's query, those that have not run."""

    @property
    def idle(self) -> bool:
        """Nothing is running and no block is open."""
        waiting = self._then is not None or self._at < len(self._client)
        return not self._awaited and self._block.transaction is None and not waiting

    def from_client(self, data: bytes, now_s: float) -> None:
        """Take bytes of the client."""
        self._now_s = now_s
        self._client = data if self._at >= len(self._client) else self._client[self._at :] + data
        self._at = 0
        self._advance()

    def catalogue_read(self) -> None:
        """The catalogue is fresh."""
        self.wants_catalogue = False
        self._advance()

    def _advance(self) -> None:
        """Look at frames until there are none or one has to wait."""
        while True:
            if self._then is not None:
                if self._awaited or self.wants_catalogue:
                    return
                then, self._then = self._then, None
                then()
                continue
            data, at = self._client, self._at
            if len(data) - at < 5:
                return
            if self._awaited.last() in (Await.PART, Await.SETTLE):
                return  # a query of several parts goes on by itself
            end = at + 1 + _HEAD.unpack_from(data, at + 1)[0]
            if len(data) < end:
                return
            self._at = end
            kind = data[at]
            if not self._skipping or kind in _HEARD_AFTER_ERROR:
                self._frame(kind, data[at:end])

    def _frame(self, kind: int, message: bytes) -> None:
        if kind == _BIND:
            self._bind(message)
        elif kind == _EXECUTE:
            self._execute(message)
        elif kind == _SYNC:
            self._sync()
        elif kind == _DESCRIBE:
            self._forward(message, Await.DESCRIBE)
        elif kind == _QUERY:
            self._query(message)
        elif kind == _PARSE:
            self._parse(message)
        else:
            self._rare_frame(kind, message)

    def _rare_frame(self, kind: int, message: bytes) -> None:
        if kind == _CLOSE:
            known: dict[bytes, Statement] | dict[bytes, tuple[Statement, int]] = (
                self._statements if message[5:6] == b"S" else self._portals
            )
            known.pop(message[6:-1], None)
            self._forward(message, Await.CLOSE)
        elif kind == _FLUSH:
            self._release()  # who flushes waits for answers
            self.to_server += message
        elif kind == _TERMINATE:
            self.to_server += message
        elif kind == _CALL:
            self._when_quiet(lambda: self._refuse(refusals.unsupported("FunctionCall")))
        # COPY's data, which nobody asked for, is dropped.

    def _when_quiet(self, then: Callable[[], None], *, after_error: bool = False) -> None:
        """Do something once PostgreSQL has answered all that it was sent; not after an error, unless told so."""
        if self._awaited and self._awaited.last() not in ENDS:
            self.to_server += wire.FLUSH
        self._then = then if after_error else lambda: None if self._skipping else then()

    # The extended protocol.

    def _parse(self, message: bytes) -> None:
        name_end = message.index(b"\0", 5)
        sql_end = message.index(b"\0", name_end + 1)
        name = message[5:name_end]
        judged = self._shared.dialect.statements(message[name_end + 1 : sql_end])
        if len(judged) > 1:
            self._when_quiet(lambda: self._refuse(refusals.UNPARSED_MANY))
            return
        if not judged:
            self._statements.pop(name, None)
            self._forward(message, Await.PARSE)
            return
        statement = judged[0]
        if statement.rewritten:
            message = wire.parse(name, statement.sql, message[sql_end + 1 :])
        if statement.refusal is None and not statement.needs_catalogue:
            self._statements[name] = statement
            self._forward(message, Await.PARSE)
            return

        def judge() -> None:
            refused = statement.refusal or self._catalogue.refusal(statement)
            if refused is not None:
                self._refuse(refused)
            else:
                self._statements[name] = statement
                self._forward(message, Await.PARSE)

        self._with_catalogue(statement, judge)

    def _with_catalogue(self, statement: Statement, then: Callable[[], None]) -> None:
        """Do something once the catalogue is fresh, at once where it is."""
        needs = statement.refusal is None and statement.needs_catalogue
        if statement.refusal is None and (
            not needs or (self._catalogue.fresh and self._catalogue.refusal(statement) is None)
        ):
            then()
            return
        self._when_quiet(then)
        self.wants_catalogue = needs and not self._catalogue.fresh

    def _bind(self, message: bytes) -> None:
        portal_end = message.index(b"\0", 5)
        name_end = message.index(b"\0", portal_end + 1)
        portal = message[5:portal_end]
        statement = self._statements.get(message[portal_end + 1 : name_end])
        if statement is None:
            self._portals.pop(portal, None)
            self._forward(message, Await.BIND)
            return
        self._portals[portal] = (statement, len(message))
        if statement.kind is not Kind.WRITE:
            self._forward(message, Await.BIND)
            return
        if len(message) > sizes.MOST_KEY_BYTES:
            if statement.shape is not None and not self._catalogue.fresh:
                self._when_quiet(lambda: self._bind_large(statement, message))
                self.wants_catalogue = True
                return
            refused = sizes.refusal(statement, message[5:], self._catalogue)
            if refused is not None:
                self._when_quiet(lambda: self._refuse(refused))
                return
        self._bind_write(message)

    def _bind_large(self, statement: Statement, message: bytes) -> None:
        refused = sizes.refusal(statement, message[5:], self._catalogue)
        if refused is not None:
            self._refuse(refused)
        else:
            self._bind_write(message)

    def _bind_write(self, message: bytes) -> None:
        """Bind a write; outside a block one of ours begins with it."""
        if self._block.transaction is not None:
            self._forward(message, Await.BIND)
            return

        def begin() -> None:
            if self._block.transaction is None:
                self._wrap()
            self._forward(message, Await.BIND)

        self._when_quiet(begin) if self._awaited else begin()

    def _execute(self, message: bytes) -> None:
        portal = message[5 : message.index(b"\0", 5)]
        bound = self._portals.get(portal)
        if bound is None:
            self._forward(message, Await.EXECUTE)
            return
        statement, size_bytes = bound
        kind = statement.kind
        if kind is Kind.COMMIT and self._block.transaction is not None:
            self._when_quiet(lambda: self._commit(message))
            return
        if kind in _BARRIERS and self._awaited:
            self._when_quiet(lambda: self._run(statement, size_bytes, message))
            return
        self._run(statement, size_bytes, message)

    def _run(self, statement: Statement, size_bytes: int, message: bytes) -> None:
        refused = self._admit(statement, size_bytes)
        if refused is not None:
            self._when_quiet(lambda: self._refuse(refused))
            return
        self._note(statement)
        self._forward(message, Await.EXECUTE, statement)

    def _commit(self, message: bytes) -> None:
        """The client's COMMIT in the extended protocol."""
        refused = self._decide()
        if refused is None:
            self._note(_COMMIT_STATEMENT)
            self._forward(message, Await.EXECUTE, _COMMIT_STATEMENT)
            return
        # The block ends there without a word to the client.
        self._own(_ROLLBACK, Await.OWN_QUERY)
        self._answer_error(refused)
        self._skipping = True

    def _sync(self) -> None:
        self._skipping = False
        if self._block.wrapped:
            self._when_quiet(self._settle_batch, after_error=True)
        else:
            self._forward(wire.SYNC, Await.SYNC)

    def _settle_batch(self) -> None:
        """End the block that wrapped the client's batch."""
        self._skipping = False
        if self._failed or self._status == FAILED:
            self._block.end()
            self._release()
            self._own(wire.SYNC, Await.OWN_SYNC)
            self._own(_ROLLBACK, Await.SETTLE)
            return
        refused = self._decide()
        if refused is not None:
            self._roll_back_with(refused)
            return
        self._note(_COMMIT_STATEMENT)
        self._own(wire.bind_and_execute(_COMMIT), Await.OWN, Await.OWN_COMMIT)
        self._forward(wire.SYNC, Await.SYNC)

    # The simple protocol.

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
            self._own(_ROLLBACK, Await.SETTLE)
        else:
            self.to_server += _COMMIT_QUERY
            self._note(_COMMIT_STATEMENT)
            self._awaited.add(Await.SETTLE, _COMMIT_STATEMENT)

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

    # Both protocols.

    def _refuse(self, refused: Refusal) -> None:
        """Answer a frame of the extended protocol with an error; the block it stood in fails."""
        self._release()
        self._answer_error(refused)
        self._skipping = True
        if self._block.transaction is not None and self._status != FAILED:
            self._fail_block(Await.OWN_QUERY)

    def _roll_back_with(self, refused: Refusal) -> None:
        """Answer with an error instead of a commit; PostgreSQL's ReadyForQuery after its ROLLBACK is the client's."""
        self._held = None
        self._answer_error(refused)
        self._own(_ROLLBACK, Await.SETTLE)

    def _part_ended(self, *, failed: bool) -> None:
        if failed:
            self._parts.clear()
        else:
            self._then = self._next_part

    def _admit(self, statement: Statement, size_bytes: int) -> Refusal | None:
        return self._block.admit(statement, size_bytes, self._now_s)

    def _decide(self) -> Refusal | None:
        return self._block.decide(self._now_s, failed=self._failed or self._status == FAILED)

    def _note(self, statement: Statement) -> None:
        """A statement goes to PostgreSQL."""
        self._shared.statistics.ran(statement)
        if statement.kind is Kind.BEGIN:
            self._block.begin(self._now_s)
        elif statement.kind is Kind.ROLLBACK:
            self._block.end()
        elif statement.forgets:
            self._prepared = False

    def _wrap(self) -> None:
        """Open a block of ours. Messages of the extended protocol leave the client's unnamed statement alone."""
        if not self._prepared:
            prepare = wire.parse(_BEGIN, b"BEGIN") + wire.parse(_COMMIT, b"COMMIT")
            self._own(prepare, Await.OWN, Await.OWN)
            self._prepared = True
        self._own(wire.bind_and_execute(_BEGIN), Await.OWN, Await.OWN)
        self._block.begin(self._now_s, wrapped=True)
