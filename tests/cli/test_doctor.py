"""`auroral doctor` as a person runs it: against moto over HTTP, without credentials, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroral.cli.doctor import GROUPS, PROJECT
from auroral.doctor.checks import Group
from auroral.errors import ExitCode
from tests.cli.conftest import Cli
from tests.doctor import programs
from tests.support.moto_server import ACCOUNT, REGION, Moto, moto_server

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "infra/tests/platform/contract.json"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials and no region, from nowhere."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """PATH with every tool as it should be, and a mirror with a provider."""
    programs.complete(tmp_path / "bin")
    programs.program(
        tmp_path / "bin", "terraform", """echo '{"terraform_version":"1.14.0","platform":"linux_arm64"}'"""
    )
    mirror = tmp_path / "mirror"
    (mirror / "registry.terraform.io/hashicorp/aws/5.100.0/linux_arm64").mkdir(parents=True)
    return {**programs.path_of(tmp_path / "bin"), "AURORAL_TERRAFORM_MIRROR": str(mirror)}


@pytest.fixture
def environ(moto: Moto, tools: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Credentials that moto takes, for the SDK and for the command."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return {**tools, **moto.environ}


def test_a_person_before_bootstrap_is_ready(cli: Cli, environ: dict[str, str]) -> None:
    groups = [part for one in GROUPS if one != "quotas" for part in ("--only", one)]
    ended = cli("doctor", "--region", REGION, *groups, environ=environ)
    assert ended.code == ExitCode.OK, ended.out
    assert f"in account {ACCOUNT}" in ended.out
    assert "> auroral infra apply --stack bootstrap" in ended.out
    assert "ready:" in ended.out.splitlines()[-1]


def test_a_deployment_without_its_repositories_is_not(cli: Cli, environ: dict[str, str]) -> None:
    ended = cli("doctor", "--outputs", str(CONTRACT), "--only", "bootstrap", "--json", environ=environ)
    assert ended.code == ExitCode.FAILED
    document = json.loads(ended.out)
    assert (document["schema"], document["account_id"], document["region"]) == ("auroral.doctor/1", ACCOUNT, REGION)
    found = {one["name"]: one for one in document["checks"]}
    assert found["repositories"]["state"] == "missing"
    assert f"dev-terraform-{ACCOUNT}-{REGION}" in found["state bucket"]["found"]


def test_quotas_are_held_against_a_preset(cli: Cli, environ: dict[str, str]) -> None:
    ended = cli("doctor", "--preset", "400wps", "--only", "quotas", "--json", environ=environ)
    document = json.loads(ended.out)
    assert document["needs"] == {"source": "the preset 400wps", "vcpus": 384}
    assert any("the preset 400wps needs 384" in one["found"] for one in document["checks"])
    assert "the preset dev needs" in cli("doctor", "--only", "quotas", environ=environ).out


def test_another_project_is_looked_for(cli: Cli, environ: dict[str, str]) -> None:
    for arguments, name in (((), PROJECT), (("--project", "mine"), "mine")):
        ended = cli("doctor", *arguments, "--only", "bootstrap", environ=environ)
        assert f"there is no {name}-terraform-" in ended.out


def test_a_program_that_is_missing_fails(cli: Cli, tools: dict[str, str], tmp_path: Path) -> None:
    assert cli("doctor", "--only", "tools", environ=tools).code == ExitCode.OK
    (tmp_path / "bin/session-manager-plugin").unlink()
    ended = cli("doctor", "--only", "tools", environ=tools)
    assert ended.code == ExitCode.FAILED
    assert "missing    session-manager-plugin" in ended.out


@pytest.mark.usefixtures("nobody")
def test_without_credentials_the_tools_are_checked_still(cli: Cli, tools: dict[str, str]) -> None:
    ended = cli("doctor", "--region", REGION, "--only", "credentials", "--only", "tools", environ=tools)
    assert ended.code == ExitCode.FAILED
    assert "missing    credentials: no AWS credentials" in ended.out
    assert "ok         terraform: 1.14.0" in ended.out


@pytest.mark.usefixtures("nobody")
def test_the_profiles_region_is_taken(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile ops]\nregion = eu-west-77\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    ended = cli("doctor", "--profile", "ops", "--only", "region")
    assert "knows no region eu-west-77" in ended.out
    assert ended.code == ExitCode.FAILED
    assert "none is named" in cli("doctor", "--only", "region").out
    # One that is no profile is said by the credentials.
    ended = cli("doctor", "--profile", "gone", "--region", REGION, "--only", "credentials")
    assert (ended.code, "gone" in ended.out) == (ExitCode.FAILED, True)


@pytest.mark.usefixtures("nobody")
def test_credentials_that_are_over_are_no_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "very-secret", "SESSION_TOKEN": "z"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")
    ended = cli("doctor", "--region", REGION, "--only", "credentials")
    assert (ended.code, "expired" in ended.out) == (ExitCode.FAILED, True)
    assert "very-secret" not in ended.out + ended.err


def test_an_aws_that_does_not_answer_is_unreachable(cli: Cli, environ: dict[str, str], moto: Moto) -> None:
    away = {**environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    ended = cli("doctor", "--only", "network", environ=away)
    assert ended.code == ExitCode.UNREACHABLE
    assert "UNREACHABLE" in ended.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--region", "Ireland"), "--region: expected a region such as eu-west-1, got 'Ireland'"),
        (("--preset", "huge"), "dev, 100wps, 150wps, 400wps"),
        (("--only", "everything"), "is not one of"),
        (("--outputs", "a.json", "--stack", "platform"), "--outputs and --stack"),
        (("--outputs", "no-such-file.json"), "cannot be read"),
        (("--stack", "no-such-stack"), "there is no directory"),
        (("spare",), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_clear_error(arguments: tuple[str, ...], told: str, cli: Cli) -> None:
    ended = cli("doctor", *arguments)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert not ended.out


def test_the_groups_are_those_that_there_are() -> None:
    assert tuple(Group) == GROUPS


def _until_gone(group: int) -> None:
    """Raises `ProcessLookupError` once a group has no process, within 5 s."""
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        os.killpg(group, 0)
        time.sleep(0.02)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_at_once(tools: dict[str, str], tmp_path: Path, stop: signal.Signals) -> None:
    programs.program(tmp_path / "bin", "session-manager-plugin", f"touch {tmp_path}/begun; exec sleep 20")
    command = [sys.executable, "-m", "auroral", "doctor", "--only", "tools"]
    environ = {**os.environ, **tools}
    with subprocess.Popen(
        command,
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            end_s = time.monotonic() + 30
            while not (tmp_path / "begun").exists() and time.monotonic() < end_s:
                time.sleep(0.02)
            process.send_signal(stop)
            out, err = process.communicate(timeout=15)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (ExitCode.INTERRUPTED, "", "\ninterrupted\n")
    with pytest.raises(ProcessLookupError):  # nothing of its group is left
        _until_gone(process.pid)
