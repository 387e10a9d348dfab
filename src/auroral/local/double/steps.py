"""What both protocols do with a judged statement: wait for what it needs, ask the block, wrap it. Pure."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable

from auroral.local.double import wire
from auroral.local.double.awaited import ENDS, Await
from auroral.local.double.catalogue import Catalogue
from auroral.local.double.exchange import FAILED, Exchange
from auroral.local.double.refusals import Refusal
from auroral.local.double.shared import Shared
from auroral.local.double.statements import Kind, Statement

COMMIT_STATEMENT = Statement(b"COMMIT", Kind.COMMIT)
ROLLBACK = wire.query(b"ROLLBACK")
_BEGIN_NAME, COMMIT_NAME = b"_auroral_begin", b"_auroral_commit"
"""By which PostgreSQL knows our BEGIN and COMMIT."""


class Steps(Exchange, ABC):
    """A session's steps, whichever protocol asks for them."""

    def __init__(self, shared: Shared, catalogue: Catalogue) -> None:
        super().__init__(shared, catalogue)
        self.wants_catalogue = False
        """Set while it waits for `catalogue_read`."""
        self._then: Callable[[], None] | None = None
        """What to do once PostgreSQL has answered all; until then no frame of the client is looked at."""
        self._prepared = False
        """PostgreSQL knows our BEGIN and COMMIT."""

    def catalogue_read(self) -> None:
        """The catalogue is fresh."""
        self.wants_catalogue = False
        self._advance()

    def _when_quiet(self, then: Callable[[], None], *, after_error: bool = False) -> None:
        """Do something once PostgreSQL has answered all that it was sent; not after an error, unless told so."""
        if self._awaited and self._awaited.last() not in ENDS:
            self.to_server += wire.FLUSH
        self._then = then if after_error else lambda: None if self._skipping else then()

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

    def _roll_back_with(self, refused: Refusal) -> None:
        """Answer with an error instead of a commit; PostgreSQL's ReadyForQuery after its ROLLBACK is the client's."""
        self._held = None
        self._answer_error(refused)
        self._own(ROLLBACK, Await.SETTLE)

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
            prepare = wire.parse(_BEGIN_NAME, b"BEGIN") + wire.parse(COMMIT_NAME, b"COMMIT")
            self._own(prepare, Await.OWN, Await.OWN)
            self._prepared = True
        self._own(wire.bind_and_execute(_BEGIN_NAME), Await.OWN, Await.OWN)
        self._block.begin(self._now_s, wrapped=True)
