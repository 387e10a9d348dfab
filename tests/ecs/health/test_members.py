"""Rows of the ring, read here in a double of DSQL, or by a task in the double of ECS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from auroral import marked
from auroral.ecs.health import members
from auroral.errors import TargetError, UsageError
from tests.dsql.running import Cluster
from tests.support.double import running_double
from tests.support.fake_ecs import FakeAws, Outcome, Run
from tests.support.observed import deployed, row


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


async def test_here(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    await running_cluster.make_membership()
    running_cluster.add_hosts(0, 30, 4_000)
    found = await asyncio.to_thread(members.here, running_cluster.target)
    assert sorted(round(one.silent_s, -1) for one in found.rows) == [0, 30, 4_000]
    assert {one.address for one in found.rows} == {"10.0.0.0:6933", "10.0.0.1:6933", "10.0.0.2:6933"}
    running_cluster.clean()


def _listed(*silent_s: float, rows: int | None = None) -> str:
    import msgspec

    made = [msgspec.to_builtins(row(f"10.0.0.{n}", silent_s=seconds)) for n, seconds in enumerate(silent_s)]
    count = len(made) if rows is None else rows
    return json.dumps({"rows": count, "heard": made[:1], "silent": made[1:], "endpoint": "x"}, indent=2)


def _aws(text: str, exit_code: int = 0) -> tuple[FakeAws, list[Run]]:
    aws, runs = deployed(settled=False), []

    def program(run: Run) -> Outcome:
        runs.append(run)
        lines = [line for text_line in text.splitlines() for line in marked.marked(marked.OUT, text_line)]
        return Outcome(lines=[(1.0, line) for line in [*lines, marked.end(exit_code)]], exit_code=exit_code)

    aws.program("dev-operator", program)
    return aws, runs


def _read(aws: FakeAws, said: list[str] | None = None) -> Any:
    said = [] if said is None else said
    return members.in_cluster(aws, aws.fleet, said.append, sleep=aws.clock.sleep, now_s=aws.clock.now_s)


def test_by_a_task() -> None:
    aws, runs = _aws(_listed(3, 90, 400))
    said: list[str] = []
    assert [one.silent_s for one in _read(aws, said).rows] == [3, 90, 400]
    assert runs[0].command == ("cluster", "clean-membership", "--list")
    assert any("is task" in line for line in said)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (_listed(3, 90, rows=7), 0, "listed 2 of 7 rows"),
        ("no JSON", 0, "cannot be read"),
        ("", 0, "printed nothing"),
        (_listed(), 3, "ended with 3"),
    ],
)
def test_a_task_that_does_not_tell(text: str, code: int, says: str) -> None:
    aws, _ = _aws(text, code)
    with pytest.raises(TargetError, match=says):
        _read(aws)


def test_without_outputs_no_task_is_known() -> None:
    import msgspec

    aws = deployed(settled=False)
    aws.fleet = msgspec.structs.replace(aws.fleet, contract=None)
    with pytest.raises(UsageError, match="known from a deployment's outputs alone"):
        _read(aws)
