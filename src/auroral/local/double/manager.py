"""The double's own queries to its PostgreSQL: roles and mappings, keys, databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from auroral.errors import TargetError
from auroral.local.double import bootstrap, refusals
from auroral.local.double.catalogue import Catalogue, Table
from auroral.local.double.refusals import Refusal
from auroral.local.double.token import ADMIN, Principal
from auroral.local.postgres import Postgres

if TYPE_CHECKING:
    import psycopg


class Manager:
    """One superuser's connection to each database, opened when first needed."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._connections: dict[str, psycopg.AsyncConnection[tuple[Any, ...]]] = {}
        self._catalogues: dict[str, Catalogue] = {}
        self._lock = asyncio.Lock()

    async def prepare(self, database: str) -> None:
        """Make a database look like DSQL's."""
        await self._run("postgres", bootstrap.ROLES)
        await self._run(database, bootstrap.DATABASE)

    async def close(self) -> None:
        """Close all of its connections."""
        for connection in self._connections.values():
            await connection.close()
        self._connections.clear()

    def catalogue(self, database: str) -> Catalogue:
        """The one catalogue of a database."""
        return self._catalogues.setdefault(database, Catalogue())

    async def read_catalogue(self, database: str) -> None:
        """Make a database's catalogue fresh."""
        catalogue = self.catalogue(database)
        if catalogue.fresh:
            return
        rows = await self._run(database, bootstrap.TABLES)
        catalogue.replace(
            [Table(schema, name, tuple(key), types or {}, indexes) for schema, name, key, types, indexes in rows]
        )

    async def role_refusal(self, database: str, user: str, principal: Principal) -> Refusal | None:
        """Why a principal may not be that database role."""
        if user == ADMIN:
            return None
        rows = await self._run(database, bootstrap.ADMISSION, (principal.arn, user))
        if not rows or not rows[0][0]:
            return refusals.access_denied(f"Role {user} does not exist or may not log in")
        return None if rows[0][1] else refusals.access_denied(f"Role {user} is not mapped to {principal.arn}")

    async def databases(self) -> list[str]:
        """All that can be connected to."""
        rows = await self._run("postgres", "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")
        return [row[0] for row in rows]

    async def create_database(self, name: str) -> None:
        """Another database, which DSQL would not have. Raises `TargetError`."""
        await self._run("postgres", f"CREATE DATABASE {_quoted(name)} TEMPLATE template0")
        await self.prepare(name)

    async def drop_database(self, name: str) -> None:
        """Drop it with all sessions in it."""
        connection = self._connections.pop(name, None)
        if connection is not None:
            await connection.close()
        self._catalogues.pop(name, None)
        await self._run("postgres", f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    async def _run(self, database: str, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        import psycopg

        async with self._lock:
            try:
                connection = self._connections.get(database)
                if connection is None or connection.closed:
                    connection = await psycopg.AsyncConnection.connect(self._postgres.dsn(database), autocommit=True)
                    self._connections[database] = connection
                cursor = await connection.execute(sql, values or None)
                return await cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                raise TargetError(
                    f"the double's own query to database {database} failed: {str(error).strip()}",
                    hint=f"PostgreSQL's log is {self._postgres.log_path}",
                ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
