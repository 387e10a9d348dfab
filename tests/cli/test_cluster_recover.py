"""`auroral cluster recover` as a user runs it, on a deployment whose history crash-loops."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auroral.dsql.errors import UnreachableError
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.operation import BEGUN, INTERRUPTED, Operation, set_mark
from auroral.ecs.rollout import conduct
from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended, Terminal
from tests.support.fake_ecs import door, outputs
from tests.support.recoveries import Recoveries
from tests.support.rollouts import CONTRACT, VirtualClock


@dataclass
class Operated:
    """The deployment, and the command on it."""

    recoveries: Recoveries
    cli: Cli
    path: Path

    def __call__(self, *words: str, named: bool = False, **more: Any) -> Ended:
        """`operated("--yes")` with its outputs, or by the cluster's name."""
        which = ("--cluster", "dev") if named else ("--outputs", str(self.path))
        return self.cli("cluster", "recover", *which, "--where", "here", *words, **more)

    def mark(self, operation: Operation) -> None:
        call = set_mark(self.recoveries.site.seen().arn, operation)
        self.recoveries.aws.call(call.service, call.operation, **call.arguments)


@pytest.fixture
def operated(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operated:
    recoveries = Recoveries()
    contract = recoveries.aws.contract(json.loads(CONTRACT.read_text()))
    for key, one in contract["services"].items():
        one["planned_count"] = recoveries.site.fleet.services[key].planned
    path = tmp_path / "outputs.json"
    path.write_text(outputs(contract))
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)
    monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: recoveries.aws)
    monkeypatch.setattr(conduct, "Clock", lambda: VirtualClock(recoveries.clock))
    monkeypatch.setattr("auroral.ecs.recovery.rows.RingHere", lambda target: recoveries.table)
    return Operated(recoveries, cli, path)


@pytest.fixture
def looping(operated: Operated) -> Operated:
    operated.recoveries.loop()
    operated.recoveries.table.put("10.8.8.8", silent_s=5)
    return operated


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", Terminal(text))


def test_it_says_what_it_saw_and_recovers(looping: Operated) -> None:
    ended = looping("--yes")
    assert ended.code == ExitCode.OK, ended.err
    looping.recoveries.whole()
    told = ended.err.splitlines()
    assert told[0] == "dev is in a crash loop:"
    assert told[1].startswith("  history: ")
    assert "exit 1" in told[1]
    assert told[2].startswith("  membership: ")
    assert "heard of within 20 s" in told[2]
    assert "  history: 3 → 0 → 3" in told
    assert ended.out.startswith("recover: recovered in ")
    assert ended.out.endswith("6 hosts in the ring, as tasks run\n")


def test_without_evidence_it_says_so_and_does_nothing(operated: Operated) -> None:
    operated.recoveries.settle()
    ended = operated("--yes")
    assert ended.code == ExitCode.USAGE
    assert "error: nothing says that dev is in a crash loop" in ended.err
    assert f"`auroral cluster status --outputs {operated.path}" in ended.err
    assert "--anyway" in ended.err
    assert not operated.recoveries.aws.changes()
    assert operated("--yes", "--anyway").code == ExitCode.OK
    operated.recoveries.whole()


def test_a_loop_that_the_ring_does_not_explain_is_no_evidence(looping: Operated) -> None:
    looping.recoveries.table.hosts.clear()
    looping.recoveries.table.step = lambda: None  # type: ignore[method-assign]
    looping.recoveries.table._beat = lambda host: None  # type: ignore[method-assign]
    ended = looping("--yes")
    assert ended.code == ExitCode.USAGE
    assert "tasks of history stop again and again, and nothing says that their ring is why" in ended.err
    assert not looping.recoveries.aws.changes()


def test_lines_of_servers_without_a_ring_are_evidence(looping: Operated) -> None:
    table, aws = looping.recoveries.table, looping.recoveries.aws
    for host in list(table.hosts.values()):
        if host.address in ("10.8.8.8", "10.9.9.9"):
            del table.hosts[host.id]
    group = looping.recoveries.site.fleet.services["history"].log_group
    aws.world.logs.write(group, "history/history/1", '{"msg":"unable to bootstrap ringpop. retrying"}')
    looping.recoveries.clock.advance(5)
    ended = looping("--dry-run")
    assert "  log: lines of servers that cannot join the ring (history 1): " in ended.err


def test_it_asks_once(looping: Operated, answer: Callable[[str], None]) -> None:
    answer("n\n")
    ended = looping()
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert ended.err.endswith("error: not confirmed: nothing was changed\n")
    assert "delete the ring's rows, and start it again? [y/N]" in ended.err
    assert not looping.recoveries.aws.changes()
    answer("y\n")
    assert looping().code == ExitCode.OK
    looping.recoveries.whole()


def test_nobody_to_ask(looping: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ended = looping()
    assert ended.code == ExitCode.USAGE
    assert "would be stopped, and nobody is here to confirm it" in ended.err
    assert not looping.recoveries.aws.changes()


def test_a_dry_run_prints_all_calls_and_the_sql(looping: Operated) -> None:
    ended = looping("--dry-run")
    assert ended.code == ExitCode.OK, ended.err
    assert not looping.recoveries.aws.changes()
    lines = ended.out.splitlines()
    assert [line for line in lines if line.startswith("# ") and " of 3, " in line] == [
        "# 1 of 3, down: Temporal's services stop",
        "# 2 of 3, clean: rows of hosts that are gone are deleted",
        "# 3 of 3, up: Temporal's services start",
    ]
    calls = [line.split("ecs ")[1].split()[0] for line in lines if line.startswith("aws ")]
    update, tag = "update-service", "tag-resource"
    assert calls == [tag, *[update] * 4, tag, tag, *[update] * 4, "untag-resource"]
    assert any("DELETE FROM cluster_membership" in line for line in lines)
    assert "--service dev-history --desired-count 3" in ended.out


def test_interrupted_it_ends_with_4_and_goes_on(looping: Operated) -> None:
    clock = looping.recoveries.clock
    clock.interrupt_at(clock.elapsed_s + 70)
    ended = looping("--yes", "--timeout", "20m")
    assert ended.code == ExitCode.INTERRUPTED
    assert "interrupted in " in ended.err
    assert f"go on: auroral cluster recover --outputs {looping.path} --where here --timeout" in ended.err
    again = looping("--yes")
    assert again.code == ExitCode.OK, again.err
    assert "going on with the recovery of 2026-11-26 08:" in again.err
    assert "in its phase " in again.err
    looping.recoveries.whole()


def test_a_token_that_expires_leaves_a_mark_that_is_taken_over(looping: Operated) -> None:
    aws, clock = looping.recoveries.aws, looping.recoveries.clock
    aws.faults.expire(clock.elapsed_s + 60)
    ended = looping("--yes")
    assert ended.code == ExitCode.UNREACHABLE
    assert "renew the credentials, then go on: auroral cluster recover" in ended.err
    assert ended.err.rstrip().endswith("--where here --take-over")
    aws.faults.clear()
    assert looping("--yes").code == ExitCode.USAGE
    again = looping("--yes", "--take-over")
    assert again.code == ExitCode.OK, again.err
    assert "in its phase " in again.err
    looping.recoveries.whole()


def test_a_phase_up_asks_nothing(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    facts = {"phase": "up", "history": "2"}
    operated.mark(Operation(name="recover", state=INTERRUPTED, at=operated.recoveries.clock.utc(), facts=facts))
    ended = operated()
    assert ended.code == ExitCode.OK, ended.err
    assert operated.recoveries.site.running()["history"] == 2


def test_from_the_start_after_all(operated: Operated) -> None:
    operated.recoveries.settle()
    facts = {"phase": "up", "history": "2"}
    operated.mark(Operation(name="recover", state=INTERRUPTED, at=operated.recoveries.clock.utc(), facts=facts))
    assert operated("--from-start", "--yes").code == ExitCode.USAGE, "nothing says that it is needed"
    ended = operated("--from-start", "--yes", "--anyway")
    assert ended.code == ExitCode.OK, ended.err
    assert "1 of 3, down" in ended.err
    assert operated.recoveries.site.running()["history"] == 2


def test_another_operation_keeps_it_out(looping: Operated) -> None:
    looping.mark(Operation(name="roll", state=BEGUN, at=looping.recoveries.clock.utc(), facts={"by": "joe"}))
    ended = looping("--yes")
    assert ended.code == ExitCode.USAGE
    assert "`auroral cluster roll` by joe has been under way" in ended.err
    taken = looping("--yes", "--take-over")
    assert taken.code == ExitCode.OK, taken.err


def test_a_database_that_cannot_be_reached_stops_nothing(looping: Operated) -> None:
    looping.recoveries.table.failures = [UnreachableError("no route", hint="see the security group")]
    ended = looping("--yes")
    assert ended.code == ExitCode.UNREACHABLE
    assert "no route" in ended.err
    assert not looping.recoveries.aws.changes()


def test_counts_that_overrun_the_database_stop_nothing(looping: Operated) -> None:
    ended = looping("--yes", "--count", "history=40")
    assert ended.code == ExitCode.FAILED
    assert "DSQL's limits would be overrun" in ended.err
    assert not looping.recoveries.aws.changes()


ENDPOINT = {"DSQL_ENDPOINT": "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"}


def test_by_names_alone(operated: Operated) -> None:
    operated.recoveries.settle()
    for key in TEMPORAL:
        container = operated.recoveries.aws.world.definitions.find(f"dev-{key}").container
        assert isinstance(container, dict)
        container["environment"] = []
    nameless = operated("--yes", "--anyway", named=True)
    assert nameless.code == ExitCode.USAGE
    assert "no task definition names the DSQL cluster" in nameless.err
    ended = operated("--yes", "--anyway", named=True, environ=ENDPOINT)
    assert ended.code == ExitCode.OK, ended.err
    operated.recoveries.whole()


def test_by_names_alone_counts_of_what_is_at_0_are_asked_for(operated: Operated) -> None:
    operated.recoveries.aws.world.monitoring.targets.clear()
    ended = operated("--yes", "--anyway", named=True, environ=ENDPOINT)
    assert ended.code == ExitCode.USAGE
    assert "nobody knows how many tasks frontend, history, matching, worker had" in ended.err
    assert "--count frontend=N" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--count", "history"), "expected SERVICE=N"),
        (("--count", "histroy=4"), "the deployment has no service 'histroy'"),
        (("--count", "ui=1"), "recover starts frontend, history, matching, worker only"),
        (("--count", "history=0"), "expected at least one task"),
        (("--timeout", "0s"), "--timeout: expected more than 0"),
        (("--where", "there"), "Invalid value for '--where'"),
        (("--cluster", "dev"), "expected one of --outputs, --stack and --cluster"),
    ],
)
def test_wrong_usage(operated: Operated, words: tuple[str, ...], says: str) -> None:
    ended = operated(*words)
    assert ended.code == ExitCode.USAGE
    assert says in ended.err
    assert not operated.recoveries.aws.changes()


def test_a_task_needs_outputs(operated: Operated) -> None:
    operated.recoveries.settle()
    ended = operated("--where", "cluster", named=True)
    assert ended.code == ExitCode.USAGE
    assert "--where cluster runs a task that only a deployment's outputs name" in ended.err


def test_by_a_task_a_dry_run_starts_none(looping: Operated) -> None:
    ended = looping("--where", "cluster", "--dry-run")
    assert ended.code == ExitCode.OK, ended.err
    assert "#   auroral cluster clean-membership --older-than 20s --list" in ended.out
    assert not looping.recoveries.aws.changes()


def test_where_nothing_answers_here_it_is_a_task(looping: Operated) -> None:
    looping.recoveries.aws.program("dev-operator", lambda run: pytest.fail("a dry run starts no task"))
    environ = {"DSQL_HOST_ADDRESS": "127.0.0.1", "DSQL_PORT": "9"}
    ended = looping.cli("cluster", "recover", "--outputs", str(looping.path), "--dry-run", environ=environ)
    assert ended.code == ExitCode.OK, ended.err
    assert "membership: runs as the task operator of the cluster: 127.0.0.1:9 cannot be reached from here" in ended.err
