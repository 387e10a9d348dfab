"""PostgreSQL's side of a session: what was sent to it, what it answers, and what of that the client gets. Pure."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod

from auroral.local.double import refusals, wire
from auroral.local.double.awaited import ENDS, OWN_STEPS, SIMPLE, Await, Awaited
from auroral.local.double.block import Block
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement

IDLE, FAILED = b"I", b"E"
_HEAD = struct.Struct("!I")
_READY_FOR_QUERY, _COMMAND_COMPLETE, _ERROR = b"ZCE"
_DECIDING = frozenset(b"ZCE")
_ENDING = frozenset(b"123Is")
"""ParseComplete, BindComplete, CloseComplete, EmptyQueryResponse, PortalSuspended."""
_DESCRIPTIONS = frozenset(b"Tn")
"""RowDescription, NoData."""
_PASSING = frozenset(b"DNSAtV")
"""What says nothing of where we are: rows, notices, settings, notifications, parameter types."""
_FAIL = wire.query(b"SELECT 1/0")


class Exchange(ABC):
    """Both directions of one session, as far as PostgreSQL decides them. `now_s` arguments are monotonic."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        self.to_client = bytearray()
        self.to_server = bytearray()
        self.cut = False
        """The connection must go at once, without another byte."""
        self._shared = shared
        self._catalogue = catalogue
        self._block = Block(shared)
        self._awaited = Awaited()
        self._now_s = 0.0
        self._status = IDLE
        """As of PostgreSQL's last ReadyForQuery."""
        self._failed = False
        """An error has come in this batch."""
        self._skipping = False
        """After an error in the extended protocol: all frames up to Sync are ignored."""
        self._dropping = False
        """We answered in PostgreSQL's place: its answers up to ReadyForQuery are ours."""
        self._dirty = False
        """A DDL statement of ours may be visible to others from the next ReadyForQuery on."""
        self._held: bytearray | None = None
        """Answers of a wrapped write, until its outcome is known."""
        self._server = b""
        """The beginning of a message that has not come whole."""

    @abstractmethod
    def _advance(self) -> None:
        """Go on with what the client sent."""

    @abstractmethod
    def _part_ended(self, *, failed: bool) -> None:
        """A part of the client's query is through, or, before that, has failed."""

    def from_server(self, data: bytes, now_s: float) -> None:
        """Take bytes of PostgreSQL."""
        self._now_s = now_s
        if self._server:
            data = self._server + data
        at = start = 0
        length = len(data)
        while length - at >= 5:
            end = at + 1 + _HEAD.unpack_from(data, at + 1)[0]
            if end > length:
                break
            kind = data[at]
            if kind in _PASSING and not self._dropping:
                passes = True
            elif kind in _DECIDING:
                # It may make us answer something ourselves: what came before goes first.
                if start < at:
                    self._emit(data[start:at])
                    start = at
                passes = self._decisive(kind, data[at + 5 : end])
                if self.cut:
                    return
            else:
                passes = self._step(kind)
            if not passes:
                if start < at:
                    self._emit(data[start:at])
                start = end
            elif self._held is not None:
                self._emit(data[start:end])
                start = end
            at = end
        if start < at:
            self._emit(data[start:at])
        self._server = data[at:] if at < length else b""
        self._advance()

    # What a session does to both sides.

    def _forward(self, message: bytes, kind: Await, statement: Statement | None = None) -> None:
        self.to_server += message
        self._awaited.add(kind, statement)

    def _own(self, message: bytes, *kinds: Await) -> None:
        """Send something of ours, which these answers will follow."""
        self.to_server += message
        for kind in kinds:
            self._awaited.add(kind)

    def _fail_block(self, kind: Await) -> None:
        """Make the open block fail in PostgreSQL, as it has for the client."""
        self._own(_FAIL, kind)

    def _answer_error(self, refused: Refusal) -> None:
        self._shared.statistics.refused_statements[refused.code] += 1
        self._shared.statistics.conflicts += refused is refusals.CONFLICT
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

    # PostgreSQL's answers; each method returns whether the message is the client's.

    def _step(self, kind: int) -> bool:
        """An answer that decides nothing. It ends what it answers, but for a query's own rows and their description."""
        what, _ = self._awaited.next()
        ends = kind in _ENDING or (kind in _DESCRIPTIONS and what is Await.DESCRIBE)
        if ends and what not in SIMPLE:
            self._awaited.take()
        return what not in OWN_STEPS and not self._dropping

    def _decisive(self, kind: int, payload: bytes) -> bool:
        what, statement = self._awaited.next()
        if kind == _READY_FOR_QUERY:
            return self._ready(what, payload)
        if kind == _COMMAND_COMPLETE:
            if what not in SIMPLE:
                self._awaited.take()
            return self._completed(what, statement, payload[:-1]) and not self._dropping
        return self._server_error(what) and not self._dropping

    def _ready(self, what: Await | None, status: bytes) -> bool:
        self._awaited.take()
        self._status = status
        self._failed = False
        if self._dirty:
            self._catalogue.fresh = False
            self._dirty = status != IDLE
        if self._dropping:
            self._dropping = False
            self._fail_block(Await.OWN_FAIL)
            return False
        if what is Await.PART:
            self._part_ended(failed=False)
            return False
        if not self._awaited:
            if status == IDLE:
                self._block.end()
            elif self._block.transaction is None:
                self._block.begin(self._now_s)
        return what is not Await.OWN_QUERY and what is not Await.OWN_SYNC

    def _completed(self, what: Await | None, statement: Statement | None, tag: bytes) -> bool:
        if what is Await.OWN_COMMIT or (what is Await.SETTLE and statement is not None):
            self.cut = self._block.committed()
            self._release()
            return False
        if what in OWN_STEPS or what in (Await.OWN_QUERY, Await.OWN_FAIL, Await.SETTLE):
            return False
        if not self._block.wrapped:
            self._release()
        elif self._held is None:
            self._held = bytearray()
        return statement is None or self._ran(statement, tag)

    def _ran(self, statement: Statement, tag: bytes) -> bool:
        """A statement of the client has run."""
        if statement.kind is Kind.WRITE:
            refused = self._block.changed(tag)
            if refused is not None:
                self._answer_error(refused)
                self._dropping = True
                self._skipping = not self._awaited.has_end()
                return False
        elif statement.kind is Kind.COMMIT:
            self.cut = self._block.committed()
        elif statement.kind is Kind.DDL:
            self._catalogue.fresh = False
            self._dirty = True
        if statement.tag is not None:
            self._emit(wire.command_complete(statement.tag))
            return False
        return True

    def _server_error(self, what: Await | None) -> bool:
        if what is Await.OWN_QUERY or what is Await.OWN_FAIL:
            return False
        if what is Await.SETTLE or what is Await.OWN_COMMIT:
            self._held = None  # the write did not happen after all
        else:
            self._release()
        if what is Await.PART:
            self._part_ended(failed=True)
        if what not in ENDS:
            # PostgreSQL ignores all up to the next Sync.
            self._failed = True
            self._awaited.skip_to_end()
            self._skipping = not self._awaited
        return True
