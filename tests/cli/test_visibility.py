"""`auroral visibility`: what is wrong before anything is asked. Its work is in tests/visibility/test_commands.py."""

from __future__ import annotations

import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "endpoint = none (from nowhere): expected a domain"),
        (("--endpoint", "http://search.example.com"), "https: http is for localhost only"),
        (("--endpoint", "x.eu-west-1.aoss.amazonaws.com"), "not a serverless collection"),
        (("--endpoint", "https://user:secret@x.example.com"), "without a user"),
        (("--endpoint", "x.example.com"), "--region or AWS_REGION, as x.example.com names none"),
        (
            ("--endpoint", "x.eu-west-1.es.amazonaws.com", "--region", "us-east-1"),
            "eu-west-1, which the endpoint names",
        ),
        (("--endpoint", "localhost", "--index", "Visibility"), "a name of lower-case letters"),
        (("--outputs", "missing.json"), "cannot be read"),
        (
            ("--endpoint", "localhost", "--no-signing", "--server-arn", "arn:aws:sts::1:assumed-role/x/y"),
            "for an assumed role",
        ),
    ],
)
def test_wrong_usage(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    for command in ("apply", "status"):
        ended = cli("visibility", command, *arguments)
        assert ended.code == ExitCode.USAGE
        assert words in ended.err
        assert "secret" not in ended.err
        assert ended.out == ""


def test_nobody_there(cli: Cli) -> None:
    ended = cli("visibility", "status", "--endpoint", "http://localhost:1", "--no-signing")
    assert ended.code == ExitCode.UNREACHABLE
    assert ended.err.startswith("error: cannot connect to http://localhost:1: ")


def test_help_names_the_commands(cli: Cli) -> None:
    ended = cli("visibility", "--help")
    assert ended.code == ExitCode.OK
    assert "apply" in ended.out
    assert "status" in ended.out
