"""`auroral infra` as a user runs it, on small configurations that need no provider from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended
from tests.support.deployment_document import deployment

MAIN = """
variable "rate" {
  type = number

  validation {
    condition     = var.rate <= 100
    error_message = "16 × 8 history = ${var.rate}/s of 100: lower rate."
  }
}

variable "wait_s" {
  type    = number
  default = 0
}

resource "terraform_data" "this" {
  input = var.rate

  provisioner "local-exec" {
    command = "exec sleep ${var.wait_s}"
  }
}

output "contract" {
  value = { version = 1, project = "demo" }
}
"""
POLICY = 'module.task["ui"].aws_iam_role_policy.task'


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """A stack of Terraform's own resources, and a directory with its variables."""
    (tmp_path / "infra/stacks/platform").mkdir(parents=True)
    (tmp_path / "infra/modules").mkdir()
    (tmp_path / "infra/profiles").mkdir()
    (tmp_path / "infra/profiles/dev.tfvars").write_text("rate = 50\n")
    (tmp_path / "infra/stacks/platform/main.tf").write_text(MAIN)
    return tmp_path / "infra"


@pytest.fixture
def terraformed(cli: Cli, infra: Path) -> Cli:
    """The command, with Terraform on PATH."""

    def call(*arguments: str, environ: dict[str, str] | None = None, terminal: bool = False) -> Ended:
        return cli("infra", *arguments, environ={"PATH": os.environ["PATH"], **(environ or {})}, terminal=terminal)

    assert infra
    return call


def test_from_nothing_to_nothing(terraformed: Cli, infra: Path, tmp_path: Path) -> None:
    ended = terraformed("plan", "--profile", "dev")
    assert ended.code == 0, ended.err
    assert "plan: 1 to create, 0 to change, 0 to destroy" in ended.err
    assert "passed: 1 of 32 properties hold" in ended.out
    assert terraformed("check").code == 0
    ended = terraformed("apply", "--profile", "dev", "--yes")
    assert ended.code == 0, ended.err
    assert "[1/1] created terraform_data.this" in ended.err
    ended = terraformed("output")
    assert json.loads(ended.out)["contract"]["value"]["project"] == "demo"
    assert terraformed("check", "--state").code == 0
    ended = terraformed("destroy", "--profile", "dev", "--yes")
    assert ended.code == 0, ended.err
    assert "destroyed: 1 resources of platform" in ended.out
    assert "there is nothing to destroy" in terraformed("destroy", "--profile", "dev", "--yes").err
    assert {path.name for path in infra.rglob("*") if path.is_file()} == {"dev.tfvars", "main.tf"}
    assert (tmp_path / ".auroral/platform/terraform.tfstate").exists()


def test_a_budget_that_is_over_is_told_as_the_module_says_it(terraformed: Cli, tmp_path: Path) -> None:
    (tmp_path / ".auroral/platform").mkdir(parents=True)
    (tmp_path / ".auroral/platform/own.tfvars").write_text("rate = 128\n")
    ended = terraformed("plan", "--profile", "dev")
    assert ended.code == ExitCode.USAGE
    assert "error: 16 × 8 history = 128/s of 100: lower rate." in ended.err


def test_a_variable_that_is_missing(terraformed: Cli) -> None:
    ended = terraformed("plan")
    assert ended.code == ExitCode.USAGE
    assert 'input variable "rate" is not set' in ended.err


def test_nobody_is_there_to_confirm(terraformed: Cli) -> None:
    for command in ("apply", "destroy"):
        if command == "destroy":
            assert terraformed("apply", "--profile", "dev", "--yes").code == 0
        ended = terraformed(command, "--profile", "dev")
        assert ended.code == ExitCode.USAGE
        assert "--yes" in ended.err


def test_no_terraform(cli: Cli, infra: Path, tmp_path: Path) -> None:
    ended = cli("infra", "plan", environ={"PATH": str(tmp_path)})
    assert ended.code == ExitCode.USAGE
    assert "expected terraform 1.11 or later on PATH, found none" in ended.err
    assert infra


def test_an_old_terraform(cli: Cli, infra: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin/terraform"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho \'{"terraform_version": "1.9.8"}\'\n')
    program.chmod(0o755)
    ended = cli("infra", "plan", environ={"PATH": f"{program.parent}:{os.environ['PATH']}"})
    assert ended.code == ExitCode.USAGE
    assert f"{program} is 1.9.8" in ended.err
    assert infra


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "--stack", "platfrom"], "expected one of platform"),
        (["plan", "--profile", "huge"], "expected one of dev"),
        (["check"], "expected a plan in"),
        (["check", "x.json", "--state"], "expected FILE or --state"),
        (["check", "nowhere.json"], "cannot be read"),
        (["check", "--state"], "the state holds nothing"),
        (["plan", "--infra", "/nowhere"], "expected a folder that holds stacks/"),
    ],
)
def test_wrong_usage(terraformed: Cli, arguments: list[str], words: str) -> None:
    ended = terraformed(*arguments)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_a_mirror_that_holds_nothing(terraformed: Cli, tmp_path: Path) -> None:
    ended = terraformed("plan", "--profile", "dev", environ={"AURORAL_TERRAFORM_MIRROR": str(tmp_path)})
    assert ended.code == ExitCode.USAGE
    assert "expected a folder that holds registry.terraform.io" in ended.err


def test_check_of_a_file(cli: Cli, tmp_path: Path) -> None:
    document = deployment()
    (tmp_path / "plan.json").write_text(document.plan())
    assert cli("infra", "check", "plan.json").code == 0
    document.set_statements(POLICY, {"Action": "s3:GetObject", "Resource": "*"})
    (tmp_path / "plan.json").write_text(document.plan())
    ended = cli("infra", "check", "plan.json")
    assert ended.code == ExitCode.FAILED
    assert "allows s3:GetObject on *" in ended.out
    waiver = f"[[waiver]]\nproperty = 13\naddress = '{POLICY}'\nreason = 'a lab with nothing in it'\n"
    (tmp_path / "accepted.toml").write_text(waiver)
    ended = cli("infra", "check", "plan.json", "--waivers", "accepted.toml")
    assert ended.code == 0
    assert "a lab with nothing in it" in ended.out


def test_check_as_json_and_strictly(cli: Cli, tmp_path: Path) -> None:
    document = deployment()
    del document[POLICY]["policy"]
    (tmp_path / "plan.json").write_text(document.plan(unknown={POLICY: {"policy": True}}))
    ended = cli("infra", "check", "plan.json", "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert told["passed"] is True
    assert [one["number"] for one in told["verdicts"] if one["status"] == "unknown"] == [10, 11, 13]
    assert cli("infra", "check", "plan.json", "--strict").code == ExitCode.FAILED


@pytest.mark.parametrize(
    ("option", "words"), [("--waivers=nowhere.toml", "cannot be read"), ("--waivers=bad.toml", "not TOML")]
)
def test_waivers_that_cannot_be_read(cli: Cli, tmp_path: Path, option: str, words: str) -> None:
    (tmp_path / "plan.json").write_text(deployment().plan())
    (tmp_path / "bad.toml").write_text("=")
    ended = cli("infra", "check", "plan.json", option)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err


def test_the_properties_are_listed(cli: Cli) -> None:
    ended = cli("infra", "check", "--list")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 32


def test_an_interrupt_is_passed_on_and_waited_for(infra: Path, tmp_path: Path) -> None:
    """Terraform ends what it has begun and writes the state; a second command meanwhile finds it locked."""
    arguments = ["apply", "--profile", "dev", "--yes", "--var-file", str(tmp_path / "wait.tfvars")]
    (tmp_path / "wait.tfvars").write_text("wait_s = 30\n")
    command = [sys.executable, "-m", "auroral", "infra"]
    environ = {**os.environ, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "err.log"
    with (
        log.open("w") as err,
        subprocess.Popen([*command, *arguments], cwd=tmp_path, env=environ, stdout=err, stderr=err) as process,
    ):
        _wait_for_sleep(process.pid)
        second = [*command, "apply", "--profile", "dev", "--yes"]
        locked = subprocess.run(second, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert locked.returncode == ExitCode.UNREACHABLE, locked.stderr
        assert "the state is locked by" in locked.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == ExitCode.INTERRUPTED
    assert "interrupted; Terraform is told" in log.read_text()
    assert infra


def _wait_for_sleep(pid: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(one.name() == "sleep" for one in psutil.Process(pid).children(recursive=True)):
            return
        time.sleep(0.1)
    raise AssertionError("the apply never began")
