"""`auroral schema`, as a user types it: wrong usage, what auroral-schema is told, and the deployment's roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli

RECORDER = """#!/bin/sh
printf '%s\\n' "$@"
echo "profile ${AWS_PROFILE:-none}" >&2
exit ${STATUS:-0}
"""
ARN = "arn:aws:iam::123456789012:role"


@pytest.fixture
def recorder(tmp_path: Path) -> dict[str, str]:
    """An environment in which auroral-schema is a program that prints its arguments."""
    program = tmp_path / "bin" / "auroral-schema"
    program.parent.mkdir()
    program.write_text(RECORDER)
    program.chmod(0o755)
    return {"AURORAL_SERVER_BIN": str(program.parent), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def outputs(tmp_path: Path) -> str:
    """A deployment's outputs."""
    values = {
        "dsql_endpoint": "abc.dsql.eu-west-1.on.aws",
        "dsql_host_address": "10.0.0.9",
        "region": "eu-west-1",
        "task_role_arns": {"history": f"{ARN}/history", "schema": f"{ARN}/schema"},
        "operator_role_arn": f"{ARN}/operator",
    }
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({name: {"value": value, "sensitive": False} for name, value in values.items()}))
    return str(path)


def test_flags_become_those_of_auroral_schema(cli: Cli, recorder: dict[str, str]) -> None:
    environ = {**recorder, "DSQL_USER": "temporal_server", "DSQL_TLS_CA_FILE": "/ca.pem"}
    given = ("--endpoint", "abc.dsql.eu-west-1.on.aws", "--profile", "ops")
    ended = cli("schema", "setup", *given, "--", "--dry-run", environ=environ)
    assert ended.code == ExitCode.OK
    assert ended.out.split() == [
        "setup", "--endpoint", "abc.dsql.eu-west-1.on.aws", "--port", "5432", "--database", "postgres",
        "--region", "eu-west-1", "--ca-file", "/ca.pem", "--user", "admin", "--dry-run",
    ]  # fmt: skip
    assert "profile ops" in ended.err


def test_the_deployment_names_database_and_roles(cli: Cli, recorder: dict[str, str], outputs: str) -> None:
    ended = cli("schema", "roles", "--outputs", outputs, environ=recorder)
    words = ended.out.split()
    assert words[words.index("--host-address") + 1] == "10.0.0.9"
    assert words[-4:] == ["--server-arn", f"{ARN}/history", "--operator-arn", f"{ARN}/operator"]
    others = cli("schema", "roles", "--outputs", outputs, "--", "--server-arn", f"{ARN}/x", environ=recorder)
    assert others.out.split()[-2:] == ["--server-arn", f"{ARN}/x"]
    assert "--server-arn" not in cli("schema", "setup", "--outputs", outputs, environ=recorder).out


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 70])
def test_its_status_is_ours(cli: Cli, recorder: dict[str, str], status: int) -> None:
    environ = {**recorder, "STATUS": str(status), "DSQL_ENDPOINT": "abc.dsql.eu-west-1.on.aws"}
    assert cli("schema", "status", environ=environ).code == status


def test_what_needs_no_database_asks_for_none(cli: Cli, recorder: dict[str, str]) -> None:
    assert cli("schema", "setup", "--", "--dry-run", environ=recorder).out.split() == ["setup", "--dry-run"]
    assert cli("schema", "roles", "--", "--help", environ=recorder).out.split() == ["roles", "--help"]
    plain = "--plain-dsn=postgres://x@localhost/y"
    environ = {**recorder, "DSQL_ENDPOINT": "abc.dsql.eu-west-1.on.aws"}
    assert cli("schema", "status", "--", plain, environ=environ).out.split() == ["status", plain]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("setup",), "endpoint = none (from nowhere): expected a cluster: --endpoint"),
        (("setup", "--endpoint", "https://x"), "without scheme and port"),
        (("setup", "--outputs", "missing.json"), "cannot be read"),
        (
            ("setup", "--endpoint", "a.dsql.eu-west-1.on.aws", "--cluster", "c"),
            "--cluster is for a task of the cluster",
        ),
        (("setup", "--in-cluster"), "expected --cluster, or --outputs with the output ecs_cluster"),
        (("setup", "--in-cluster", "--cluster", "c", "--timeout", "soon"), "a duration"),
        (("setup", "--in-cluster", "--endpoint", "x"), "--endpoint is not for --in-cluster"),
        (("drop",), "no command drop"),
    ],
)
def test_wrong_usage(cli: Cli, recorder: dict[str, str], arguments: tuple[str, ...], words: str) -> None:
    ended = cli("schema", *arguments, environ=recorder)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert ended.out == ""


def test_an_output_that_is_missing_is_named(cli: Cli, recorder: dict[str, str], outputs: str) -> None:
    ended = cli("schema", "setup", "--in-cluster", "--outputs", outputs, environ=recorder)
    assert ended.code == ExitCode.USAGE
    assert "outputs.json has no output ecs_cluster, and --cluster is not given" in ended.err
