"""What the tests need is there, installed, or named with the line to type; nothing is skipped in silence."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.needs import find_browser, how_to_install, need_browser


class System:
    """A machine with these programs; `apt-get install` may bring Chromium."""

    def __init__(self, *programs: str, packages: bool = True, online: bool = True) -> None:
        self.programs = set(programs)
        self.packages = packages
        self.online = online
        self.ran: list[str] = []
        self.said: list[str] = []

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def run(self, command: Sequence[str]) -> int:
        self.ran.append(" ".join(command[:2]))
        if not self.online:
            return 100
        if "install" in command and self.packages:
            self.programs.add("chromium")
        return 0

    def need(self, *, root: bool) -> bool:
        return need_browser(which=self.which, root=root, run=self.run, say=self.said.append)


def test_a_browser_that_is_there_is_taken() -> None:
    system = System("google-chrome", "apt-get")
    assert find_browser(system.which) == "/usr/bin/google-chrome"
    assert system.need(root=True)
    assert system.ran == []


def test_it_is_installed_where_that_is_allowed() -> None:
    system = System("apt-get")
    assert system.need(root=True)
    assert system.ran == ["apt-get update", "apt-get install"]


@pytest.mark.parametrize(
    ("system", "root", "line"),
    [
        (System("apt-get"), False, "sudo apt-get update && sudo apt-get install --yes chromium"),
        (System("apt-get", online=False), True, "apt-get update && apt-get install --yes chromium"),
        (System("dnf"), False, "sudo dnf install --assumeyes chromium"),
        (System("brew"), False, "brew install --cask chromium"),
        (System(), True, "this system's package manager"),
    ],
)
def test_else_the_line_to_type_is_told(system: System, root: bool, line: str) -> None:
    assert not system.need(root=root)
    assert line in system.said[-1]
    assert line in how_to_install(system.which, root=root)


def test_no_test_is_skipped() -> None:
    forbidden = {"skip", "skipif", "xfail", "importorskip"}
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in forbidden, f"{path}:{node.lineno}"
