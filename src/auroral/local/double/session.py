"""One session between a client and PostgreSQL: bytes in, bytes out, no socket. Pure.

Frames are forwarded as they came wherever possible. What the session does by itself:

- a statement that DSQL refuses never reaches PostgreSQL; the block it stood in fails there too;
- before a commit it waits until PostgreSQL has answered all that went before, then `Block` decides;
- a write outside a block is wrapped into BEGIN and COMMIT, so that what is refused is never committed. Its
  answer is held back until the outcome is known.

`connections` reads `to_client`, `to_server`, `wants_catalogue` and `cut` after each call. This module is the client's
side, frame by frame, and the extended protocol; `queries` is the simple one, `steps` what both do, `exchange`
PostgreSQL's side.
"""

from __future__ import annotations

import struct

from auroral.local.double import refusals, sizes, wire
from auroral.local.double.awaited import Await
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.exchange import FAILED
from auroral.local.double.queries import Queries
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement
from auroral.local.double.steps import COMMIT_NAME, COMMIT_STATEMENT, ROLLBACK

_HEAD = struct.Struct("!I")
_BARRIERS = (Kind.DDL, Kind.BEGIN, Kind.ROLLBACK)
"""What decides on a block waits until it is known what the block has done."""
_PARSE, _BIND, _DESCRIBE, _EXECUTE, _CLOSE, _SYNC, _QUERY, _FLUSH, _TERMINATE, _CALL = b"PBDECSQHXF"
_HEARD_AFTER_ERROR = frozenset(b"SXQ")


class Session(Queries):
    """An authenticated session. `now_s` arguments are monotonic."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        super().__init__(shared, catalogue)
        self._client = b""
        self._at = 0
        """Where the first frame of the client begins that was not looked at."""
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, tuple[Statement, int]] = {}

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
            self._note(COMMIT_STATEMENT)
            self._forward(message, Await.EXECUTE, COMMIT_STATEMENT)
            return
        # The block ends there without a word to the client.
        self._own(ROLLBACK, Await.OWN_QUERY)
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
            self._own(ROLLBACK, Await.SETTLE)
            return
        refused = self._decide()
        if refused is not None:
            self._roll_back_with(refused)
            return
        self._note(COMMIT_STATEMENT)
        self._own(wire.bind_and_execute(COMMIT_NAME), Await.OWN, Await.OWN_COMMIT)
        self._forward(wire.SYNC, Await.SYNC)

    def _refuse(self, refused: Refusal) -> None:
        """Answer a frame of the extended protocol with an error; the block it stood in fails."""
        self._release()
        self._answer_error(refused)
        self._skipping = True
        if self._block.transaction is not None and self._status != FAILED:
            self._fail_block(Await.OWN_QUERY)
