"""Help that can be read: topics, names of variables, defaults, eighty columns."""

from __future__ import annotations

import click
import pytest

from auroral.bench.options import GROUPS, SETTINGS, WORKER_SETTINGS
from auroral.cli.command import Command
from auroral.config import Setting
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("command", "settings"), [("run", SETTINGS), ("config", SETTINGS), ("worker", WORKER_SETTINGS)]
)
def test_every_setting_is_in_help(cli: Cli, command: str, settings: tuple[Setting, ...]) -> None:
    text = cli("bench", command, "--help").out
    for setting in settings:
        assert f"  --{setting.name} " in text
        assert setting.environment[0] in text
    assert max(len(line) for line in text.splitlines()) <= 80
    shown = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    used = [group for group in GROUPS if any(setting.group == group for setting in settings)]
    assert [topic for topic in shown if topic in GROUPS] == used
    assert shown[-1] == "Options"


def test_defaults_are_in_help(cli: Cli) -> None:
    text = " ".join(cli("bench", "run", "--help").out.split())
    assert "[default: 10/s; BENCHMARK_TARGET_RATE]" in text
    assert "[default: half of the cores; BENCHMARK_WORKER_COUNT]" in text
    assert "[BENCHMARK_MAX_P99_LATENCY]" in text


def test_the_commands_of_a_group_have_a_line_each(cli: Cli) -> None:
    lines = cli("bench", "--help").out.splitlines()
    for name in ("run", "worker", "config", "report"):
        [line] = [line for line in lines if line.startswith(f"  {name} ")]
        assert line.endswith(".")
        assert "..." not in line


def test_help_is_the_same_whoever_made_the_first_context() -> None:
    command = Command("alone", help="Do.")
    option = command.get_help_option(click.Context(command))
    assert option is not None
    assert sorted(option.opts) == ["--help", "-h"]
