"""`auroral schema` with the real auroral-schema on the double of DSQL, and as a task of a cluster."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral import aws_account
from auroral.ecs.one_shot.run import run_in
from auroral.errors import ExitCode
from auroral.local.binaries import SCHEMA, obtain_binaries
from tests.cli.conftest import Cli
from tests.ecs.one_shot.test_tasks import ARN, Cluster
from tests.support.double import environment_of, running_double
from tests.support.real_task import TaskAccount

SERVER_ARN = "arn:aws:iam::123456789012:role/temporal"


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    with running_double() as (double, _):
        yield environment_of(double)


@pytest.mark.timeout(600)  # of which a first build of the programs may take most
def test_from_an_empty_database_to_roles(cli: Cli, database: dict[str, str]) -> None:
    pending = cli("schema", "status", environ=database)
    assert pending.code == ExitCode.FAILED
    made = cli("schema", "setup", environ=database)
    assert made.code == ExitCode.OK, made.err
    assert "done: schema" in made.err
    roles = cli("schema", "roles", "--", "--server-arn", SERVER_ARN, environ=database)
    assert roles.code == ExitCode.OK, roles.err
    status = cli("schema", "status", "--", "--json", "--server-arn", SERVER_ARN, environ=database)
    assert json.loads(status.out)["ok"] is False  # the operator's role is mapped to nobody yet
    assert cli("schema", "update", environ=database).code == ExitCode.OK


def test_a_database_that_is_not_there(cli: Cli, database: dict[str, str]) -> None:
    ended = cli("schema", "status", "--port", "1", environ=database)
    assert ended.code == ExitCode.UNREACHABLE
    assert "cannot connect to" in ended.err


@pytest.fixture(scope="module")
def program() -> list[str]:
    """auroral-schema, as it is built here."""
    return [str(asyncio.run(obtain_binaries([SCHEMA], report=print))[SCHEMA])]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "arguments",
    [("status", "--", "--json"), ("status", "--", "--no-such-flag"), ("roles", "--", "--dry-run"), ("setup",)],
)
def test_the_same_streams_in_the_cluster_as_here(
    cli: Cli, database: dict[str, str], program: list[str], in_cluster: Any, arguments: tuple[str, ...]
) -> None:
    command, *extra = arguments
    assert cli("schema", "setup", environ=database).code == ExitCode.OK
    here = cli("schema", command, "--where", "here", *extra, environ=database)
    account = TaskAccount(database, program=program)
    in_cluster(account)
    given = ["dev-schema" if one == "orders-schema" else one for one in GIVEN]
    there = cli("schema", command, *given, *extra)
    assert (there.code, there.out) == (here.code, here.out)
    told = [line for line in there.err.splitlines() if not line.startswith("task t1: ")]
    assert told == [f"auroral-schema {command} is task t1 of cluster orders", *here.err.splitlines()]


@pytest.mark.timeout(600)
def test_what_is_marked_is_marked_once(database: dict[str, str], tmp_path: Path) -> None:
    """auroral in a task runs auroral-schema there."""
    environ = {**database, "AURORAL_OUTPUT": "marked"}
    arguments = ["schema", "status", "--where", "here", "--", "--json"]
    command = [sys.executable, "-m", "auroral", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False, timeout=300, text=True)
    lines = ended.stdout.splitlines()
    document = "".join(line.removeprefix("@1>") for line in lines if line.startswith("@1>"))
    assert json.loads(document).keys() >= {"ok", "installed_version"}
    assert lines[-1] == f"@.{ended.returncode}"
    assert not any("@1>" in line[1:] or "@2>" in line[1:] for line in lines)


GIVEN = (
    "--where", "cluster", "--cluster", "orders", "--task-definition", "orders-schema", "--subnet", "subnet-1",
    "--security-group", "sg-1", "--region", "eu-west-1",
)  # fmt: skip


@pytest.fixture
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the commands meet this ECS."""

    def put(cluster: Cluster | TaskAccount) -> None:
        monkeypatch.setattr(aws_account, "AwsAccount", lambda **_: cluster)
        clock = {"sleep": cluster.sleep, "now_s": cluster.now}
        monkeypatch.setattr(run_in, "__kwdefaults__", {**(run_in.__kwdefaults__ or {}), **clock})

    return put


def test_in_the_cluster(cli: Cli, in_cluster: Any) -> None:
    lines = ((12, "@1>pending: 2"), (12, "@2>auroral-schema: 2 tables missing"), (20, "@.1"))
    cluster = Cluster((0, "PENDING"), (10, "RUNNING"), (20, "STOPPED"), exit_code=1, lines=lines)
    in_cluster(cluster)
    ended = cli("schema", "status", *GIVEN, "--", "--json")
    assert (ended.code, ended.out) == (ExitCode.FAILED, "pending: 2\n")
    assert "auroral-schema status is task abc of cluster orders" in ended.err
    assert "auroral-schema: 2 tables missing" in ended.err.splitlines()
    (request,) = cluster.requests
    (override,) = request["overrides"]["containerOverrides"]
    assert override["command"] == ["status", "--json"]
    assert override["environment"] == [{"name": "AURORAL_OUTPUT", "value": "marked"}]


def test_flags_of_a_task_choose_the_cluster_and_a_dry_run_starts_none(cli: Cli, in_cluster: Any) -> None:
    cluster = Cluster((0, "STOPPED"))
    in_cluster(cluster)
    ended = cli("schema", "update", *GIVEN[2:], "--user", "me", "--dry-run")
    assert (ended.code, ended.err, cluster.requests) == (ExitCode.OK, "", [])
    assert ended.out.startswith("aws --region eu-west-1 ecs run-task --cluster orders")
    assert '"command":["update","--user","me"]' in ended.out


@pytest.mark.parametrize("stop", [False, True])
def test_an_interrupt_leaves_the_task_or_stops_it(cli: Cli, in_cluster: Any, stop: bool) -> None:
    cluster = Cluster((0, "RUNNING"))

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    cluster.sleep = interrupted  # type: ignore[method-assign]
    in_cluster(cluster)
    ended = cli("schema", "setup", *GIVEN, *(("--stop-on-interrupt",) if stop else ()))
    assert ended.code == ExitCode.INTERRUPTED
    assert bool(cluster.stopped) is stop
    words = "told to stop" if stop else f"aws --region eu-west-1 ecs stop-task --cluster orders --task {ARN}"
    assert words in ended.err
