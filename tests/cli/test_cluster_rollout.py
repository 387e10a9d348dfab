"""`auroral cluster up`, `down`, `scale`, `roll` as a user runs them: on the double of ECS, and on moto's server."""

from __future__ import annotations

import functools
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral.ecs.one_shot import run as run_task
from auroral.ecs.operation import MARK, Operation, parse, set_mark
from auroral.ecs.rollout import conduct
from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended, Terminal
from tests.support.fake_ecs import Behaviour, Outcome, door, outputs
from tests.support.moto_server import REGION, Moto, moto_server
from tests.support.rollouts import CONTRACT, Site, VirtualClock

PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2, "ui": 1, "grafana": 1, "collector": 1}
FINE = {"installed_version": "1.18", "expected_version": "1.18", "missing_access": [], "ok": True}


@dataclass
class Deployed:
    """A deployment that commands act on."""

    site: Site
    cli: Cli
    path: Path

    def __call__(self, *words: str, **more: Any) -> Ended:
        """`deployed("up", "--skip-preflight")` with its outputs."""
        return self.cli("cluster", words[0], "--outputs", str(self.path), *words[1:], **more)

    def write(self) -> None:
        """The outputs, as the last apply left them."""
        self.path.write_text(outputs(self.site.aws.contract(json.loads(CONTRACT.read_text()))))


@pytest.fixture
def deployed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    site = Site()
    clock = site.clock
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)
    monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: site.aws)
    monkeypatch.setattr(conduct, "Clock", lambda: VirtualClock(clock))
    timed = functools.partial(run_task.run_in, sleep=clock.sleep, now_s=clock.now_s)
    monkeypatch.setattr(run_task, "run_in", timed)
    made = Deployed(site, cli, tmp_path / "outputs.json")
    made.write()
    return made


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))


def test_up_and_down(deployed: Deployed) -> None:
    ended = deployed("up", "--skip-preflight")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out == "up: done: frontend, history, matching, worker, ui, grafana, collector\n"
    assert "history: steady with 4, 4 pools warm (200 connections)" in ended.err.splitlines()
    assert deployed.site.running() == PLANNED
    again = deployed("up", "--skip-preflight")
    assert (again.code, again.out) == (ExitCode.OK, "up: nothing to do: all is as wanted\n")
    down = deployed("down", "--yes")
    assert down.code == ExitCode.OK, down.err
    assert down.out == "down: done: collector, grafana, ui, worker, matching, history, frontend\n"
    assert deployed.site.running() == {}
    nothing = deployed("down")
    assert (nothing.code, nothing.out) == (ExitCode.OK, "down: nothing to do: all is as wanted\n")


def test_what_is_said_fits_a_log(deployed: Deployed) -> None:
    """One line for each change, and none twice in a row."""
    lines = deployed("up", "--skip-preflight").err.splitlines()
    assert all(one != other for one, other in itertools.pairwise(lines))
    assert len(lines) < 60


def with_status(deployed: Deployed, schema: dict[str, Any], *, visibility: int = 0) -> list[tuple[str, ...]]:
    """Let the deployment's tasks answer; their commands are noted."""
    run: list[tuple[str, ...]] = []

    def answers(code: int, *lines: str) -> Callable[[Any], Outcome]:
        def program(made: Any) -> Outcome:
            run.append(made.command)
            return Outcome(lines=[(1.0, line) for line in lines], exit_code=code)

        return program

    ok = bool(schema.get("ok"))
    deployed.site.aws.program(
        "dev-schema",
        answers(0 if ok else 1, *(f"@1>{line}" for line in json.dumps(schema, indent=1).splitlines()), "@.0"),
    )
    deployed.site.aws.program("dev-visibility-setup", answers(visibility))
    return run


def test_up_looks_for_schema_roles_and_visibility_first(deployed: Deployed) -> None:
    run = with_status(deployed, FINE)
    ended = deployed("up", "--count", "history=2")
    assert ended.code == ExitCode.OK, ended.err
    assert [command[:1] for command in run] == [("status",), ("visibility",)]
    assert "--json" in run[0] or "-json" in run[0]
    assert deployed.site.running()["history"] == 2
    run.clear()
    assert deployed("up", "--count", "history=2").code == ExitCode.OK
    assert run == []


@pytest.mark.parametrize(
    ("schema", "visibility", "commands"),
    [
        ({**FINE, "installed_version": "", "ok": False}, 0, ["auroral schema setup"]),
        ({**FINE, "missing_access": ["role temporal_server"], "ok": False}, 0, ["auroral schema roles"]),
        (FINE, 1, ["auroral visibility apply"]),
        (
            {**FINE, "installed_version": "", "missing_access": ["r"], "ok": False},
            1,
            ["auroral schema setup", "auroral schema roles", "auroral visibility apply"],
        ),
    ],
)
def test_up_refuses_while_something_is_missing(
    deployed: Deployed, schema: dict[str, Any], visibility: int, commands: list[str]
) -> None:
    with_status(deployed, schema, visibility=visibility)
    ended = deployed("up")
    assert ended.code == ExitCode.FAILED
    assert "error: the services cannot start yet:" in ended.err
    flags = f"--outputs {deployed.path}"
    assert f"run {', then '.join(f'{command} {flags}' for command in commands)}; then the same command" in ended.err
    assert deployed.site.updates() == []
    assert deployed.site.seen().mark == ""


def test_up_does_not_guess_where_nobody_can_say(deployed: Deployed) -> None:
    deployed.site.aws.program("dev-schema", lambda _: Outcome(lines=[(1, "panic: oh")], exit_code=2))
    ended = deployed("up")
    assert ended.code == ExitCode.UNREACHABLE
    assert "whether the services can start is not known: auroral schema status ended with 2 (above)" in ended.err
    assert "--skip-preflight" in ended.err
    deployed.site.aws.program("dev-schema", lambda _: Outcome(lines=[(1, "@1>no document"), (1, "@.0")], exit_code=0))
    assert "auroral schema status has not said how the schema is" in deployed("up").err
    assert deployed.site.updates() == []


def test_a_dry_run_prints_the_calls_in_their_order_and_makes_none(deployed: Deployed) -> None:
    ended = deployed("up", "--dry-run")
    assert ended.code == ExitCode.OK, ended.err
    lines = ended.out.splitlines()
    assert lines[:3] == [
        "# before the first wave, unless --skip-preflight:",
        f"#   auroral schema status --outputs {deployed.path}",
        f"#   auroral visibility status --outputs {deployed.path}",
    ]
    calls = [shlex.split(line) for line in lines if not line.startswith("#")]
    assert [call[3:5] for call in calls] == [
        ["ecs", "tag-resource"],
        *[["ecs", "update-service"]] * 7,
        ["ecs", "untag-resource"],
    ]
    assert [call[call.index("--service") + 1] for call in calls[1:-1]] == [f"dev-{key}" for key in PLANNED]
    assert "# wave 2 of 5: history: 0 → 4 tasks; awaited until steady" in lines
    assert deployed.site.aws.changes() == []
    assert deployed.site.clock.slept == []


def test_down_asks_with_what_stops(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.site.aws.settle({"history": 4, "frontend": 2})
    answer(monkeypatch, "n\n")
    kept = deployed("down")
    assert (kept.code, kept.out) == (ExitCode.USAGE, "")
    assert kept.err.endswith("error: not confirmed: nothing was changed\n")
    assert kept.err.splitlines()[:2] == ["  history: 4 → 0", "  frontend: 2 → 0"]
    assert "Stop 6 tasks of the cluster dev?" in kept.err
    assert deployed.site.aws.changes() == []
    answer(monkeypatch, "y\n")
    assert deployed("down").code == ExitCode.OK
    assert deployed.site.running() == {}


@pytest.mark.parametrize(
    "words", [("down",), ("scale", "history=1"), ("up", "--count", "history=1", "--skip-preflight")]
)
def test_nobody_to_ask_stops_nothing(deployed: Deployed, words: tuple[str, ...]) -> None:
    deployed.site.aws.settle({"history": 4})
    ended = deployed(*words)
    assert ended.code == ExitCode.USAGE
    assert "nobody is here to confirm it" in ended.err
    assert "--yes stops without asking" in ended.err
    assert deployed.site.aws.changes() == []


def test_scale_grows_and_shrinks(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    ended = deployed("scale", "history=3", "frontend=3", "--yes")
    assert ended.code == ExitCode.OK, ended.err
    assert deployed.site.updates() == [("history", {"desiredCount": 3}), ("frontend", {"desiredCount": 3})]
    assert deployed.site.running() == {**PLANNED, "history": 3, "frontend": 3}


def test_scale_refuses_what_dsql_does_not_bear_with_the_sum(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    for force in ((), ("--force",)):
        ended = deployed("scale", "history=6", *force)
        assert ended.code == ExitCode.FAILED
        assert "error: history: DSQL's limits would be overrun:" in ended.err
        assert "6 × 8.1 history" in ended.err
        assert "of 100 connects/s" in ended.err
    assert deployed.site.aws.changes() == []


def test_scale_refuses_what_finds_no_instance_unless_it_is_forced(deployed: Deployed) -> None:
    ended = deployed("scale", "benchmark-worker=16")
    assert ended.code == ExitCode.FAILED
    assert "error: no instance has room:" in ended.err
    assert "2 of benchmark-worker find no room: each needs 2,048 CPU units, 4,096 MiB, 1 network interface" in ended.err
    assert "0 instances + 7 new of 4,096 CPU units" in ended.err
    assert deployed.site.aws.changes() == []
    deployed.site.aws.world.groups["dev-benchmark"].shortage = True
    forced = deployed("scale", "benchmark-worker=16", "--force", "--capacity-patience", "2m")
    assert forced.code == ExitCode.UNREACHABLE
    assert "going on by --force: the tasks wait for room" in forced.err
    assert "benchmark-worker finds no room for 2 m" in forced.err
    assert "pool benchmark (group dev-benchmark) may have 7 instances" in forced.err
    again = f"auroral cluster scale --outputs {deployed.path} benchmark-worker=16 --force --capacity-patience 120s"
    assert f"go on: {again}" in forced.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("histroy=4",), "the deployment has no service 'histroy'; did you mean history?"),
        (("history",), "expected SERVICE=N with a number of tasks, found 'history'"),
        (("history=many",), "found 'history=many'"),
        (("history=-1",), "found 'history=-1'"),
        (("history=²",), "found 'history=²'"),
        (("history=1", "history=2"), "history is given twice: 1 and 2"),
        ((), "Missing argument"),
        (("history=4", "--timeout", "soon"), "--timeout: expected"),
        (("history=4", "--capacity-patience", "0s"), "--capacity-patience: expected more than 0, found 0s"),
    ],
)
def test_wrong_usage_of_scale(deployed: Deployed, words: tuple[str, ...], told: str) -> None:
    ended = deployed("scale", *words)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert "hint" in ended.err
    assert deployed.site.aws.changes() == []


def test_scale_says_what_autoscaling_would_do_against_it(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    ended = deployed("scale", "frontend=1", "--yes")
    assert "note: frontend: 1 is below autoscaling's minimum of 2, to which a scale-out goes" in ended.err


def test_roll(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    nothing = deployed("roll")
    assert nothing.code == ExitCode.OK
    assert nothing.out.startswith("roll: nothing to deploy")
    assert deployed.site.aws.changes() == []
    made = deployed.site.aws.register("worker")
    stale = deployed("roll")
    assert stale.code == ExitCode.USAGE
    assert "worker: dev-worker:1, and ECS's newest is dev-worker:2" in stale.err
    assert "auroral infra output > outputs.json" in stale.err
    deployed.write()
    ended = deployed("roll")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out == "roll: done: worker\n"
    assert deployed.site.updates() == [("worker", {"taskDefinition": made.arn})]


def shared(deployed: Deployed, **rates_per_s: float) -> None:
    """An apply with other connects a second, and its outputs."""
    for key, rate_per_s in rates_per_s.items():
        share = deployed.site.fleet.services[key].dsql
        assert share is not None
        deployed.site.aws.register(key, dsql=msgspec.structs.replace(share, rate_per_s=rate_per_s))
    deployed.write()


def test_roll_refuses_larger_shares_before_anything_is_deployed(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    shared(deployed, frontend=16.2, history=16.2, matching=16.2, worker=16.2)
    for words in (("roll",), ("roll", "--dry-run"), ("up", "--skip-preflight")):
        ended = deployed(*words)
        assert ended.code == ExitCode.FAILED
        assert "4 × 16.2 history + 3 × 16.2 matching" in ended.err
        assert "= 180.2 of 100 connects/s" in ended.err
    assert deployed.site.aws.changes() == []
    fewer = deployed("scale", "frontend=1", "history=1", "matching=1", "worker=1", "--yes")
    assert fewer.code == ExitCode.OK, fewer.err
    for key in ("frontend", "history", "matching", "worker"):  # as a plan with one task of each would set it
        deployed.site.aws.service(key).min_healthy_percent = 0
    ended = deployed("roll")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out == "roll: done: frontend, history, matching, worker\n"


def test_a_roll_that_would_never_end_is_refused_with_the_arithmetic(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    scaled = deployed("scale", "history=1", "--yes")
    assert scaled.code == ExitCode.OK
    assert "note: at this count it cannot be rolled: history at 1: ⌈1 × 75 %⌉ = 1 must stay" in scaled.err
    began = len(deployed.site.aws.changes())
    deployed.site.aws.register("history")
    deployed.write()
    for words in (("roll",), ("roll", "--dry-run"), ("up", "--skip-preflight", "--count", "history=1")):
        ended = deployed(*words)
        assert ended.code == ExitCode.FAILED
        assert "history at 1: ⌈1 × 75 %⌉ = 1 must stay, ⌊1 × 100 %⌋ = 1 may be there" in ended.err
        assert f"auroral cluster scale history=2 --outputs {deployed.path}" in ended.err
    assert len(deployed.site.aws.changes()) == began
    assert deployed("scale", "history=2").code == ExitCode.OK
    shown = deployed("roll", "--dry-run")
    assert '"minimumHealthyPercent":50' in shown.out
    ended = deployed("roll")
    assert ended.out == "roll: done: history\n"
    assert "replaced with 50 % healthy at least and 100 % at most" in ended.err


def test_scale_is_reckoned_with_what_runs_until_it_is_rolled(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    shared(deployed, frontend=4.0, history=4.0, matching=4.0, worker=4.0)
    refused = deployed("scale", "history=6")
    assert refused.code == ExitCode.FAILED
    assert "6 × 8.1 history" in refused.err
    assert deployed("roll").code == ExitCode.OK
    ended = deployed("scale", "history=6")
    assert ended.code == ExitCode.OK, ended.err


def test_roll_begins_with_those_that_give(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    shared(deployed, frontend=11.3, history=5.7)
    ended = deployed("roll")
    assert ended.code == ExitCode.OK, ended.err
    assert [key for key, _ in deployed.site.updates()] == ["history", "frontend"]


def test_roll_of_a_service_by_force_and_of_one_that_is_not_there(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    assert deployed("roll", "ui", "--force").out == "roll: done: ui\n"
    assert deployed.site.updates() == [("ui", {"forceNewDeployment": True})]
    wrong = deployed("roll", "uii")
    assert wrong.code == ExitCode.USAGE
    assert "did you mean ui?" in wrong.err


def test_roll_stops_where_a_deployment_is_rolled_back(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    made = deployed.site.aws.register("frontend")
    deployed.site.aws.register("history")
    deployed.site.aws.behaviour("frontend", Behaviour(crash_after_s=2, exit_code=78), made.revision)
    deployed.write()
    ended = deployed("roll")
    assert ended.code == ExitCode.UNREACHABLE
    assert "error: frontend: ECS rolled it back to dev-frontend:1" in ended.err
    assert "(frontend: exit code 78)" in ended.err
    assert f"its log: auroral cluster logs frontend --outputs {deployed.path}" in ended.err
    assert f"go on: auroral cluster roll --outputs {deployed.path}" in ended.err
    found = parse(deployed.site.seen().mark)
    assert found is not None
    assert (found.name, found.state) == ("roll", "failed")


def test_an_interrupt_is_told_and_gone_on_with(deployed: Deployed) -> None:
    deployed.site.clock.interrupt_at(50)
    ended = deployed("up", "--skip-preflight", "--timeout", "20m")
    assert ended.code == ExitCode.INTERRUPTED
    assert "error: interrupted in wave 2 of 5: history" in ended.err
    again = f"auroral cluster up --outputs {deployed.path} --skip-preflight --timeout 1200s"
    assert f"go on: {again}" in ended.err
    words = shlex.split(again)[1:]
    gone_on = deployed.cli(*words)
    assert gone_on.code == ExitCode.OK, gone_on.err
    assert deployed.site.running() == PLANNED


def test_a_mark_that_was_left_is_taken_away_though_all_is_done(deployed: Deployed) -> None:
    deployed.site.aws.settle(PLANNED)
    left = Operation(name="up", state="interrupted", at=datetime.now(UTC))
    deployed.site.aws.call("ecs", "tag_resource", **set_mark(deployed.site.seen().arn, left).arguments)
    assert "ecs untag-resource" in deployed("up", "--dry-run").out
    assert deployed("up").code == ExitCode.OK
    assert deployed.site.seen().mark == ""
    assert "untag-resource" not in deployed("up", "--dry-run").out


def test_another_operation_under_way_keeps_it_back(deployed: Deployed) -> None:
    began = deployed.site.clock.utc() - timedelta(minutes=3)
    other = Operation(name="roll", state="begun", at=began, facts={"by": "john"})
    deployed.site.aws.call("ecs", "tag_resource", **set_mark(deployed.site.seen().arn, other).arguments)
    ended = deployed("up", "--skip-preflight")
    assert ended.code == ExitCode.USAGE
    assert "`auroral cluster roll` by john has been under way since" in ended.err
    assert "(3 min ago)" in ended.err
    assert deployed("up", "--dry-run").code == ExitCode.OK
    assert deployed("up", "--skip-preflight", "--take-over").code == ExitCode.OK


def test_credentials_that_end_half_way(deployed: Deployed) -> None:
    deployed.site.aws.faults.expire(from_s=45)
    ended = deployed("up", "--skip-preflight")
    assert ended.code == ExitCode.UNREACHABLE
    assert "hint: renew the credentials, then go on: auroral cluster up" in ended.err
    assert "the cluster's mark still says that up is under way" in ended.err
    deployed.site.aws.faults.clear()
    assert deployed("up", "--skip-preflight").code == ExitCode.USAGE
    words = shlex.split(ended.err.rpartition("go on: auroral ")[2])
    gone_on = deployed.cli(*words)
    assert gone_on.code == ExitCode.OK, gone_on.err


def test_names_instead_of_outputs(deployed: Deployed) -> None:
    """What only Terraform knows is asked for."""
    names = ("--cluster", "dev", "--region", REGION)
    unplanned = deployed.cli("cluster", "up", *names)
    assert unplanned.code == ExitCode.USAGE
    assert "names alone do not say how many tasks" in unplanned.err
    assert "--count history=N" in unplanned.err
    counts = [part for key, count in PLANNED.items() for part in ("--count", f"{key}={count}")]
    unchecked = deployed.cli("cluster", "up", *names, *counts)
    assert unchecked.code == ExitCode.USAGE
    assert "--skip-preflight" in unchecked.err
    shown = deployed.cli("cluster", "up", *names, *counts, "--dry-run")
    assert "#   refused: names alone do not say where schema, roles and visibility are" in shown.out


def test_help_names_what_it_does(cli: Cli) -> None:
    for name in ("up", "down", "scale", "roll"):
        ended = cli("cluster", name, "--help")
        assert ended.code == ExitCode.OK
        assert "--dry-run" in ended.out
        assert "Exit codes: 0 done" in ended.out


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


class Skipping(conduct.Clock):
    """Time that passes when somebody sleeps, ten times as fast, and at no other time."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def sleep(self, seconds: float) -> None:
        """Pass it over."""
        self.passed_s += 10 * seconds

    def now_s(self) -> float:
        """What was slept."""
        return self.passed_s


def deploy(moto: Moto, path: Path, cluster: str) -> Any:
    """The contract's services in a cluster of that name, and its outputs in a file."""
    contract = json.loads(CONTRACT.read_text().replace('"name": "dev"', f'"name": "{cluster}"'))
    ecs = moto.client("ecs")
    ecs.create_cluster(clusterName=cluster)
    for key, one in contract["services"].items():
        container = {"name": key, "image": "x", "memory": 100}
        made = ecs.register_task_definition(family=one["task_family"], containerDefinitions=[container])
        one["task_definition_arn"] = made["taskDefinition"]["taskDefinitionArn"]
        definition = one["task_definition_arn"]
        ecs.create_service(cluster=cluster, serviceName=one["service"], taskDefinition=definition, desiredCount=0)
    path.write_text(outputs(contract))
    return ecs


def mark_of(ecs: Any, cluster: str) -> str:
    tags = ecs.describe_clusters(clusters=[cluster], include=["TAGS"])["clusters"][0].get("tags", [])
    return next((one["value"] for one in tags if one["key"] == MARK), "")


@pytest.mark.whole
def test_over_http(moto: Moto, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has no tasks: running equals desired at once, and ECS's counts are believed after a while."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(conduct, "Clock", Skipping)
    path = tmp_path / "outputs.json"
    ecs = deploy(moto, path, "dev")

    def run(*words: str) -> Ended:
        return cli("cluster", words[0], "--outputs", str(path), *words[1:], environ=moto.environ)

    def desired() -> dict[str, int]:
        names = [f"dev-{key}" for key in PLANNED]
        found = ecs.describe_services(cluster="dev", services=names)["services"]
        return {one["serviceName"].removeprefix("dev-"): one["desiredCount"] for one in found}

    preview = run("up", "--dry-run")
    assert preview.code == ExitCode.OK, preview.err
    assert set(desired().values()) == {0}
    up = run("up", "--skip-preflight")
    assert up.code == ExitCode.OK, up.err
    assert desired() == PLANNED
    refused = run("scale", "history=7")
    assert refused.code == ExitCode.FAILED
    assert "7 × 8.1 history" in refused.err
    short = run("scale", "ui=2000")
    assert short.code == ExitCode.FAILED
    assert "no instance has room" in short.err
    assert desired() == PLANNED
    down = run("down", "--yes")
    assert down.code == ExitCode.OK, down.err
    assert set(desired().values()) == {0}
    assert mark_of(ecs, "dev") == ""


@pytest.mark.whole
def test_a_real_interrupt_over_http(moto: Moto, tmp_path: Path) -> None:
    """A process of its own, and SIGINT while it waits."""
    ecs = deploy(moto, tmp_path / "outputs.json", "stopped")
    command = [sys.executable, "-m", "auroral", "cluster", "up", "--outputs", "outputs.json", "--skip-preflight"]
    environ = {**os.environ, **moto.environ, "HOME": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("frontend: 2 of 2 running"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == ExitCode.INTERRUPTED, (said, rest)
    assert said[0] == "frontend: 0 → 2 tasks\n"
    assert "error: interrupted in wave 1 of 5: frontend: 2 of 2 running" in rest
    assert "go on: auroral cluster up --outputs outputs.json --skip-preflight" in rest
    found = parse(mark_of(ecs, "stopped"))
    assert found is not None
    assert (found.name, found.state) == ("up", "interrupted")


def test_a_cluster_that_is_not_there_over_http(
    moto: Moto, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    contract = json.loads(CONTRACT.read_text())
    contract["cluster"]["name"] = "gone"
    path = tmp_path / "outputs.json"
    path.write_text(outputs(contract))
    ended = cli("cluster", "down", "--outputs", str(path), environ=moto.environ)
    assert ended.code == ExitCode.UNREACHABLE
    assert "there is no cluster gone in us-east-1" in ended.err
