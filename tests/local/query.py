"""Ask a PostgreSQL for one value."""

from __future__ import annotations

import psycopg


async def one(dsn: str, query: str) -> object:
    """The first column of the first row."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return row[0]
