"""`auroral-schema` against the double of DSQL: asynchronous indexes, mappings, conflicts, kills and lost answers."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from auroral.local.binaries import SCHEMA, obtain_binaries
from auroral.local.double.client import Control, Credentials
from auroral.local.double.server import Announcement
from tests.support.double import environment_of, running_double

SERVER_ARN = "arn:aws:iam::123456789012:role/temporal"
OPERATOR_ARN = "arn:aws:iam::123456789012:role/operator"
ROLES = ["roles", "--server-arn", SERVER_ARN, "--operator-arn", OPERATOR_ARN]
DONE, CHECK, UNREACHABLE = 0, 1, 3


@dataclass(frozen=True)
class Database:
    """One database of the double, and the command that keeps its schema."""

    executable: Path
    environment: Mapping[str, str]
    control: Control
    direct_url: str

    def start(self, *arguments: str, as_role: tuple[str, Credentials] | None = None) -> subprocess.Popen[str]:
        environment = dict(self.environment)
        if as_role is not None:
            role, credentials = as_role
            environment["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
            environment["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
            arguments = (*arguments, "--user", role)
        return subprocess.Popen(
            [self.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, as_role: tuple[str, Credentials] | None = None, status: int = DONE
    ) -> tuple[str, str]:
        """What the command said on standard output and error."""
        with self.start(*arguments, as_role=as_role) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == status, out + err
        return out, err

    def status(self, *, expected: int) -> dict[str, Any]:
        out, _ = self.run("status", "--json", status=expected)
        found: dict[str, Any] = json.loads(out)
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL itself, behind the double's back."""
        with psycopg.connect(self.direct_url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def columns(self) -> list[tuple[Any, ...]]:
        return self.query(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity "
            "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
        )

    def indexes(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")


@pytest.fixture(scope="module")
def double() -> Iterator[tuple[Announcement, Control]]:
    with running_double() as one:
        yield one


@pytest.fixture(scope="module")
def executable() -> Path:
    return asyncio.run(obtain_binaries([SCHEMA], report=print))[SCHEMA]


@pytest.fixture
def database(
    double: tuple[Announcement, Control], executable: Path, request: pytest.FixtureRequest
) -> Iterator[Database]:
    announcement, control = double
    name = "t_" + re.sub(r"\W", "_", request.node.name.lower())
    control.create_database(name)
    direct_url = announcement.postgres_url.replace("/postgres?", f"/{name}?")
    yield Database(executable, environment_of(announcement, name), control, direct_url)
    control.change(conflict_rate=0.0, index_build_s=0.0)
    control.drop_database(name)


def make_1_18(database: Database) -> None:
    """What a set-up by the release before made: this one's statements without those of 1.19."""
    printed, _ = database.run("setup", "--dry-run")
    older = re.sub(r"CREATE TABLE current_chasm_executions \(.*?\n\);\n", "", printed, flags=re.DOTALL)
    assert older != printed
    for statement in older.replace("1.19", "1.18").replace("INDEX ASYNC", "INDEX").split(";\n"):
        database.query("SET ROLE admin;" + statement)


@pytest.mark.whole
def test_a_set_up_waits_for_its_indexes_and_stands_conflicts(database: Database) -> None:
    database.control.change(conflict_rate=0.25, conflict_seed=7, index_build_s=1.5)
    _, said = database.run("setup")
    assert "waiting for indexes: cm_idx_lasthb" in said
    assert "conflict" in said
    assert database.query("SELECT count(*) FROM sys.jobs WHERE status = 'completed'") == [(5,)]
    found = database.status(expected=CHECK)
    assert (found["installed_version"], found["pending_steps"], found["differences"]) == ("1.19", [], [])
    assert (found["invalid_indexes"], found["key_type_problems"]) == ([], [])
    before = database.columns(), database.indexes()
    assert "there already" in database.run("setup")[1]
    assert (database.columns(), database.indexes()) == before


def test_a_killed_set_up_goes_on(database: Database) -> None:
    """The statements themselves are killed one by one in Go; here the process is, after some lines of its progress."""
    database.control.change(index_build_s=1.0)
    kills = 0
    for lines in (1, 2, 3, 10, 20, 20):
        with database.start("setup") as process:
            assert process.stderr is not None
            heard = 0
            for line in process.stderr:
                heard += "there already" not in line
                if heard > lines:
                    process.kill()
                    kills += 1
                    break
            process.stderr.close()
    assert kills >= 4
    database.run("setup")
    found = database.status(expected=CHECK)
    assert (found["installed_version"], found["differences"], found["invalid_indexes"]) == ("1.19", [], [])
    assert database.query("SELECT count(*) FROM schema_update_history") == [(1,)]


def test_a_lost_answer_is_found_out_by_the_next_run(database: Database) -> None:
    """The commit happens, and the command is not told: it must not guess."""
    runs = 0
    while True:
        runs += 1
        assert runs < 200
        database.control.cut_next_commits(1)
        with database.start("setup") as process:
            _, said = process.communicate(timeout=120)
        if process.returncode == DONE:
            break
        assert process.returncode == UNREACHABLE, said
    database.control.cut_next_commits(0)
    assert runs > 4
    database.run("setup")
    assert database.query("SELECT old_version, new_version FROM schema_update_history") == [("0", "1.19")]
    assert database.query("SELECT partition_id, notification_version FROM namespace_metadata") == [(54321, 1)]


def test_roles_let_in_whom_they_map(database: Database) -> None:
    server = ("temporal_server", database.control.add_principal(SERVER_ARN, ["DbConnect"]))
    operator = ("temporal_operator", database.control.add_principal(OPERATOR_ARN, ["DbConnect"]))
    _, said = database.run(*ROLES, status=CHECK)
    assert "setup" in said
    database.run("setup")
    _, said = database.run("status", as_role=server, status=UNREACHABLE)
    assert "auroral-schema roles" in said
    database.run("roles")
    database.run("status", as_role=server, status=UNREACHABLE)
    assert "mapped to no IAM principal" in database.status(expected=CHECK)["missing_access"][0]
    _, said = database.run(*ROLES)
    assert f"AWS IAM GRANT temporal_server TO '{SERVER_ARN}'" in said
    assert "done: 0 statements" in database.run(*ROLES)[1]
    assert database.status(expected=DONE)["ok"] is True
    for role in (server, operator):
        assert "complete" in database.run("status", as_role=role)[0]
    _, said = database.run("roles", "--server-arn", OPERATOR_ARN, as_role=server, status=CHECK)
    assert "AWS IAM GRANT temporal_server" in said


def test_an_update_equals_a_set_up_and_grants_what_is_new(database: Database) -> None:
    database.run("setup")
    fresh = database.columns(), database.indexes()
    database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION admin")
    make_1_18(database)
    database.run(*ROLES, status=CHECK)  # before an update it would grant on tables that are not there yet
    if not database.query("SELECT 1 FROM pg_roles WHERE rolname = 'temporal_server'"):  # roles are of all databases
        database.query("CREATE ROLE temporal_server LOGIN")
    found = database.status(expected=CHECK)
    assert found["installed_version"] == "1.18"
    assert "create table current_chasm_executions" in found["pending_steps"]
    _, said = database.run("update")
    assert "create table current_chasm_executions" in said
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO temporal_server" in said
    assert (database.columns(), database.indexes()) == fresh
    assert database.query(
        "SELECT old_version, new_version, manifest_md5 <> '' FROM schema_update_history ORDER BY update_time"
    ) == [
        ("0", "1.18", False),
        ("1.18", "1.19", True),
    ]
    database.run(*ROLES)
    assert database.status(expected=DONE)["ok"] is True


def test_what_is_refused_changes_nothing(database: Database) -> None:
    _, said = database.run("update", status=CHECK)
    assert "run auroral-schema setup" in said
    make_1_18(database)
    _, said = database.run("setup", status=CHECK)
    assert "run auroral-schema update" in said
    for version, words in {"1.20": "newer release", "1.15": "updates begin at 1.16"}.items():
        database.query(f"UPDATE schema_version SET curr_version = '{version}'")
        for command in ("update", "setup", "status"):
            _, said = database.run(command, status=CHECK)
            assert words in said
    assert ("current_chasm_executions",) not in database.query("SELECT tablename FROM pg_tables")


@pytest.mark.slow
def test_the_fence_of_the_setting_is_tried(database: Database) -> None:
    before = database.query("SELECT count(*) FROM pg_tables")
    out, said = database.run("verify-fence")
    assert "for-update: holds" in out
    assert "for-update: " in said
    assert database.query("SELECT count(*) FROM pg_tables") == before
