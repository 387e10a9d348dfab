"""A remedy that names one of auroral's commands names one that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from auroral.cli.main import root

PACKAGE = Path(__file__).parents[2] / "src/auroral/doctor"


def _lines() -> list[str]:
    """Every text in the package that begins as a command line does, docstrings apart."""
    found = []
    for path in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [one.group() for one in re.finditer(r"^auroral [a-z].*", node.value)]
    return sorted(set(found))


def test_there_are_some() -> None:
    assert "auroral infra apply --stack bootstrap" in _lines()


@pytest.mark.parametrize("line", _lines())
def test_each_command_and_flag_is_there(line: str) -> None:
    command: click.Command = root
    words = line.partition(",")[0].split()[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    flags = {flag for param in command.params for flag in param.opts}
    assert {word for word in words if word.startswith("--")} <= flags
