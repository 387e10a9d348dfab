"""One judged statement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from auroral.local.double.refusals import Refusal


class Kind(Enum):
    """What a statement does to a transaction."""

    READ = "read"
    WRITE = "write"
    DDL = "ddl"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    OTHER = "other"
    """SET, SHOW, DEALLOCATE and the like."""


@dataclass(frozen=True, slots=True)
class Name:
    """A relation as a statement names it."""

    schema: str
    """Empty where none was given."""
    relation: str


@dataclass(frozen=True, slots=True)
class LockNeed:
    """A locked table and the columns that its condition fixes; DSQL wants all of the key's."""

    table: Name
    fixed: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyNeed:
    """A key to be made on a table that exists: its types and how many indexes there are decide."""

    table: Name
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowShape:
    """Which parameter goes to which column, for each row of an INSERT … VALUES."""

    table: Name
    columns: tuple[str, ...]
    """As the INSERT names them; none where it names none."""
    rows: tuple[tuple[tuple[int, int], ...], ...]
    """Number of the column and of the parameter, both from 0."""


@dataclass(slots=True, eq=False)
class Statement:
    """What the proxy must know of a statement; made once per text, shared by all sessions."""

    sql: bytes
    """As PostgreSQL gets it."""
    kind: Kind
    refusal: Refusal | None = None
    locks: tuple[LockNeed, ...] = ()
    keys: tuple[KeyNeed, ...] = ()
    shape: RowShape | None = None
    tag: bytes | None = None
    """To answer instead of PostgreSQL's: its own statement was another."""
    rewritten: bool = False
    lock_kinds: tuple[str, ...] = ()
    """Of its locking clauses: `for update`, `for key share`."""
    forgets: bool = False
    """It may drop prepared statements of ours (DEALLOCATE ALL, DISCARD ALL)."""

    @property
    def needs_catalogue(self) -> bool:
        """Whether the tables' keys decide on it."""
        return bool(self.locks or self.keys)
