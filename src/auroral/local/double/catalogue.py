"""Keys, indexes and column types of a database's tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auroral.local.double import refusals
from auroral.local.double.refusals import Refusal
from auroral.local.double.rules_tables import MOST_INDEXES, key_columns
from auroral.local.double.statements import KeyNeed, LockNeed, Name, Statement


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    schema: str
    name: str
    primary_key: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    """PostgreSQL's own name of each column's type."""
    indexes: int = 0
    """All of them: the primary key's and those behind constraints count (AWS's troubleshooting tables)."""


class Catalogue:
    """The tables of one database, as last read. A DDL statement makes it stale."""

    def __init__(self) -> None:
        self.fresh = False
        self._tables: dict[tuple[str, str], Table] = {}
        self._by_name: dict[str, Table] = {}

    def replace(self, tables: list[Table]) -> None:
        """Take over what was read now."""
        self._tables = {(one.schema, one.name): one for one in tables}
        self._by_name = {}
        for one in tables:
            # Names without a schema mean the one in `public`, else the only one there is.
            if one.schema == "public" or one.name not in self._by_name:
                self._by_name[one.name] = one
        self.fresh = True

    def table(self, name: Name) -> Table | None:
        """A table by the name a statement gives it, or nothing: then PostgreSQL answers."""
        return self._tables.get((name.schema, name.relation)) if name.schema else self._by_name.get(name.relation)

    def refusal(self, statement: Statement) -> Refusal | None:
        """What the tables' keys refuse of a statement."""
        for lock in statement.locks:
            refused = self._lock(lock)
            if refused is not None:
                return refused
        for key in statement.keys:
            refused = self._key(key)
            if refused is not None:
                return refused
        return None

    def _lock(self, need: LockNeed) -> Refusal | None:
        table = self.table(need.table)
        if table is None:
            return None
        return None if table.primary_key and need.fixed.issuperset(table.primary_key) else refusals.LOCK_KEY

    def _key(self, need: KeyNeed) -> Refusal | None:
        table = self.table(need.table)
        if table is None:
            return None
        if table.indexes >= MOST_INDEXES:
            return refusals.MANY_INDEXES
        return key_columns(list(need.columns), dict(table.types))
