"""Run command lines in this process, with streams and environment of the test's own."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from auroral.bench.result import Result, encode
from auroral.cli.main import run
from auroral.cli.process import Process
from tests.support.sample_results import MAKERS


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ended:
    """What one command line came to."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("bench", "config", environ={…}, terminal=True)` in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, environ: dict[str, str] | None = None, terminal: bool = False) -> Ended:
        stdout, stderr = io.StringIO(), Terminal() if terminal else io.StringIO()
        home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        code = run(Process(arguments, {**home, **(environ or {})}, stdout, stderr, width=80))
        return Ended(code, stdout.getvalue(), stderr.getvalue())

    return call


@pytest.fixture(scope="session")
def stored() -> Callable[[str, Path], Result]:
    """Store the result of one of the report's examples as a run does: `stored("pass", directory)`."""
    made: dict[str, Result] = {}

    def store(name: str, directory: Path) -> Result:
        if name not in made:
            made[name] = MAKERS[name]()
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "result.json").write_bytes(encode(made[name]))
        return made[name]

    return store
