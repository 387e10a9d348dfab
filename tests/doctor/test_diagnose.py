"""What is looked at, by what is wanted and what there is: credentials, a region, a deployment."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from auroral.deployment import Deployment, load_outputs
from auroral.doctor.checks import Diagnosis, Group, State
from auroral.doctor.diagnose import Wanted, diagnose
from auroral.doctor.sizes import of_contract, of_preset
from auroral.errors import ExitCode, UsageError
from tests.doctor import programs
from tests.doctor.told import Answer, Told

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CONTRACT = Path(__file__).parents[2] / "infra/tests/platform/contract.json"
ROOT = Path(__file__).parents[2]
WHO = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}


class _Session:
    """boto3's, as far as it is asked where credentials come from."""

    def get_credentials(self) -> object:
        return type("Credentials", (), {"method": "env"})()


def _open(answers: dict[str, Answer]) -> Any:
    def account(region: str) -> Told:
        told = Told(answers)
        told.region = region  # type: ignore[misc]
        told.session = _Session()  # type: ignore[attr-defined]
        return told

    return account


def _no_credentials(region: str) -> Told:
    raise UsageError(f"no AWS credentials for {region}", hint="give some")


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Tools as they should be, and an endpoint of AWS's where nobody listens."""
    programs.complete(tmp_path / "bin")
    programs.program(
        tmp_path / "bin", "terraform", """echo '{"terraform_version":"1.14.0","platform":"linux_arm64"}'"""
    )
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield {
            **programs.path_of(tmp_path / "bin"),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{bound.getsockname()[1]}",
            "AURORAL_TERRAFORM_MIRROR": str(tmp_path / "mirror"),
        }


def _wanted(*groups: Group, **more: Any) -> Wanted:
    known = {"groups": groups or tuple(Group), "region": "eu-west-1", "project": "demo", "needs": of_preset("dev")}
    return Wanted(**(known | more))


def _diagnose(wanted: Wanted, environ: dict[str, str], open_account: Any) -> Diagnosis:
    return diagnose(wanted, environ=environ, start=ROOT, now=NOW, open_account=open_account)


def _states(found: Diagnosis, group: Group) -> list[State]:
    return [one.state for one in found.checks if one.group is group]


def test_without_credentials_the_tools_are_looked_at_still(environ: dict[str, str]) -> None:
    found = _diagnose(_wanted(), environ, _no_credentials)
    assert State.OK in _states(found, Group.TOOLS)
    assert _states(found, Group.CREDENTIALS) == [State.MISSING]
    for group in (Group.REGION, Group.QUOTAS, Group.ACCOUNT, Group.BOOTSTRAP):
        assert _states(found, group) == [State.UNKNOWN]
    assert found.account_id is None
    assert found.aws_reached is False  # nobody listens at the endpoint
    assert found.exit_code is ExitCode.UNREACHABLE


def test_without_a_region_tools_are_looked_at_and_no_account_is_opened(environ: dict[str, str]) -> None:
    def never(region: str) -> Told:
        raise AssertionError(region)

    found = _diagnose(_wanted(region=None), environ, never)
    assert _states(found, Group.REGION) == [State.MISSING]
    assert _states(found, Group.NETWORK) == [State.UNKNOWN]
    assert State.OK in _states(found, Group.TOOLS)
    assert (found.aws_reached, found.exit_code) == (None, ExitCode.FAILED)
    unknown = _diagnose(_wanted(Group.REGION, Group.QUOTAS, region="eu-west-99"), environ, never)
    assert _states(unknown, Group.REGION) == [State.MISSING]
    assert _states(unknown, Group.QUOTAS) == [State.UNKNOWN]


def test_tools_alone_ask_nobody(environ: dict[str, str]) -> None:
    del environ["AURORAL_TERRAFORM_MIRROR"]
    found = _diagnose(_wanted(Group.TOOLS, needs=None), environ, _no_credentials)
    assert {one.group for one in found.checks} == {Group.TOOLS}
    assert (found.aws_reached, found.needs, found.exit_code) == (None, None, ExitCode.OK)


def test_the_groups_come_in_their_order(environ: dict[str, str]) -> None:
    found = _diagnose(_wanted(), environ, _open({"sts.get_caller_identity": WHO}))
    groups = [one.group for one in found.checks]
    assert groups == sorted(groups, key=list(Group).index)
    assert set(groups) == set(Group)
    assert found.account_id == "123456789012"
    assert found.needs is not None
    assert found.needs.source == "the preset dev"


def test_an_aws_that_answers_is_reached_though_its_endpoints_are_not(environ: dict[str, str]) -> None:
    found = _diagnose(_wanted(), environ, _open({"sts.get_caller_identity": WHO}))
    assert (found.aws_reached, found.exit_code) == (True, ExitCode.FAILED)
    away = _diagnose(_wanted(Group.CREDENTIALS), environ, _open({}))
    assert (away.aws_reached, away.exit_code) == (False, ExitCode.UNREACHABLE)


def test_a_group_that_is_not_asked_is_said_once(environ: dict[str, str]) -> None:
    found = _diagnose(_wanted(Group.QUOTAS, Group.ACCOUNT), environ, _open({"sts.get_caller_identity": "ExpiredToken"}))
    assert _states(found, Group.QUOTAS) == [State.UNKNOWN]
    assert _states(found, Group.ACCOUNT) == [State.UNKNOWN]
    assert _states(found, Group.CREDENTIALS) == [State.MISSING]


def test_a_deployment_makes_more_needed(environ: dict[str, str]) -> None:
    answers: dict[str, Answer] = {
        "sts.get_caller_identity": WHO,
        "ecs.list_account_settings": {"settings": []},
        "s3.head_bucket": "404",
        "ecr.describe_repositories": "RepositoryNotFoundException",
        "iam.list_roles": {"Roles": []},
    }
    groups = (Group.ACCOUNT, Group.BOOTSTRAP)
    assert _diagnose(_wanted(*groups), environ, _open(answers)).exit_code is ExitCode.OK
    deployment: Deployment = load_outputs(CONTRACT)
    assert deployment.contract is not None
    wanted = _wanted(*groups, deployment=deployment, needs=of_contract(deployment.contract))
    found = _diagnose(wanted, environ, _open(answers))
    assert found.exit_code is ExitCode.FAILED
    assert {one.state for one in found.checks if one.group is Group.BOOTSTRAP} == {State.MISSING}


def test_the_stores_of_a_deployment_are_tried(environ: dict[str, str]) -> None:
    deployment = Deployment(dsql_endpoint="no.dsql.invalid", opensearch_endpoint="no.search.invalid")
    found = _diagnose(_wanted(Group.NETWORK, deployment=deployment), environ, _no_credentials)
    names = {one.name: one.state for one in found.checks}
    assert names["DSQL at no.dsql.invalid"] is State.WARN
    assert names["OpenSearch at no.search.invalid"] is State.OK
    bare = _diagnose(_wanted(Group.NETWORK, deployment=Deployment()), environ, _no_credentials)
    assert not any("DSQL" in one.name or "OpenSearch" in one.name for one in bare.checks)
