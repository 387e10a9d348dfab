"""What is said of caller, region, settings, roles and what the bootstrap stack makes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auroral.doctor import account
from auroral.doctor.account import Caller, Credentials
from auroral.doctor.checks import State
from auroral.infra.smoke_account import SERVICES

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
CALLER = Caller(account_id="123456789012", arn="arn:aws:sts::123456789012:assumed-role/ops/me")
VARIABLES = (Path(__file__).parents[2] / "infra/stacks/bootstrap/variables.tf").read_text()


def _identity(credentials: Credentials, expected: str | None = None) -> account.Check:
    return account.identity(CALLER, credentials, expected=expected, now=NOW)


def test_the_caller_is_named_with_account_source_and_end() -> None:
    check = _identity(Credentials(method="sso", expires_at=NOW + timedelta(hours=8), renewed=True))
    assert check.state is State.OK
    for told in (CALLER.arn, CALLER.account_id, "from sso", "until 2026-11-26 20:00 UTC", "renewed by itself"):
        assert told in check.found


def test_credentials_that_end_within_the_hour_are_warned_of_unless_they_renew_themselves() -> None:
    soon = NOW + timedelta(minutes=20)
    check = _identity(Credentials(method="env", expires_at=soon))
    assert check.state is State.WARN
    assert "20 minutes are left" in check.found
    assert _identity(Credentials(method="assume-role", expires_at=soon, renewed=True)).state is State.OK
    assert _identity(Credentials(method="env", expires_at=NOW + timedelta(hours=2))).state is State.OK
    assert _identity(Credentials(method="env")).state is State.OK


def test_credentials_of_another_account_than_the_deployments_are_missing() -> None:
    assert _identity(Credentials(method="env"), expected="123456789012").state is State.OK
    check = _identity(Credentials(method="env"), expected="210987654321")
    assert check.state is State.MISSING
    assert "210987654321" in check.found
    assert "210987654321" in check.remedy


def test_an_unknown_region_is_told_with_the_nearest() -> None:
    known = {"eu-west-1", "eu-west-2", "us-east-1"}
    assert account.unknown_region("eu-west-1", known) is None
    assert account.unknown_region("eu-west-9", ()) is None  # without the library nothing is known of regions
    check = account.unknown_region("eu-west-9", known)
    assert check is not None
    assert check.state is State.MISSING
    assert "eu-west-" in check.remedy


@pytest.mark.parametrize(
    ("opt_in", "state", "told"),
    [
        ("opt-in-not-required", State.OK, "enabled by default"),
        ("opted-in", State.OK, "enabled in this account"),
        ("not-opted-in", State.MISSING, "not enabled"),
        (None, State.MISSING, "no region"),
    ],
)
def test_a_region_must_be_enabled(opt_in: str | None, state: State, told: str) -> None:
    check = account.region("ap-east-1", opt_in)
    assert (check.state, told in check.found) == (state, True)
    assert bool(check.remedy) is (state is State.MISSING)


def test_a_region_must_have_dsql() -> None:
    assert account.dsql_offered("eu-west-1", offered=True, clusters=2).state is State.OK
    check = account.dsql_offered("sa-east-1", offered=False)
    assert check.state is State.MISSING
    assert "docs.aws.amazon.com" in check.remedy


def test_trunking_is_needed_once_there_is_a_deployment_and_insights_never_are() -> None:
    off = {"awsvpcTrunking": "disabled", "containerInsights": "disabled"}
    trunking, insights = account.settings(off, deployed=False)
    assert (trunking.state, insights.state) == (State.WARN, State.WARN)
    trunking, insights = account.settings(off, deployed=True)
    assert (trunking.state, insights.state) == (State.MISSING, State.WARN)
    assert trunking.remedy.startswith(account.BOOTSTRAP)
    on = account.settings({"awsvpcTrunking": "enabled", "containerInsights": "enhanced"}, deployed=True)
    assert [one.state for one in on] == [State.OK, State.OK]
    assert [one.state for one in account.settings({}, deployed=True)] == [State.MISSING, State.WARN]


def test_roles_that_are_there_must_be_left_out_of_bootstrap() -> None:
    some = SERVICES[:2]
    check = account.linked_roles(some, SERVICES, bootstrapped=False, deployed=False)
    assert check.state is State.WARN
    assert SERVICES[2] in check.remedy
    assert SERVICES[3] in check.remedy
    assert f'"{SERVICES[0]}"' not in check.remedy
    check = account.linked_roles(SERVICES, SERVICES, bootstrapped=False, deployed=False)
    assert (check.state, check.remedy.endswith("service_linked_roles = []")) == (State.WARN, True)
    assert account.linked_roles((), SERVICES, bootstrapped=False, deployed=False).remedy == account.BOOTSTRAP


def test_roles_are_missing_of_a_deployment_only() -> None:
    assert account.linked_roles(SERVICES, SERVICES, bootstrapped=True, deployed=True).state is State.OK
    assert account.linked_roles(SERVICES, SERVICES, bootstrapped=None, deployed=False).state is State.OK
    assert account.linked_roles(SERVICES[:3], SERVICES, bootstrapped=True, deployed=True).state is State.MISSING
    assert account.linked_roles(SERVICES[:3], SERVICES, bootstrapped=True, deployed=False).state is State.WARN


def test_bucket_and_repositories_are_warned_of_before_a_deployment_and_missing_of_one() -> None:
    assert account.bucket("b", there=True, deployed=True).state is State.OK
    assert account.bucket("b", there=False, deployed=False).state is State.WARN
    assert account.bucket("b", there=False, deployed=True).state is State.MISSING
    check = account.repositories("demo", ("server", "ui"), deployed=True)
    assert check.state is State.MISSING
    assert "demo/grafana" in check.found
    assert "demo/server" not in check.found
    assert account.repositories("demo", account.REPOSITORIES, deployed=True).state is State.OK


def test_the_names_are_those_of_the_bootstrap_stack() -> None:
    declared = VARIABLES.split('variable "repositories"')[1].split("default")[1].split("]")[0]
    assert tuple(re.findall(r'"([a-z]+)"', declared)) == account.REPOSITORIES
    stack = (Path(__file__).parents[2] / "infra/stacks/bootstrap/state_bucket.tf").read_text()
    assert "${var.project}-terraform-${var.account_id}-${var.region}" in stack
    assert account.state_bucket("p", "1", "r") == "p-terraform-1-r"
