"""Where PostgreSQL's data lies."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from auroral.local.postgres import Postgres
from auroral.local.postgres_data import sweep
from tests.local.query import one


async def test_where_root_may_go_and_others_may_not(directory: Path) -> None:
    await asyncio.to_thread(directory.chmod, 0o700)
    async with Postgres(directory / "pg", durable=False) as server:
        assert await one(server.dsn(), "SELECT 1") == 1
        elsewhere = server.data_directory
        assert elsewhere.is_relative_to(directory) == (os.geteuid() != 0)
    if os.geteuid() == 0:
        sweep()
        assert elsewhere.exists()
        assert (directory / "pg" / "data.elsewhere").read_text().strip() == str(elsewhere)
        (directory / "pg" / "data.elsewhere").unlink()
        sweep()
        assert not elsewhere.exists()
