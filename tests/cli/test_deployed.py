"""Which deployment a command acts on: outputs, a stack, or names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from auroral.cli.deployed import operated
from auroral.cli.process import Process
from auroral.errors import UsageError
from tests.support.contract_file import CONTRACT

NOTHING: dict[str, Any] = dict.fromkeys(("outputs", "stack", "cluster", "project", "region", "profile"))


class Door:
    """An account that was asked for nothing."""

    def __init__(self, *, region: str | None, profile: str | None) -> None:
        self.region = region or ""
        self.profile = profile

    def call(self, service: str, operation: str, /, **arguments: Any) -> Any:
        raise AssertionError(f"{service} {operation}")


def _process(**environ: str) -> Process:
    return Process([], environ, io.StringIO(), io.StringIO())


@pytest.fixture
def outputs(tmp_path: Path) -> str:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({"contract": {"value": json.loads(CONTRACT.read_text())}}))
    return str(path)


def test_outputs_tell_all(outputs: str) -> None:
    found = operated(_process(AWS_REGION="eu-west-1"), **{**NOTHING, "outputs": outputs}, account=Door)
    assert found.fleet.cluster == "dev"
    assert found.account.region == "us-east-1"
    assert found.flags == ("--outputs", outputs)


def test_a_region_and_profile_that_are_given_come_first(outputs: str) -> None:
    given = {**NOTHING, "outputs": outputs, "region": "eu-north-1", "profile": "ops"}
    found = operated(_process(AWS_PROFILE="other"), **given, account=Door)
    assert (found.account.region, found.account.profile) == ("eu-north-1", "ops")
    assert found.flags == ("--outputs", outputs, "--region", "eu-north-1", "--profile", "ops")


def test_the_profile_of_the_environment(outputs: str) -> None:
    assert (
        operated(_process(AWS_PROFILE="env"), **{**NOTHING, "outputs": outputs}, account=Door).account.profile == "env"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "expected one of --outputs, --stack and --cluster, found none"),
        ({"outputs": "x", "cluster": "y"}, "found --outputs and --cluster"),
        ({"outputs": "x", "project": "y"}, "--project is for --cluster"),
        ({"stack": "nowhere"}, "there is no directory .auroral/nowhere"),
    ],
)
def test_what_cannot_be_meant(given: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        operated(_process(), **{**NOTHING, **given}, account=Door)


def test_outputs_of_another_stack(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text('{"backend": {"value": {}}}')
    with pytest.raises(UsageError, match="has no output contract"):
        operated(_process(), **{**NOTHING, "outputs": str(path)}, account=Door)


def test_outputs_without_a_contract_are_told_before_a_region_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match="has no output contract"):
        operated(_process(), **{**NOTHING, "outputs": str(path)})
