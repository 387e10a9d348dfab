"""`auroral secrets grafana` as a user runs it, against moto's Secrets Manager."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Ended
from tests.support.contract_file import CONTRACT
from tests.support.moto_server import REGION, Moto, moto_server

Secrets = Callable[..., Ended]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One server for all; each test has a project of its own."""
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as server:
        yield server


@pytest.fixture
def secrets(cli: Cli, moto: Moto, monkeypatch: pytest.MonkeyPatch, unique: str) -> Secrets:
    """`auroral secrets grafana` of a project."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)

    def call(*arguments: str, terminal: bool = False, named: bool = True) -> Ended:
        whose = ("--project", unique, "--region", REGION) if named else ()
        return cli("secrets", "grafana", *whose, *arguments, environ=moto.environ, terminal=terminal)

    return call


def content(moto: Moto, name: str) -> dict[str, str]:
    """What the secret holds."""
    text = moto.client("secretsmanager").get_secret_value(SecretId=f"{name}/grafana")["SecretString"]
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Sit at the terminal."""

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Typed(text))


def test_it_is_made_once_and_its_arn_is_all_that_is_said(
    secrets: Secrets, moto: Moto, unique: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "secret.tfvars"
    ended = secrets("--tfvars", str(file))
    assert ended.code == 0, ended.err
    held = content(moto, unique)
    arn = ended.out.strip()
    # As infra/stacks/platform/variables_images.tf expects it.
    assert re.fullmatch("arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+", arn)
    assert file.read_text().splitlines()[-1] == f'grafana_secret_arn = "{arn}"'
    assert set(held) == {"admin_user", "admin_password"}
    assert len(held["admin_password"]) >= 24
    again = secrets("--tfvars", str(file))
    assert (again.code, again.out) == (0, ended.out)
    assert "stays as it is" in again.err
    assert content(moto, unique) == held
    told = ended.out + ended.err + again.out + again.err + file.read_text() + caplog.text
    assert held["admin_password"] not in told
    tags = moto.client("secretsmanager").describe_secret(SecretId=f"{unique}/grafana")["Tags"]
    assert {"Key": "Project", "Value": unique} in tags


def test_the_password_is_shown_when_asked(secrets: Secrets, moto: Moto, unique: str) -> None:
    ended = secrets("--show")
    held = content(moto, unique)
    assert ended.out.splitlines()[1:] == [f"user      {held['admin_user']}", f"password  {held['admin_password']}"]
    assert secrets("--show").out == ended.out


def test_a_new_password_is_asked_for(
    secrets: Secrets, moto: Moto, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets()
    before = content(moto, unique)
    ended = secrets("--rotate")
    assert ended.code == 2
    assert "nobody is here to confirm it" in ended.err
    answer(monkeypatch, "no\n")
    ended = secrets("--rotate", terminal=True)
    assert ended.code == 2
    assert "nothing was changed" in ended.err
    assert content(moto, unique) == before
    answer(monkeypatch, "yes\n")
    ended = secrets("--rotate", terminal=True)
    after = content(moto, unique)
    assert ended.code == 0, ended.err
    assert "auroral cluster roll grafana --force" in ended.err
    assert after["admin_password"] != before["admin_password"]
    assert after["admin_password"] not in ended.out + ended.err
    assert secrets("--rotate", "--yes").code == 0
    assert content(moto, unique) != after


def test_one_that_is_to_go_is_restored_once_confirmed(
    secrets: Secrets, moto: Moto, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = secrets().out
    held = content(moto, unique)
    moto.client("secretsmanager").delete_secret(SecretId=f"{unique}/grafana", RecoveryWindowInDays=7)
    ended = secrets()
    assert (ended.code, ended.out) == (2, "")
    assert "scheduled for deletion, and nobody is here to confirm it" in ended.err
    assert "--yes" in ended.err
    shown = secrets("--dry-run").out
    assert shown.startswith(f"aws --region {REGION} secretsmanager restore-secret")
    answer(monkeypatch, "yes\n")
    ended = secrets(terminal=True)
    assert (ended.code, ended.out) == (0, arn)
    assert "is restored" in ended.err
    assert content(moto, unique) == held


@pytest.mark.parametrize("text", ["hunter2", '{"admin_user": "hunter2"}'])
def test_another_content_is_told(secrets: Secrets, moto: Moto, unique: str, text: str) -> None:
    moto.client("secretsmanager").create_secret(Name=f"{unique}/grafana", SecretString=text)
    ended = secrets()
    assert (ended.code, ended.out) == (3, "")
    assert f"expected the secret {unique}/grafana to hold JSON" in ended.err
    assert "hunter2" not in ended.err
    assert secrets("--rotate", "--yes").code == 0
    assert content(moto, unique)["admin_user"] == "admin"


def test_dry_run_prints_the_call_and_makes_nothing(secrets: Secrets, moto: Moto, unique: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.tfvars"
    ended = secrets("--dry-run", "--tfvars", str(file))
    assert ended.code == 0, ended.err
    assert f"secretsmanager create-secret --name {unique}/grafana" in ended.out
    assert not file.exists()
    assert moto.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": [unique]}])["SecretList"] == []
    secrets()
    ended = secrets("--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert "nothing would be changed" in ended.err
    held = content(moto, unique)
    assert held["admin_password"] not in secrets("--dry-run", "--rotate").out
    assert content(moto, unique) == held


def test_a_deployment_names_its_own(secrets: Secrets, moto: Moto, unique: str, tmp_path: Path) -> None:
    arn = secrets().out.strip()
    contract = json.loads(CONTRACT.read_text()) | {"project": unique, "region": REGION, "grafana_secret_arn": arn}
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"contract": {"value": contract}}))
    ended = secrets("--outputs", str(outputs), named=False)
    assert (ended.code, ended.out.strip()) == (0, arn)
    ended = secrets("--outputs", str(outputs))
    assert ended.code == 2
    assert "--outputs, or --project and --region" in ended.err


def test_wrong_usage(secrets: Secrets, moto: Moto, unique: str, tmp_path: Path) -> None:
    others = tmp_path / "mine.tfvars"
    others.write_text('project = "mine"\n')
    outputs = tmp_path / "outputs.json"
    outputs.write_text("{}")
    for arguments, words in (
        (("--tfvars", str(others)), "also sets project"),
        (("--tfvars", "secret.json"), "ends with .tfvars"),
    ):
        ended = secrets(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err
    assert secrets("--outputs", str(outputs), named=False).code == 2
    assert secrets("--project", "No", named=False).code == 2
    assert moto.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": [unique]}])["SecretList"] == []
