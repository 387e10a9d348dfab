"""PostgreSQL on this machine: started, restarted, killed, and never left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from auroral.errors import TargetError
from auroral.local.postgres import Postgres
from tests.local.query import one


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
