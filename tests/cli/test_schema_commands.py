"""`auroral schema` with the real auroral-schema on the double of DSQL, and as a task of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from auroral import aws_account
from auroral.ecs.run_task import run_in
from auroral.errors import ExitCode
from tests.cli.conftest import Cli
from tests.ecs.test_tasks import ARN, Cluster
from tests.support.double import environment_of, running_double

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


GIVEN = (
    "--where", "cluster", "--cluster", "orders", "--task-definition", "orders-schema", "--subnet", "subnet-1",
    "--security-group", "sg-1", "--region", "eu-west-1",
)  # fmt: skip


@pytest.fixture
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the commands meet this ECS."""

    def put(cluster: Cluster) -> None:
        monkeypatch.setattr(aws_account, "AwsAccount", lambda **_: cluster)
        clock = {"sleep": cluster.sleep, "now_s": cluster.now}
        monkeypatch.setattr(run_in, "__kwdefaults__", {**(run_in.__kwdefaults__ or {}), **clock})

    return put


def test_in_the_cluster(cli: Cli, in_cluster: Any) -> None:
    cluster = Cluster((0, "PENDING"), (10, "RUNNING"), (20, "STOPPED"), exit_code=1, lines=((12, "2 tables missing"),))
    in_cluster(cluster)
    ended = cli("schema", "status", *GIVEN, "--", "--json")
    assert (ended.code, ended.out) == (ExitCode.FAILED, "2 tables missing\n")
    assert "auroral-schema status is task abc of cluster orders" in ended.err
    (request,) = cluster.requests
    assert request["overrides"]["containerOverrides"] == [{"name": "schema", "command": ["status", "--json"]}]


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
