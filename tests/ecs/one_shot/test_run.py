"""One of a deployment's tasks, run to its end: as a real process, and where it does not come to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import Account, DryRun
from auroral.aws_calls import Kind
from auroral.deployment import Contract, load_outputs
from auroral.ecs.fleet import Fleet, of_contract
from auroral.ecs.one_shot.run import run_in, run_task
from auroral.errors import ExitCode, TargetError, UsageError
from tests.ecs.one_shot.test_request import CONTRACT, PLACE
from tests.ecs.one_shot.test_tasks import ARN, Cluster, failure
from tests.support.real_task import TaskAccount


@pytest.fixture
def contract() -> Contract:
    found = load_outputs(CONTRACT).contract
    assert found is not None
    return found


def test_the_same_output_as_here(contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["bench", "config", "--json"]
    here = subprocess.run(
        [sys.executable, "-m", "auroral", *command], capture_output=True, check=True, text=True, timeout=60
    )
    account, out, err = TaskAccount({}), list[str](), list[str]()
    code = run_task(
        account, contract, "operator", command, out=out.append, err=err.append, sleep=account.sleep, now_s=account.now
    )
    assert code is ExitCode.OK
    assert "".join(f"{line}\n" for line in out) == here.stdout
    assert err[0] == "auroral bench config is task t1 of cluster dev"
    assert err[1:] == ["task t1: pending", "task t1: running", "task t1: stopped"]


def test_what_it_says_of_errors_and_its_status(contract: Contract) -> None:
    account, out, err = TaskAccount({}), list[str](), list[str]()
    code = run_task(
        account,
        of_contract(contract),
        "operator",
        ["dsql", "probe", "--rate", "fast"],
        out=out.append,
        err=err.append,
        sleep=account.sleep,
        now_s=account.now,
    )
    assert (code, out) == (ExitCode.USAGE, [])
    assert any(line.startswith("error: --rate: expected a rate") for line in err)


def run(
    account: Account, cluster: Cluster, key: str = "schema", **more: Any
) -> tuple[ExitCode | None, list[str], list[str]]:
    out: list[str] = []
    err: list[str] = []
    try:
        code = run_in(
            account,
            PLACE,
            key,
            ["status", "--json"],
            out=out.append,
            err=err.append,
            sleep=cluster.sleep,
            now_s=cluster.now,
            **more,
        )
    except KeyboardInterrupt:
        return None, out, err
    return code, out, err


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("schema", "auroral-schema status"),
        ("visibility", "auroral status"),
        ("operator", "auroral status"),
    ],
)
def test_every_program_is_told_to_mark_its_lines(key: str, what: str) -> None:
    lines = tuple((0.0, line) for line in ("@2>looking", '@1>{"ok": false}', "@2>2 tables missing", "@.1"))
    cluster = Cluster((0, "STOPPED"), exit_code=1, lines=lines)
    code, out, err = run(cluster, cluster, key)
    assert (code, out) == (ExitCode.FAILED, ['{"ok": false}'])
    assert err[0] == f"{what} is task abc of cluster orders"
    assert [line for line in err[1:] if not line.startswith("task abc")] == ["looking", "2 tables missing"]
    (request,) = cluster.requests
    assert request["overrides"]["containerOverrides"] == [
        {
            "name": "schema",
            "command": ["status", "--json"],
            "environment": [{"name": "AURORAL_OUTPUT", "value": "marked"}],
        }
    ]
    assert request["startedBy"].startswith(f"auroral-{key}-")


def interrupting(cluster: Cluster) -> Cluster:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    cluster.sleep = interrupted  # type: ignore[method-assign]
    return cluster


def test_an_interrupt_leaves_the_task_or_stops_it() -> None:
    cluster = interrupting(Cluster((0, "RUNNING")))
    code, _, err = run(cluster, cluster)
    assert (code, cluster.stopped) == (None, "")
    stop = f"aws --region eu-west-1 ecs stop-task --cluster orders --task {ARN}"
    assert err[-1] == f"interrupted; task abc goes on. Stop it: {stop}"
    code, _, err = run(cluster, cluster, stop_on_interrupt=True)
    assert (code, cluster.stopped) == (None, "interrupted by the user of auroral")
    assert "was told to stop" in err[-1]
    cluster.broken["stop_task"] = [(0, 1, failure(Kind.EXPIRED))]
    assert "goes on, as it could not be stopped: x:Y failed" in run(cluster, cluster, stop_on_interrupt=True)[2][-1]


def test_an_interrupt_while_it_is_started_says_how_to_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster((0, "RUNNING"))

    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "_run_task", interrupted)
    code, _, err = run(cluster, cluster)
    assert code is None
    assert "aws ecs list-tasks --region eu-west-1 --cluster orders --started-by auroral-schema-" in err[-1]


def test_a_dry_run_says_the_call() -> None:
    cluster, said = Cluster(), list[str]()
    assert run(DryRun(cluster, said.append), cluster) == (ExitCode.OK, [], [])
    assert "run-task" in said[0]
    assert cluster.requests == []


def test_a_fleet_without_outputs_knows_no_tasks() -> None:
    with pytest.raises(UsageError, match="known from a deployment's outputs alone"):
        run_task(
            Cluster(),
            Fleet(cluster="x", region="y", services={}),
            "operator",
            [],
            out=lambda _: None,
            err=lambda _: None,
        )


def test_no_room_at_all() -> None:
    cluster = Cluster()
    cluster.failures = [{"reason": "RESOURCE:MEMORY"}]
    with pytest.raises(TargetError, match="RESOURCE:MEMORY"):
        run(cluster, cluster)
