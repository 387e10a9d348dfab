"""`auroral capacity simulate`: what a user types, and what comes of it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from auroral.capacity.simulation.catalogue import ORDER
from auroral.capacity.simulation.result import decode
from tests.cli.conftest import Cli

BAD = """
about = "44 tasks with the server's default limits lose all connections at once."
duration = "5m"

[[service]]
name = "history"
replicas = 44
pool-size = 60
rate = 10
burst = 100
requests = 8000

[[event]]
at = "1m"
do = "cut"

[assert]
longest-wait = "30s"
"""


@pytest.fixture
def bad(tmp_path: Path) -> str:
    (tmp_path / "bad.toml").write_text(BAD, encoding="utf-8")
    return "bad.toml"


def test_the_list_names_every_scenario(cli: Cli) -> None:
    ended = cli("capacity", "simulate", "--list")
    assert (ended.code, ended.err) == (0, "")
    assert re.findall(r"^(\S+)", ended.out, re.MULTILINE) == list(ORDER)


def test_one_scenario_with_the_default_preset(cli: Cli) -> None:
    ended = cli("capacity", "simulate", "zone-loss")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("PASS  zone-loss  (preset 150wps, seed 1)\n")
    assert "ok    DSQL refuses no connection: 0" in ended.out


def test_all_that_the_package_has(cli: Cli) -> None:
    ended = cli("capacity", "simulate", "--preset", "dev", "--jobs", "1")
    assert ended.code == 0
    table = ended.out.split("\n\n")[-1].splitlines()
    assert [line.split()[:2] for line in table[1:]] == [[name, "pass"] for name in ORDER]


def test_a_violation_fails_with_what_was_around_it(cli: Cli, bad: str) -> None:
    ended = cli("capacity", "simulate", bad)
    assert ended.code == 1
    assert ended.out.startswith("FAIL  bad  (its own services, seed 1)\n")
    assert "First violation at 1:0" in ended.out
    assert "→ history/" in ended.out
    assert "refused-rate" in ended.out


def test_documents(cli: Cli, tmp_path: Path) -> None:
    ended = cli("capacity", "simulate", "all-cut", "--seed", "5", "--json", "run.json", "--html", "run.html")
    assert ended.code == 0
    made = decode((tmp_path / "run.json").read_bytes())
    assert (made.scenario.name, made.seeds, made.run.seed, made.passed) == ("all-cut", [5], 5, True)
    assert "<html" in (tmp_path / "run.html").read_text(encoding="utf-8")
    page = cli("capacity", "simulate", "all-cut", "--seed", "5", "--html", "-")
    assert page.out.strip() == (tmp_path / "run.html").read_text(encoding="utf-8").strip()
    again = cli("capacity", "simulate", "all-cut", "--seed", "5", "--json", "-")
    assert json.loads(again.out) == json.loads((tmp_path / "run.json").read_bytes())
    assert again.err.startswith("PASS  all-cut")


def test_many_seeds_report_the_worst(cli: Cli) -> None:
    arguments = ("capacity", "simulate", "cold-start", "--preset", "dev", "--seed", "10", "--seeds", "6")
    ended = cli(*arguments, "--json", "-", "--jobs", "1", terminal=True)
    assert ended.code == 0
    made = decode(ended.out.encode())
    assert made.seeds == [10, 11, 12, 13, 14, 15]
    worst = made.run
    alone = cli("capacity", "simulate", "cold-start", "--preset", "dev", "--seed", str(worst.seed), "--json", "-")
    assert decode(alone.out.encode()).run == worst
    assert "cold-start: 3 of 6" in ended.err
    assert "cold-start: 3 of 6" not in cli(*arguments, "--jobs", "1").err


def test_a_plan_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    assert cli("capacity", "plan", "--wps", "60", "--limiter", "distributed", "--json", "plan.json").code == 0
    ended = cli("capacity", "simulate", "zone-loss", "--plan", "plan.json", "--json", "-")
    assert ended.code == 0
    made = decode(ended.out.encode())
    assert made.source == "plan plan.json"
    assert made.scenario.policy.limiter == "distributed"


def test_a_preset_goes_before_a_scenarios_own_services(cli: Cli, bad: str) -> None:
    ended = cli("capacity", "simulate", bad, "--preset", "dev")
    assert ended.code == 0
    assert ended.out.startswith("PASS  bad  (preset dev, seed 1)")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("zone-los",), "did you mean zone-loss?"),
        (("nowhere.toml",), "nowhere.toml (from SCENARIO): expected a file that can be read"),
        (("--preset", "15wps"), "expected one of the presets dev, 100wps, 150wps, 400wps, got '15wps'"),
        (("--plan", "nowhere.json"), "nowhere.json: the plan cannot be read: No such file or directory"),
        (("--plan", "bad.toml"), "bad.toml: expected a plan auroral.capacity.plan/1"),
        (("--plan", "x", "--preset", "dev"), "--preset and --plan both name services"),
        (("cold-start", "--html", "no/where.html"), "no/where.html is in no, which is no directory"),
        (("cold-start", "--json", "."), ". is a directory"),
        (("cold-start", "--json", "-", "--html", "-"), "--html - and --json - both want stdout"),
        (("--seeds", "0"), "0 is not in the range"),
        (("--seed", "-1"), "-1 is not in the range"),
    ],
)
def test_wrong_usage(cli: Cli, bad: str, arguments: tuple[str, ...], expected: str) -> None:
    ended = cli("capacity", "simulate", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert expected in ended.err
    assert "Traceback" not in ended.err


def test_every_problem_of_a_file_at_once(cli: Cli, tmp_path: Path) -> None:
    text = BAD.replace("do =", "does =").replace("burst", "bust").replace('"30s"', "true")
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    ended = cli("capacity", "simulate", "wrong.toml")
    assert ended.code == 2
    for expected in ("service[1].bust", "did you mean burst?", "service[1].burst = missing", "event[1].do", "assert."):
        assert expected in ended.err


def test_a_deployment_that_the_services_cannot_make(cli: Cli, tmp_path: Path) -> None:
    text = BAD.replace('do = "cut"', 'do = "deploy"').replace("burst = 100", "burst = 100\nmax-percent = 101")
    (tmp_path / "stuck.toml").write_text(text, encoding="utf-8")
    ended = cli("capacity", "simulate", "stuck.toml")
    assert ended.code == 2
    assert "expected percentages that let a task be replaced: 100 % of 44 keeps 44, 101 % allows 44" in ended.err


def test_a_disk_that_is_full(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "full.html").symlink_to("/dev/full")
    ended = cli("capacity", "simulate", "cold-start", "--html", "full.html")
    assert ended.code == 2
    assert "full.html cannot be written: No space left on device" in ended.err


def test_an_interrupt_reports_what_has_run(tmp_path: Path) -> None:
    """As a user does: Ctrl-C in a terminal, which reaches every process of the group."""
    command = [
        sys.executable,
        "-m",
        "auroral",
        "capacity",
        "simulate",
        "cold-start",
        "--seeds",
        "100000",
        "--jobs",
        "2",
    ]
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True, text=True
    ) as process:
        os.close(terminal)
        seen = b""
        while b"3 of 100000" not in seen:
            seen += os.read(controller, 4096)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        while process.poll() is None:
            try:
                seen += os.read(controller, 4096)
            except OSError:  # the other end has gone
                break
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - began < 20
    os.close(controller)
    assert process.returncode == 4
    assert re.match(r"PASS  cold-start  \(preset 150wps, \d+ seeds from 1, none failed, interrupted\)", out)
    assert b"Traceback" not in seen
    assert b"interrupted: what had run by then is reported" in seen
