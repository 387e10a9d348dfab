"""One session between a client and PostgreSQL: bytes in, bytes out, no socket. Pure.

Frames are forwarded as they came wherever possible. What the session does by itself:

- a statement that DSQL refuses never reaches PostgreSQL; the block it stood in fails there too;
- before a commit it waits until PostgreSQL has answered all that went before, then `Transaction` decides;
- a write outside a block is wrapped into BEGIN and COMMIT, so that what is refused is never committed. Its
  answer is held back until the outcome is known.

`proxy` reads `to_client`, `to_server`, `wants_catalogue` and `cut` after each call.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from enum import Enum

from auroral.local.double import refusals, sizes, wire
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement
from auroral.local.double.transaction import Transaction

_COMMIT_STATEMENT = Statement(b"COMMIT", Kind.COMMIT)
_BEGIN, _COMMIT = b"_auroral_begin", b"_auroral_commit"
_FAIL = wire.query(b"SELECT 1/0")
_ROLLBACK = wire.query(b"ROLLBACK")
_COMMIT_QUERY = wire.query(b"COMMIT")
_HEAD = struct.Struct("!I")
_IDLE, _FAILED = b"I", b"E"
_READY_FOR_QUERY, _COMMAND_COMPLETE, _ERROR = b"ZCE"
_ENDING = frozenset(b"123Is")
"""ParseComplete, BindComplete, CloseComplete, EmptyQueryResponse, PortalSuspended."""
_DESCRIPTIONS = frozenset(b"Tn")
"""RowDescription, NoData."""
_BARRIERS = (Kind.DDL, Kind.BEGIN, Kind.ROLLBACK)
"""What decides on a block waits until it is known what the block has done."""


class _Await(Enum):
    """What PostgreSQL will answer next, and whose it is."""

    PARSE = 0
    BIND = 1
    DESCRIBE = 2
    EXECUTE = 3
    CLOSE = 4
    SYNC = 5
    QUERY = 6
    """A simple query of the client; its ReadyForQuery too is the client's."""
    PART = 7
    """A simple query that is a part of the client's; its ReadyForQuery leads to the next part."""
    OWN = 8
    """An extended message of ours that is answered once: nothing of it is the client's."""
    OWN_BEGIN = 9
    OWN_COMMIT = 10
    OWN_QUERY = 11
    """A simple query of ours: nothing of it is the client's."""
    OWN_FAIL = 12
    """A query of ours that fails; its ReadyForQuery is the client's."""
    OWN_SYNC = 13
    SETTLE = 14
    """COMMIT or ROLLBACK of ours: an error and the ReadyForQuery are the client's."""


_SIMPLE = (_Await.QUERY, _Await.PART, _Await.OWN_QUERY, _Await.OWN_FAIL, _Await.SETTLE)
_OURS = (_Await.OWN, _Await.OWN_BEGIN, _Await.OWN_COMMIT)
_SYNCS = (_Await.SYNC, _Await.OWN_SYNC)
_Awaited = tuple[_Await, Statement | None]
_NOTHING: tuple[None, None] = (None, None)
_AWAIT: dict[_Await, _Awaited] = {kind: (kind, None) for kind in _Await}
# Of PostgreSQL's messages those that say nothing of where we are: rows, notices, settings, parameter types.
_PASSING = frozenset(b"DNSAtV")


class Session:
    """An authenticated session. `now_s` arguments are monotonic."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        self.to_client = bytearray()
        self.to_server = bytearray()
        self.wants_catalogue = False
        """Set while it waits for `catalogue_read`."""
        self.cut = False
        """The connection must go at once, without another byte."""
        self._shared = shared
        self._catalogue = catalogue
        self._awaited: deque[_Awaited] = deque()
        self._client = bytearray()
        self._server = bytearray()
        self._then: Callable[[], None] | None = None
        """What to do once PostgreSQL has answered all; until then no frame of the client is looked at."""
        self._now_s = 0.0
        self._status = _IDLE
        """As of PostgreSQL's last ReadyForQuery."""
        self._transaction: Transaction | None = None
        """Of the block that is open, the client's or ours."""
        self._wrapped = False
        """The block is ours."""
        self._failed = False
        """An error has come in this batch."""
        self._skipping = False
        """After an error in the extended protocol: all frames up to Sync are ignored."""
        self._dropping = False
        """We answered in PostgreSQL's place: its answers up to ReadyForQuery are ours."""
        self._held: bytearray | None = None
        """Answers of a wrapped write, until its outcome is known."""
        self._cutting = False
        """Cut instead of telling the client that the commit happened."""
        self._committing: Transaction | None = None
        """Is on its way to commit."""
        self._dirty = False
        """A DDL statement of ours may be visible to others from the next ReadyForQuery on."""
        self._prepared = False
        """PostgreSQL knows our BEGIN and COMMIT."""
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, tuple[Statement, int]] = {}
        self._parts: deque[Statement] = deque()

    @property
    def idle(self) -> bool:
        """Nothing is running and no block is open."""
        return not self._awaited and self._transaction is None and self._then is None and not self._client

    # The client's side.

    def from_client(self, data: bytes, now_s: float) -> None:
        """Take bytes of the client."""
        self._now_s = now_s
        self._client += data
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
            if self._awaited and self._awaited[-1][0] in (_Await.PART, _Await.SETTLE):
                return  # a query of several parts goes on by itself
            buffer = self._client
            if len(buffer) < 5:
                return
            end = 1 + _HEAD.unpack_from(buffer, 1)[0]
            if len(buffer) < end:
                return
            message = bytes(buffer[:end])
            del buffer[:end]
            self._frame(message)

    def _frame(self, message: bytes) -> None:
        kind = message[:1]
        if self._skipping and kind not in (b"S", b"X", b"Q"):
            return
        if kind == b"E":
            self._execute(message)
        elif kind == b"B":
            self._bind(message)
        elif kind == b"S":
            self._sync()
        elif kind == b"D":
            self._forward(message, _Await.DESCRIBE)
        elif kind == b"P":
            self._parse(message)
        elif kind == b"Q":
            self._query(message)
        elif kind == b"C":
            name = message[6:-1]
            if message[5:6] == b"S":
                self._statements.pop(name, None)
            else:
                self._portals.pop(name, None)
            self._forward(message, _Await.CLOSE)
        elif kind == b"H":
            # Who flushes waits for answers: they cannot be held back.
            self._release()
            self.to_server += message
        elif kind == b"X":
            self.to_server += message
        elif kind == b"F":
            self._when_quiet(lambda: self._refuse(refusals.unsupported("FunctionCall")))
        # COPY's data, which nobody asked for, is dropped.

    def _forward(self, message: bytes, kind: _Await, statement: Statement | None = None) -> None:
        self.to_server += message
        self._awaited.append((kind, statement) if statement is not None else _AWAIT[kind])

    def _when_quiet(self, then: Callable[[], None], *, after_error: bool = False) -> None:
        """Do something once PostgreSQL has answered all that it was sent; not after an error, unless told so."""
        if self._awaited and self._awaited[-1][0] not in (*_SYNCS, *_SIMPLE):
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
            self._forward(message, _Await.PARSE)
            return
        statement = judged[0]
        if statement.rewritten:
            message = wire.parse(name, statement.sql, message[sql_end + 1 :])
        if statement.refusal is None and not statement.needs_catalogue:
            self._statements[name] = statement
            self._forward(message, _Await.PARSE)
            return

        def judge() -> None:
            refused = statement.refusal or self._catalogue.refusal(statement)
            if refused is not None:
                self._refuse(refused)
            else:
                self._statements[name] = statement
                self._forward(message, _Await.PARSE)

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
            self._forward(message, _Await.BIND)
            return
        self._portals[portal] = (statement, len(message))
        if statement.kind is not Kind.WRITE:
            self._forward(message, _Await.BIND)
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
        if self._transaction is not None:
            self._forward(message, _Await.BIND)
            return

        def begin() -> None:
            if self._transaction is None:
                self._wrap()
            self._forward(message, _Await.BIND)

        self._when_quiet(begin) if self._awaited else begin()

    def _execute(self, message: bytes) -> None:
        portal = message[5 : message.index(b"\0", 5)]
        bound = self._portals.get(portal)
        if bound is None:
            self._forward(message, _Await.EXECUTE)
            return
        statement, size_bytes = bound
        kind = statement.kind
        if kind is Kind.COMMIT and self._transaction is not None:
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
        self._forward(message, _Await.EXECUTE, statement)

    def _commit(self, message: bytes) -> None:
        """The client's COMMIT in the extended protocol."""
        refused = self._decide()
        if refused is None:
            self._note(_COMMIT_STATEMENT)
            self._forward(message, _Await.EXECUTE, _COMMIT_STATEMENT)
            return
        # The block ends there without a word to the client.
        self._own(_ROLLBACK, _Await.OWN_QUERY)
        self._answer_error(refused)
        self._skipping = True

    def _sync(self) -> None:
        self._skipping = False
        if self._wrapped:
            self._when_quiet(self._settle_batch, after_error=True)
        else:
            self._forward(wire.SYNC, _Await.SYNC)

    def _settle_batch(self) -> None:
        """End the block that wrapped the client's batch."""
        self._skipping = False
        if self._failed or self._status == _FAILED:
            self._end_block()
            self._release()
            self._own(wire.SYNC, _Await.OWN_SYNC)
            self._own(_ROLLBACK, _Await.SETTLE)
            return
        refused = self._decide()
        if refused is not None:
            self._roll_back_with(refused)
            return
        self._note(_COMMIT_STATEMENT)
        self._own(wire.bind_and_execute(_COMMIT), _Await.OWN, _Await.OWN_COMMIT)
        self._forward(wire.SYNC, _Await.SYNC)

    # The simple protocol.

    def _query(self, message: bytes) -> None:
        self._skipping = False
        judged = self._shared.dialect.statements(message[5:-1])
        if not judged:
            self._forward(message, _Await.QUERY)
        elif self._awaited:
            self._when_quiet(lambda: self._start_query(message, judged))
        else:
            self._start_query(message, judged)

    def _start_query(self, message: bytes, judged: tuple[Statement, ...]) -> None:
        self._parts.extend(judged)
        only = self._parts[0] if len(self._parts) == 1 else None
        if only is None:
            # Several are one transaction, unless they begin and end their own.
            if self._transaction is None and self._parts[0].kind is not Kind.BEGIN:
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
        if statement.kind is Kind.WRITE and self._transaction is None:
            self._wrap()
            self._next_part()
            return
        self._parts.clear()
        if statement.kind is Kind.COMMIT and self._transaction is not None:
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
        self._forward(wire.query(statement.sql) if statement.rewritten else message, _Await.QUERY, statement)

    def _next_part(self) -> None:
        """The next of the parts of a query; after the last the block that wraps them ends."""
        if not self._parts:
            self._settle_query()
            return
        part = self._parts.popleft()
        self._with_catalogue(part, lambda: self._run_part(part))

    def _run_part(self, part: Statement) -> None:
        if part.kind is Kind.BEGIN and self._wrapped and part.refusal is None:
            # PostgreSQL makes the implicit block an explicit one.
            self._wrapped = False
            self._emit(wire.command_complete(b"BEGIN"))
            self._release()
            self._next_part()
            return
        refused = part.refusal or self._catalogue.refusal(part)
        if refused is None and part.kind is Kind.COMMIT and self._transaction is not None:
            refused = self._decide()
            if refused is not None:
                self._parts.clear()
                self._roll_back_with(refused)
                return
        elif refused is None:
            if part.kind is Kind.WRITE and self._transaction is None:
                self._wrap()
            refused = self._admit(part, len(part.sql))
        if refused is not None:
            self._parts.clear()
            self._refuse_query(refused)
            return
        self._note(part)
        self._forward(wire.query(part.sql), _Await.PART, part)

    def _settle_query(self) -> None:
        """After the last part: end the block that wraps them, and tell the client that we are ready."""
        if not self._wrapped:
            self._release()
            self.to_client += wire.ready(self._status)
            return
        failed = self._status == _FAILED
        refused = self._decide()
        if refused is not None:
            self._roll_back_with(refused)
        elif failed:
            self._release()
            self._own(_ROLLBACK, _Await.SETTLE)
        else:
            self.to_server += _COMMIT_QUERY
            self._note(_COMMIT_STATEMENT)
            self._awaited.append((_Await.SETTLE, _COMMIT_STATEMENT))

    def _refuse_query(self, refused: Refusal) -> None:
        """Answer a simple query with an error; the block it stood in fails."""
        self._release()
        if self._wrapped:
            self._end_block()
            self._roll_back_with(refused)
            return
        self._answer_error(refused)
        if self._transaction is not None:
            self._own(_FAIL, _Await.OWN_FAIL)
        else:
            self.to_client += wire.ready(self._status)

    # Both protocols.

    def _refuse(self, refused: Refusal) -> None:
        """Answer a frame of the extended protocol with an error; the block it stood in fails."""
        self._release()
        self._answer_error(refused)
        self._skipping = True
        if self._transaction is not None and self._status != _FAILED:
            self._own(_FAIL, _Await.OWN_QUERY)

    def _roll_back_with(self, refused: Refusal) -> None:
        """Answer with an error instead of a commit; PostgreSQL's ReadyForQuery after its ROLLBACK is the client's."""
        self._held = None
        self._answer_error(refused)
        self._own(_ROLLBACK, _Await.SETTLE)

    def _own(self, message: bytes, *awaited: _Await) -> None:
        self.to_server += message
        for kind in awaited:
            self._awaited.append(_AWAIT[kind])

    def _answer_error(self, refused: Refusal) -> None:
        self._shared.statistics.refused_statements[refused.code] += 1
        if refused is refusals.CONFLICT:
            self._shared.statistics.conflicts += 1
        self.to_client += wire.error(refused)

    def _emit(self, data: bytes) -> None:
        """Give PostgreSQL's answer to the client, or keep it until the outcome is known."""
        if self._held is None:
            self.to_client += data
        else:
            self._held += data

    def _release(self) -> None:
        if self._held is not None:
            self.to_client += self._held
            self._held = None

    def _admit(self, statement: Statement, size_bytes: int) -> Refusal | None:
        if self._transaction is None or statement.kind in (Kind.ROLLBACK, Kind.COMMIT):
            return None
        return self._transaction.admit(statement.kind, size_bytes, self._now_s, self._shared.settings)

    def _decide(self) -> Refusal | None:
        """Whether the open block may commit. The block has ended, whatever the answer."""
        transaction = self._transaction
        failed = self._failed or self._status == _FAILED
        self._end_block()
        self._committing = None
        if transaction is None or failed:
            return None
        refused = transaction.commit(self._now_s, self._shared.settings, self._shared.conflicts)
        if refused is None:
            self._committing = transaction
            if transaction.rows and self._shared.cut_commits > 0:
                self._shared.cut_commits -= 1
                self._cutting = True
        return refused

    def _note(self, statement: Statement) -> None:
        """A statement goes to PostgreSQL."""
        self._shared.statistics.ran(statement)
        if statement.kind is Kind.BEGIN:
            self._wrapped = False
            if self._transaction is None:
                self._transaction = Transaction(self._now_s)
        elif statement.kind is Kind.ROLLBACK:
            self._end_block()
        elif statement.forgets:
            self._prepared = False

    def _wrap(self) -> None:
        """Open a block of ours. Messages of the extended protocol leave the client's unnamed statement alone."""
        if not self._prepared:
            prepare = wire.parse(_BEGIN, b"BEGIN") + wire.parse(_COMMIT, b"COMMIT")
            self._own(prepare, _Await.OWN, _Await.OWN)
            self._prepared = True
        self._own(wire.bind_and_execute(_BEGIN), _Await.OWN, _Await.OWN_BEGIN)
        self._transaction = Transaction(self._now_s)
        self._wrapped = True

    def _end_block(self) -> None:
        self._transaction = None
        self._wrapped = False

    # PostgreSQL's side.

    def from_server(self, data: bytes, now_s: float) -> None:
        """Take bytes of PostgreSQL."""
        self._now_s = now_s
        if self._server:
            self._server += data
            data = bytes(self._server)
            self._server.clear()
        at = start = 0
        length = len(data)
        while length - at >= 5:
            end = at + 1 + _HEAD.unpack_from(data, at + 1)[0]
            if end > length:
                break
            kind = data[at]
            if kind not in _PASSING or self._dropping:
                if start < at:
                    self._emit(data[start:at])
                start = end
                if self._answer(kind, data[at:end]):
                    self._emit(data[at:end])
                if self.cut:
                    return
            at = end
        if start < at:
            self._emit(data[start:at])
        if at < length:
            self._server += data[at:]
        self._advance()

    def _answer(self, kind: int, message: bytes) -> bool:
        """Take one answer; return whether it is the client's."""
        what, statement = self._awaited[0] if self._awaited else _NOTHING
        if kind == _READY_FOR_QUERY:
            return self._ready(what, message[5:6])
        if kind == _COMMAND_COMPLETE:
            if what not in _SIMPLE:
                self._awaited.popleft()
            return self._completed(what, statement, message[5:-1]) and not self._dropping
        if kind == _ERROR:
            return self._server_error(what) and not self._dropping
        # Of the rest each ends what it answers, but for a query's own description of its rows.
        ends = kind in _ENDING or (kind in _DESCRIPTIONS and what is _Await.DESCRIBE)
        if ends and what not in _SIMPLE and self._awaited:
            self._awaited.popleft()
        return what not in _OURS and not self._dropping

    def _ready(self, what: _Await | None, status: bytes) -> bool:
        if self._awaited:
            self._awaited.popleft()
        self._status = status
        self._failed = False
        if self._dirty:
            self._catalogue.fresh = False
            self._dirty = status != _IDLE
        if self._dropping:
            self._dropping = False
            self._own(_FAIL, _Await.OWN_FAIL)
            return False
        if not self._awaited:
            if status == _IDLE and what is not _Await.PART:
                self._end_block()
            elif status != _IDLE and self._transaction is None:
                self._transaction = Transaction(self._now_s)
        if what is _Await.PART:
            self._then = self._next_part
            return False
        return what not in (_Await.OWN_QUERY, _Await.OWN_SYNC)

    def _completed(self, what: _Await | None, statement: Statement | None, tag: bytes) -> bool:
        if what is _Await.OWN_COMMIT or (what is _Await.SETTLE and statement is not None):
            self._committed()
            self._release()
            return False
        if what in _OURS or what in (_Await.OWN_QUERY, _Await.OWN_FAIL, _Await.SETTLE):
            return False
        if self._wrapped:
            if self._held is None:
                self._held = bytearray()
        else:
            self._release()
        if statement is None:
            return True
        if statement.kind is Kind.WRITE and self._transaction is not None:
            refused = self._transaction.changed(wire.rows_of_tag(tag), self._shared.settings)
            if refused is not None and not self._wrapped:
                self._answer_error(refused)
                self._dropping = True
                self._skipping = not any(kind in _SYNCS or kind in _SIMPLE for kind, _ in self._awaited)
                return False
        elif statement.kind is Kind.COMMIT:
            self._committed()
        elif statement.kind is Kind.DDL:
            self._catalogue.fresh = False
            self._dirty = True
        if statement.tag is not None:
            self._emit(wire.command_complete(statement.tag))
            return False
        return True

    def _committed(self) -> None:
        transaction, self._committing = self._committing, None
        if transaction is None or not transaction.rows:
            return
        self._shared.statistics.commits += 1
        self._shared.statistics.rows += transaction.rows
        if self._cutting:
            self._shared.statistics.unknown_outcomes += 1
            self.cut = True

    def _server_error(self, what: _Await | None) -> bool:
        self._cutting = False
        if what in (_Await.OWN_QUERY, _Await.OWN_FAIL):
            return False
        if what in (_Await.SETTLE, _Await.OWN_COMMIT):
            self._held = None  # the write did not happen after all
        else:
            self._release()
        if what is _Await.PART:
            self._parts.clear()
        if what in _SIMPLE:
            return True
        # PostgreSQL ignores all up to the next Sync.
        self._failed = True
        while self._awaited and self._awaited[0][0] not in _SYNCS and self._awaited[0][0] not in _SIMPLE:
            self._awaited.popleft()
        self._skipping = not self._awaited
        return True
