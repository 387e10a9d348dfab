"""Makes and drops a probe's own table: each statement of DDL a transaction of its own, conflicts tried again."""

from __future__ import annotations

from auroral.dsql.backoff import DDL
from auroral.dsql.errors import DsqlError, LostConnectionError, MissingObjectError, NoPrivilegeError
from auroral.dsql.probe_plan import SCHEMA, ProbeTable
from auroral.dsql.retry import retry_conflicts
from auroral.dsql.session import Session


class OwnTable:
    """A probe's table: what was made of it, so that the same goes again."""

    def __init__(self, table: ProbeTable) -> None:
        self.sql = table
        self.made = False
        """Whether it may be there: an answer that was lost counts."""
        self._made_schema = False

    async def make(self, session: Session, keys: int) -> str:
        """Make and fill it; return why that is not allowed, or nothing. Raises `DsqlError` for anything else."""
        try:
            try:
                await self._create(session)
            except MissingObjectError:
                self.made = False
                await self._ddl(session, self.sql.create_schema)
                self._made_schema = True
                await self._create(session)
        except NoPrivilegeError as error:
            self.made = False
            return (
                f"{error.message}; `auroral schema roles` makes the schema {SCHEMA} and lets temporal_operator "
                "make tables there"
            )
        await retry_conflicts(lambda: session.execute(self.sql.fill(keys)), what=f"filling {self.sql.name}")
        return ""

    async def drop(self, session: Session) -> None:
        """Drop it, and the schema where that was ours too. Raises `DsqlError`."""
        await self._ddl(session, self.sql.drop)
        self.made = False
        if self._made_schema:
            try:
                await self._ddl(session, self.sql.drop_schema)
            except LostConnectionError:
                raise
            except DsqlError:
                return  # another probe has a table in it by now
            self._made_schema = False

    async def _create(self, session: Session) -> None:
        self.made = True
        await self._ddl(session, self.sql.create)

    async def _ddl(self, session: Session, statement: str) -> None:
        await retry_conflicts(lambda: session.execute(statement), what=f"`{statement}`", backoff=DDL)
