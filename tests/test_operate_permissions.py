"""What docs/operate-permissions.md says that a policy must allow, held against what the commands call."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_calls import api_name
from auroral.ecs.one_shot import run as run_task
from tests.support import operate_scenes
from tests.support.fake_ecs import door
from tests.support.remote_bench import Bench
from tests.support.verified import deployment

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/operate-permissions.md"
SOURCE = ROOT / "src/auroral"
SCENES = ("healthy", "up", "scale", "roll", "night", "recover", "expired", "interrupted")

NEEDS_NO_POLICY = {"sts:GetCallerIdentity"}
OF_A_GENERATOR = {"bench/delivery.py"}
"""Called in a task, by the role that the platform stack makes."""
PREFIXES = {"opensearch": "es", "service-quotas": "servicequotas"}
NAMES = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "servicequotas:ListAwsDefaultServiceQuotas": "servicequotas:ListAWSDefaultServiceQuotas",
}
"""Where an action is not named as the call: the Service Authorization Reference, read in November 2026."""
NOT_CALLED_HERE = {
    "aps:QueryMetrics", "dsql:DbConnect", "iam:PassRole", "kms:Decrypt", "kms:GenerateDataKey",
    "secretsmanager:TagResource", "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
}  # fmt: skip
"""By a signed request, by docker, or by AWS in the caller's name."""

ROOMS = {
    "exec": {"ecs/session/"},
    "forward": {"ecs/session/"},
    "logs": {"ecs/logs/"},
    "images": {"images/"},
    "secrets": {"grafana_secret.py"},
    "doctor": {"doctor/"},
}
"""Parts that are the calls of some folders alone."""


def _rows(title: str) -> dict[str, str]:
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(rf"^\| {title} \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.M)
    assert table is not None
    cells = [line.strip("| \n").split(" | ", 1) for line in table[1].splitlines()]
    return {name.strip(): rest for name, rest in cells}


def _parts() -> dict[str, set[str]]:
    return {name: set(re.findall(r"`([a-z0-9-]+:[A-Za-z0-9]+)`", rest)) for name, rest in _rows("part").items()}


def _allowed(command: str) -> set[str]:
    """All actions of a command's row, with those that need a flag."""
    rest = next(rest for name, rest in _rows("command").items() if f"`{command}`" in name)
    parts = _parts()
    return {
        action for name in parts if re.search(rf"\b{name}\b", re.sub("`[^`]*`", "", rest)) for action in parts[name]
    }


def _action(service: str, operation: str) -> str:
    name = api_name(PREFIXES.get(service, service), operation)
    return NAMES.get(name, name)


@functools.cache
def _called() -> dict[str, set[str]]:
    """Action → files whose text makes the call."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for service, operation in _calls(ast.parse(path.read_text(encoding="utf-8"))):
            found[_action(service, operation)].add(path.relative_to(SOURCE).as_posix())
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        named = {one.arg: getattr(one.value, "value", None) for one in node.keywords}
        if name in ("call", "listed", "_counted") and len(texts) >= 2 and texts[1].islower():
            yield texts[0], texts[1]
        elif name == "_list" and texts:
            yield "service-quotas", texts[0]
        elif name == "Call" and isinstance(named.get("operation"), str):
            yield str(named["service"]), str(named["operation"])


def test_every_call_has_its_action_and_every_action_its_call() -> None:
    called = {action for action, files in _called().items() if files - OF_A_GENERATOR} - NEEDS_NO_POLICY
    said = set[str]().union(*_parts().values())
    assert said - NOT_CALLED_HERE == called
    assert said >= NOT_CALLED_HERE


@pytest.mark.parametrize("part", ROOMS)
def test_a_part_has_all_that_its_folder_calls(part: str) -> None:
    called = {
        action
        for action, files in _called().items()
        if any(one.startswith(prefix) for one in files for prefix in ROOMS[part])
    } - NEEDS_NO_POLICY
    said = _parts()[part] - NOT_CALLED_HERE
    if part in ("exec", "forward"):  # two commands of one folder
        assert said <= called <= _parts()["exec"] | _parts()["forward"]
    else:
        assert said == called


def test_every_part_belongs_to_a_command() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("| part |")[0]
    assert [name for name in _parts() if not re.search(rf"\b{name}\b", text)] == []


def test_what_commands_call_is_what_their_rows_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, set[str]] = defaultdict(set)
    typed = operate_scenes.Desk.type

    def recording(desk: operate_scenes.Desk, line: str, **how: Any) -> None:
        before = len(desk.site.aws.calls)
        try:
            typed(desk, line, **how)
        finally:
            words = shlex.split(line)
            made[" ".join(words[1:3])] |= {_action(one.service, one.operation) for one in desk.site.aws.calls[before:]}

    monkeypatch.setattr(operate_scenes.Desk, "type", recording)
    for name in SCENES:
        folder = tmp_path / name
        folder.mkdir()
        operate_scenes.SCENES[name](folder)
    assert set(made) == {f"cluster {one}" for one in ("status", "up", "down", "scale", "roll", "recover")}
    assert {name: found for name, calls in made.items() if (found := calls - _allowed(name) - NEEDS_NO_POLICY)} == {}


def test_what_remote_benchmarks_call_is_what_their_rows_allow(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    runs = {
        "bench remote run": bench.run,
        "bench remote workers": lambda: bench.workers(2),
        "bench remote results": bench.results,
    }
    for name, run in runs.items():
        before = len(bench.aws.calls)
        assert run() == 0, bench.said
        calls = {_action(one.service, one.operation) for one in bench.aws.calls[before:]}
        assert calls, name
        assert calls - _allowed(name) - NEEDS_NO_POLICY == set(), name


def test_what_the_proof_calls_is_what_its_row_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)
    with deployment(tmp_path) as made:
        monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: made.aws)
        timed = functools.partial(run_task.run_in, sleep=made.clock.sleep, now_s=made.clock.now_s)
        monkeypatch.setattr(run_task, "run_in", timed)
        before = len(made.aws.calls)
        assert made.verify() == 0, made.said + made.printed
        calls = {_action(one.service, one.operation) for one in made.aws.calls[before:]}
    assert calls >= {"ecs:ExecuteCommand", "ssm:StartSession", "ecr:DescribeImages", "ecs:RunTask", "s3:GetObject"}
    assert calls - _allowed("cluster verify") - NEEDS_NO_POLICY == set()
