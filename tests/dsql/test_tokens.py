"""Tokens: credentials are looked up once, a hanging source of them is given up, nothing of them is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auroral.dsql import tokens as module
from auroral.dsql.errors import CredentialsError
from auroral.dsql.target import DsqlTarget
from auroral.dsql.tokens import Tokens

TARGET = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1", profile="counted")
SCRIPT = """#!/bin/sh
echo asked >> {log}
echo '{{"Version": 1, "AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "s"}}'
"""


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line for each time that credentials were asked for."""
    found, script, hanging = tmp_path / "log", tmp_path / "credentials", tmp_path / "hanging"
    hanging.write_text(f"#!/bin/sh\necho asked >> {found}\ncat > /dev/null\n")
    hanging.chmod(0o755)
    script.write_text(SCRIPT.format(log=found))
    script.chmod(0o755)
    (tmp_path / "config").write_text(
        f"[profile counted]\ncredential_process = {script}\n[profile hangs]\ncredential_process = {hanging}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    return found


def asked(log: Path) -> int:
    return log.read_text().count("asked\n")


@pytest.mark.parametrize(("user", "action"), [("admin", "DbConnectAdmin"), ("temporal_operator", "DbConnect")])
async def test_credentials_are_asked_for_once(log: Path, user: str, action: str) -> None:
    tokens = Tokens(DsqlTarget(endpoint=TARGET.endpoint, region=TARGET.region, profile="counted", user=user))
    for _ in range(3):
        password = (await tokens.parameters({"application_name": "x"}))["password"]
        assert f"Action={action}&" in password
        assert "AKIAEXAMPLE%2F" in password  # the profile's, not those of the environment
        assert "X-Amz-Expires=60&" in password
    assert asked(log) == 1
    assert "AKIA" not in repr(tokens)


async def test_the_connectors_parameters_hold_no_more_than_psycopg_takes() -> None:
    found = await Tokens(TARGET).parameters({"application_name": "x", "sslmode": "verify-full"})
    assert set(found) == {"host", "port", "user", "dbname", "password", "application_name", "sslmode"}


def test_a_source_that_hangs_holds_up_no_command(log: Path) -> None:
    """Neither while it is waited for, nor when the process ends: in a process of its own, to see both."""
    script = (
        f"import asyncio, dsql_core.connection_utils, botocore.session, {module.__name__} as m\n"
        "m.TOKEN_TIMEOUT_S = 2.0\n"
        "from auroral.dsql.target import DsqlTarget\n"
        "asyncio.run(m.Tokens(DsqlTarget(endpoint='x.y', region='eu-west-1', profile='hangs')).parameters({}))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.wait(60) == 1  # while the source of credentials waits for our end of stdin
        assert process.stderr is not None
        assert f"{CredentialsError.__name__}: no AWS credentials after 2 s" in process.stderr.read()
    assert asked(log) == 1
