"""One of auroral's own commands within another."""

from __future__ import annotations

import io
import json

import pytest

from auroral.cli import main
from auroral.cli.own_commands import ELSEWHERE, asked
from auroral.cli.process import Process
from auroral.errors import ExitCode
from tests.support.contract_file import CONTRACT


def _process(**environ: str) -> Process:
    return Process([], environ, io.StringIO(), io.StringIO())


def test_stdout_comes_back_and_stderr_is_shown() -> None:
    process = _process()
    out, code = asked(process, ["capacity", "simulate", "--list"])
    assert code == ExitCode.OK
    assert "cold-start" in out
    out, code = asked(process, ["capacity", "nothing"])
    assert (out, code) == ("", ExitCode.USAGE)
    assert isinstance(process.stderr, io.StringIO)
    assert "no command nothing" in process.stderr.getvalue()


def test_the_deployments_own_stores_are_asked_whatever_the_environment_names(tmp_path: object) -> None:
    """A stray DSQL_ENDPOINT wins over --outputs where somebody types the command; here it must not."""
    outputs = f"{tmp_path}/outputs.json"
    with open(outputs, "w") as file:
        json.dump({"contract": {"value": json.loads(CONTRACT.read_text())}}, file)
    stray = dict.fromkeys(ELSEWHERE, "https://elsewhere.example:1/no port")
    words = ["visibility", "status", "--outputs", outputs, "--where", "here"]
    process = _process(**stray, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=f"{tmp_path}/none")
    asked(process, words)
    assert isinstance(process.stderr, io.StringIO)
    assert "elsewhere" not in process.stderr.getvalue()


def test_an_interrupt_goes_on_to_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "run", lambda _: ExitCode.INTERRUPTED)
    with pytest.raises(KeyboardInterrupt):
        asked(_process(), ["bench", "run"])
