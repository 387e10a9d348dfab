"""`auroral infra` with the real provider: a plan that breaks a property is not applied."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.errors import ExitCode
from tests.support.terraform import Workshop

MAIN = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 6.0.0"
    }
  }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

resource "aws_vpc_security_group_ingress_rule" "open" {
  security_group_id = "sg-0123456789abcdef0"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}
"""


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    (tmp_path / "infra/stacks/platform").mkdir(parents=True)
    (tmp_path / "infra/modules").mkdir()
    (tmp_path / "infra/stacks/platform/main.tf").write_text(MAIN)
    return tmp_path / "infra"


def auroral(workshop: Workshop, infra: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    given = ["infra", *arguments, "--infra", str(infra), "--directory", str(infra.parent / "d")]
    code = run(Process(given, dict(workshop.environ), out, err))
    return code, out.getvalue(), err.getvalue()


@pytest.mark.whole
def test_nothing_is_applied(mocked: Workshop, infra: Path) -> None:
    """Without any AWS to apply it to, the check comes first."""
    code, out, err = auroral(mocked, infra, "apply", "--yes")
    assert code == ExitCode.FAILED, err
    assert "aws_vpc_security_group_ingress_rule.open: admits 0.0.0.0/0" in out
    assert "nothing was applied" in err
    assert not (infra.parent / "d/terraform.tfstate").exists()


@pytest.mark.whole
def test_the_saved_plan_is_checked_as_a_file_too(mocked: Workshop, infra: Path) -> None:
    assert auroral(mocked, infra, "plan")[0] == ExitCode.FAILED
    code, out, _ = auroral(mocked, infra, "check", str(infra.parent / "d/plan.tfplan"))
    assert code == ExitCode.FAILED
    assert "no-open-ingress" in out
    assert (infra.parent / "d/plan.json").stat().st_mode & 0o077 == 0
