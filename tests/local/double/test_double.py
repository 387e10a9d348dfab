"""The double as a whole: who gets in, faults on command, counters, and its end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
import pytest
from psycopg import errors

from auroral.errors import TargetError, UsageError
from auroral.local.double import token as tokens
from auroral.local.double.server import Announcement, DsqlDouble
from auroral.local.double.settings import DoubleSettings
from tests.local.double.running import Connection, Running

Open = Callable[..., Connection]
ACCOUNT = "arn:aws:iam::123456789012:role"


@pytest.fixture
def role(connection: Connection) -> Any:
    name = f"r_{uuid.uuid4().hex[:10]}"
    connection.execute(f"CREATE ROLE {name} WITH LOGIN".encode())
    yield name
    connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}".encode())
    connection.execute(f"REVOKE ALL ON SCHEMA public FROM {name}".encode())
    connection.execute(f"DROP ROLE {name}".encode())


def signer(double: Running, arn: str, actions: list[str]) -> tokens.Principal:
    made = double.control.add_principal(arn, actions)
    return tokens.Principal(made.arn, frozenset(), made.access_key_id, made.secret_access_key)


def refused(connect: Callable[[], Any]) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        connect()
    return str(caught.value)


class TestWhoGetsIn:
    def test_a_mapped_role_with_its_own_grants(
        self, double: Running, connection: Connection, table: str, role: str
    ) -> None:
        arn = f"{ACCOUNT}/{role}"
        principal = signer(double, arn, ["DbConnect"])

        def connect() -> Connection:
            return double.connect(user=role, password=double.token(principal, action=tokens.CONNECT))

        assert f"HINT:  Role {role} is not mapped to {arn}" in refused(connect)
        assert connection.execute(f"AWS IAM GRANT {role} TO '{arn}'".encode()).statusmessage == "GRANT"
        seen = connection.execute(b"SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = %s", (role,))
        assert seen.fetchall() == [(arn,)]
        with connect() as session:
            with pytest.raises(errors.UndefinedTable):
                session.execute(f"SELECT * FROM {table}".encode())
            connection.execute(f"GRANT USAGE ON SCHEMA public TO {role}".encode())
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(f"SELECT * FROM {table}".encode())
            connection.execute(f"GRANT SELECT ON {table} TO {role}".encode())
            assert session.execute(f"SELECT * FROM {table}".encode()).fetchall() == []
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(f"INSERT INTO {table} VALUES (1)".encode())
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(f"AWS IAM GRANT {role} TO '{arn}x'".encode())
        connection.execute(f"AWS IAM REVOKE {role} FROM '{arn}'".encode())
        assert "is not mapped" in refused(connect)

    def test_admin_needs_its_own_action(self, double: Running) -> None:
        plain = signer(double, f"{ACCOUNT}/plain", ["DbConnect"])
        action = tokens.CONNECT
        assert "Wrong user to action mapping" in refused(
            lambda: double.connect(password=double.token(plain, action=action))
        )
        assert "not authorized to perform: dsql:DbConnectAdmin" in refused(
            lambda: double.connect(password=double.token(plain))
        )
        assert double.control.statistics().refused == {"08006": 2}

    def test_no_such_role_and_no_token(self, double: Running) -> None:
        plain = signer(double, f"{ACCOUNT}/plain", ["DbConnect"])
        token = double.token(plain, action=tokens.CONNECT)
        assert "does not exist" in refused(lambda: double.connect(user="nobody_here", password=token))
        assert "access denied" in refused(lambda: double.connect(password="secret"))

    def test_only_tls_with_a_name_and_the_right_authority(self, double: Running, tmp_path: Path) -> None:
        one = double.announcement
        assert "TLS is required" in refused(lambda: double.connect(sslmode="disable"))
        assert "sni was not received" in refused(lambda: double.connect(host=one.host, sslmode="require"))
        assert "certificate verify failed" in refused(lambda: double.connect(sslrootcert="system"))
        double.control.change(require_tls=False)
        with double.connect(sslmode="disable") as plain:
            assert plain.execute(b"SELECT 1").fetchall() == [(1,)]

    def test_tls_from_the_first_byte(self, double: Running) -> None:
        """As PostgreSQL 17's `sslnegotiation=direct` does it."""
        one = double.announcement
        context = ssl.create_default_context(cafile=one.ca_file)
        with (
            socket.create_connection((one.host, one.port)) as plain,
            context.wrap_socket(plain, server_hostname=one.endpoint) as tls,
        ):
            tls.sendall(b"\0\0\0\x14\0\x03\0\0user\0admin\0\0")
            assert tls.recv(100) == b"R\0\0\0\x08\0\0\0\x03"

    def test_a_missing_database_is_postgresqls_answer(self, double: Running) -> None:
        said = refused(lambda: double.connect(dbname="not_there"))
        assert "not_there" in said


class TestLimits:
    def test_rate_and_burst(self, double: Running, open_connection: Open) -> None:
        double.control.change(connect_burst=0, connect_rate_per_s=0)
        double.control.change(connect_burst=3)
        for _ in range(3):
            open_connection()
        assert "Unable to accept connection, rate exceeded." in refused(double.connect)
        seen = double.control.statistics()
        assert (seen.opened, seen.refused) == (3, {"53400": 1})
        assert [one.outcome for one in seen.openings] == ["open", "open", "open", "53400"]
        assert abs(seen.openings[0].at_s - time.time()) < 60

    def test_the_cap(self, double: Running, open_connection: Open) -> None:
        until(lambda: double.control.statistics().open == 0)
        double.control.change(max_connections=2)
        first = open_connection()
        open_connection()
        assert "too many open connections" in refused(double.connect)
        first.close()
        until(lambda: double.control.statistics().open == 1)
        open_connection()
        seen = double.control.statistics()
        assert (seen.peak, seen.open, seen.open_by_role, seen.refused) == (2, 2, {"admin": 2}, {"53300": 1})

    def test_a_session_ends_with_its_lifetime_but_not_within_a_block(
        self, double: Running, open_connection: Open
    ) -> None:
        idle, busy = open_connection(), open_connection()
        busy.execute(b"BEGIN")
        assert double.control.expire() >= 2
        with pytest.raises(psycopg.OperationalError):
            idle.execute(b"SELECT 1")
        assert busy.execute(b"SELECT 1").fetchall() == [(1,)]
        busy.execute(b"COMMIT")
        until(lambda: double.control.statistics().open == 0)
        with pytest.raises(psycopg.OperationalError):
            busy.execute(b"SELECT 1")
        double.control.change(session_lifetime_s=0.2)
        started_s = time.monotonic()
        open_connection()
        until(lambda: double.control.statistics().open == 0)
        assert time.monotonic() - started_s >= 0.2

    def test_settings_that_make_no_sense_are_refused(self, double: Running) -> None:
        for wrong in ({"conflict_rate": 2.0}, {"max_rows": -1}, {"no_such_setting": 1.0}):
            with pytest.raises(TargetError, match="refused PATCH /settings"):
                double.control.change(**wrong)
        assert double.control.settings().conflict_rate == 0


class TestFaults:
    def test_a_commit_whose_answer_is_lost_has_happened(
        self, double: Running, open_connection: Open, table: str
    ) -> None:
        for at, text in enumerate(("BEGIN", "")):
            double.control.cut_next_commits(1)
            connection = open_connection()
            if text:
                connection.execute(b"BEGIN")
                connection.execute(f"INSERT INTO {table} VALUES (%s)".encode(), (at,))
            with pytest.raises(psycopg.OperationalError):
                connection.execute(b"COMMIT" if text else f"INSERT INTO {table} VALUES ({at})".encode())
            with double.connect() as other:
                assert other.execute(f"SELECT max(id) FROM {table}".encode()).fetchall() == [(at,)]
        assert double.control.statistics().unknown_outcomes == 2

    def test_reads_do_not_use_up_a_commit_to_cut(self, double: Running, connection: Connection, table: str) -> None:
        double.control.cut_next_commits(1)
        connection.execute(b"BEGIN")
        connection.execute(f"SELECT * FROM {table}".encode())
        connection.execute(b"COMMIT")
        with pytest.raises(psycopg.OperationalError):
            connection.execute(f"INSERT INTO {table} VALUES (1)".encode())

    def test_cut_some_idle_or_all(self, double: Running, open_connection: Open, table: str) -> None:
        until(lambda: double.control.statistics().open == 1)  # the one that made the table
        double.control.cut()
        until(lambda: double.control.statistics().open == 0)
        several = [open_connection() for _ in range(4)]
        several[0].execute(b"BEGIN")
        several[0].execute(f"INSERT INTO {table} VALUES (1)".encode())
        assert double.control.cut(count=1, idle_only=True) == 1
        assert [alive(one) for one in several] == [True, False, True, True]
        assert double.control.cut(role="nobody") == 0
        assert double.control.cut() == 3
        assert [alive(one) for one in several] == [False] * 4
        with double.connect() as other:
            assert other.execute(f"SELECT * FROM {table}".encode()).fetchall() == []

    def test_refuse_for_a_while(self, double: Running, connection: Connection) -> None:
        double.control.refuse(60)
        assert "told to refuse" in refused(double.connect)
        assert alive(connection)
        double.control.refuse(0)
        double.connect().close()

    def test_a_stall_holds_every_byte_and_loses_none(self, double: Running, connection: Connection) -> None:
        double.control.stall(60)
        threading.Timer(0.3, double.control.stall, [0]).start()
        started_s = time.monotonic()
        assert connection.execute(b"SELECT 1").fetchall() == [(1,)]
        assert time.monotonic() - started_s >= 0.25

    def test_opening_can_take_longer(self, double: Running, open_connection: Open) -> None:
        double.control.change(connect_latency_s=0.3)
        started_s = time.monotonic()
        open_connection()
        assert time.monotonic() - started_s >= 0.3


class TestDatabases:
    def test_another_database_is_as_the_first(self, double: Running) -> None:
        name = f"d_{uuid.uuid4().hex[:10]}"
        double.control.create_database(name)
        assert name in double.control.databases()
        with double.connect(dbname=name) as session:
            session.execute(b"CREATE TABLE x (id int PRIMARY KEY)")
            session.execute(b"CREATE INDEX ASYNC ON x (id)")
            double.control.drop_database(name)
            assert not alive(session)
        assert name not in double.control.databases()

    def test_what_the_endpoint_does_not_know(self, double: Running) -> None:
        with pytest.raises(TargetError, match="refused POST /databases"):
            double.control.create_database("postgres")
        with pytest.raises(TargetError, match="unknown actions"):
            double.control.add_principal("arn", ["DbConnect", "Fly"])


class TestItsEnd:
    @pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGKILL"])
    def test_nothing_outlives_it(self, how: str, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "auroral.local.double", "--directory", str(tmp_path / "d")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                announced = msgspec.json.decode(process.stdout.readline(), type=Announcement)
                family = psutil.Process(process.pid).children(recursive=True)
                assert any(one.name() == "postgres" for one in family)
                if how == "stdin":
                    process.stdin.close()
                else:
                    process.send_signal(getattr(signal, how))
                code = process.wait(30)
            finally:
                process.kill()
        assert code == (0 if how != "SIGKILL" else -signal.SIGKILL)
        _, left = psutil.wait_procs(family, timeout=30)
        assert left == []
        assert Path(announced.postgres_socket).exists() == (how == "SIGKILL")
        shutil.rmtree(announced.postgres_socket, ignore_errors=True)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((announced.host, announced.port))

    def test_a_directory_keeps_its_cluster(self, tmp_path: Path) -> None:
        seen = []
        for _ in range(2):
            command = [sys.executable, "-m", "auroral.local.double", "--directory", str(tmp_path)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                seen.append(msgspec.json.decode(process.stdout.readline(), type=Announcement).endpoint)
                process.terminate()
        assert seen[0] == seen[1]

    def test_a_port_that_is_taken(self, double: Running) -> None:
        command = [sys.executable, "-m", "auroral.local.double", "--port", str(double.announcement.port)]
        ran = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 3
        assert "cannot listen" in ran.stderr
        assert "hint: give another --port" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_settings_that_are_wrong_end_it_with_usage(self) -> None:
        command = [sys.executable, "-m", "auroral.local.double", "--settings", '{"conflict_rate": 3}']
        ran = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 2
        assert "conflict_rate" in ran.stderr


async def test_in_this_process() -> None:
    async with DsqlDouble(settings=DoubleSettings(max_rows=1)) as double:
        server = double.add_principal(f"{ACCOUNT}/server", ["dsql:DbConnect"])
        with pytest.raises(UsageError):
            double.add_principal(f"{ACCOUNT}/x", ["Fly"])
        connection = await connect_to(double, "admin", double.token(double.admin, admin=True))
        async with connection:
            await connection.execute(b"CREATE TABLE x (id int PRIMARY KEY)")
            await connection.execute(b"CREATE ROLE server LOGIN")
            await connection.execute(f"AWS IAM GRANT server TO '{server.arn}'".encode())
            with pytest.raises(errors.ProgramLimitExceeded):
                await connection.execute(b"INSERT INTO x VALUES (1), (2)")
        async with await connect_to(double, "server", double.token(server)) as connection:
            assert await (await connection.execute(b"SELECT current_user")).fetchall() == [("server",)]
        assert double.snapshot().opened == 2
        assert await asyncio.to_thread(double.ca_file.exists)
    assert not await asyncio.to_thread(double.ca_file.exists)


async def connect_to(double: DsqlDouble, user: str, token: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    return await psycopg.AsyncConnection.connect(
        host=double.endpoint.host,
        hostaddr="127.0.0.1",
        port=double.port,
        user=user,
        dbname="postgres",
        password=token,
        sslmode="verify-full",
        sslrootcert=str(double.ca_file),
        autocommit=True,
    )


def alive(connection: Connection) -> bool:
    try:
        connection.execute(b"SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for something that another process is about to see."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to hold"
        time.sleep(0.005)
