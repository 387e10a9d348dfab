"""`auroral schema`, as a user types it: wrong usage, what auroral-schema is told, and the deployment's roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli
from tests.ecs.one_shot.test_tasks import Cluster

RECORDER = """#!/bin/sh
printf '%s\\n' "$@"
echo "profile ${AWS_PROFILE:-none}" >&2
exit ${STATUS:-0}
"""
TASK = (
    "setup", "--where", "cluster", "--cluster", "c", "--task-definition", "t", "--subnet", "s", "--security-group", "g",
)  # fmt: skip
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
            ("setup", "--endpoint", "a.dsql.eu-west-1.on.aws", "--cluster", "c", "--where", "here"),
            "--cluster is for a task of the cluster",
        ),
        (("setup", "--where", "cluster"), "expected --cluster, or --outputs with the output ecs_cluster"),
        (("setup", "--cluster", "c"), "expected --task-definition, or --outputs with"),
        (("setup", "--where", "nowhere"), "is not one of 'here', 'cluster'"),
        (("setup", "--outputs", "x.json", "--stack", "platform"), "expected --outputs or --stack, found both"),
        (("setup", "--stack", "none"), "there is no directory .auroral/none"),
        ((*TASK, "--task-timeout", "soon"), "--task-timeout: expected a duration"),
        ((*TASK, "--endpoint", "x"), "--endpoint is not for --where cluster: the task's own environment"),
        ((*TASK, "--", "--plain-dsn=postgres://u:secret@h/d"), "a password or a signature is among the arguments"),
        (("setup", "--endpoint", "a.dsql.eu-west-1.on.aws", "--dry-run"), "prints the call that starts a task"),
        (("drop",), "no command drop"),
    ],
)
def test_wrong_usage(
    cli: Cli, recorder: dict[str, str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: Cluster((0, "STOPPED")))
    ended = cli("schema", *arguments, environ=recorder)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert "secret" not in ended.err
    assert ended.out == ""


def test_an_output_that_is_missing_is_named(cli: Cli, recorder: dict[str, str], outputs: str) -> None:
    ended = cli("schema", "setup", "--where", "cluster", "--outputs", outputs, environ=recorder)
    assert ended.code == ExitCode.USAGE
    assert "outputs.json has no output ecs_cluster, and --cluster is not given" in ended.err
