"""What PostgreSQL will answer next, and whose answer it is. Pure."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from auroral.local.double.statements import Statement


class Await(IntEnum):
    """One message that PostgreSQL was sent and has not answered. (Integers: their hash is no Python code.)"""

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
    OWN_COMMIT = 9
    """The execution of our COMMIT."""
    OWN_QUERY = 10
    """A simple query of ours: nothing of it is the client's."""
    OWN_FAIL = 11
    """A query of ours that fails; its ReadyForQuery is the client's."""
    OWN_SYNC = 12
    SETTLE = 13
    """COMMIT or ROLLBACK of ours: an error and the ReadyForQuery are the client's."""


SIMPLE = frozenset({Await.QUERY, Await.PART, Await.OWN_QUERY, Await.OWN_FAIL, Await.SETTLE})
"""Answered by many messages, ReadyForQuery the last."""
SYNCS = frozenset({Await.SYNC, Await.OWN_SYNC})
ENDS = SIMPLE | SYNCS
"""Whose answer ends with ReadyForQuery: PostgreSQL sends it without being asked to flush."""
OWN_STEPS = frozenset({Await.OWN, Await.OWN_COMMIT})
_ALONE: dict[Await, tuple[Await, Statement | None]] = {kind: (kind, None) for kind in Await}
_NOTHING: tuple[None, None] = (None, None)


class Awaited:
    """The answers that are due, in order."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: deque[tuple[Await, Statement | None]] = deque()

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, kind: Await, statement: Statement | None = None) -> None:
        """One more will come."""
        self._due.append(_ALONE[kind] if statement is None else (kind, statement))

    def next(self) -> tuple[Await, Statement | None] | tuple[None, None]:
        """What comes next."""
        return self._due[0] if self._due else _NOTHING

    def take(self) -> None:
        """The next has come."""
        if self._due:
            self._due.popleft()

    def last(self) -> Await | None:
        """What comes last."""
        return self._due[-1][0] if self._due else None

    def skip_to_end(self) -> None:
        """After an error: PostgreSQL answers nothing up to the next Sync, or query."""
        while self._due and self._due[0][0] not in ENDS:
            self._due.popleft()

    def has_end(self) -> bool:
        """Whether a ReadyForQuery is due."""
        return any(kind in ENDS for kind, _ in self._due)
