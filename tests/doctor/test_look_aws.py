"""What AWS answers becomes checks: over HTTP with moto, and each failure at the account's boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auroral.aws_account import AwsAccount
from auroral.doctor import look_aws
from auroral.doctor.account import REPOSITORIES, Credentials
from auroral.doctor.checks import Check, Group, State
from auroral.doctor.look_aws import Asked, Watched
from auroral.doctor.run import look_at_all
from auroral.infra.smoke_account import SERVICES
from tests.doctor.told import Told
from tests.support.moto_server import ACCOUNT, REGION, Moto

NOW = datetime(2026, 11, 26, tzinfo=UTC)
WHO = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}
GROUPS = (Group.CREDENTIALS, Group.REGION, Group.ACCOUNT, Group.BOOTSTRAP)


def _look(account: Any, *groups: Group, **more: Any) -> dict[str, Check]:
    known = {"expected_account": None, "project": "demo", "deployed": False, "now": NOW} | more
    asked = Asked(account, Credentials(method="env"), **known)
    return {one.name: one for one in look_at_all(asked.probes(groups or GROUPS))}


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount(region=REGION)


def test_an_empty_account_is_ready_for_bootstrap(account: AwsAccount) -> None:
    found = _look(account, project="empty")
    assert ACCOUNT in found["credentials"].found
    assert [found[name].state for name in ("credentials", "region", "Aurora DSQL")] == [State.OK] * 3
    for name in ("state bucket", "repositories", "service-linked roles", "ECS awsvpcTrunking"):
        assert found[name].state is State.WARN, name
        assert found[name].remedy.startswith("auroral infra apply --stack bootstrap")


def test_what_bootstrap_makes_is_found(moto: Moto, account: AwsAccount) -> None:
    bucket = f"demo-terraform-{ACCOUNT}-{REGION}"
    ecr, iam, ecs = (moto.client(one) for one in ("ecr", "iam", "ecs"))
    made = [iam.create_service_linked_role(AWSServiceName=one)["Role"]["RoleName"] for one in SERVICES]
    try:
        moto.client("s3").create_bucket(Bucket=bucket)
        ecs.put_account_setting(name="awsvpcTrunking", value="enabled")
        for name in REPOSITORIES[:-1]:
            ecr.create_repository(repositoryName=f"demo/{name}")
        found = _look(account, deployed=True)
        assert found["state bucket"].state is State.OK
        assert found["ECS awsvpcTrunking"].state is State.OK
        assert found["service-linked roles"].state is State.OK
        assert found["repositories"].state is State.MISSING
        assert f"demo/{REPOSITORIES[-1]}" in found["repositories"].found
        assert f"demo/{REPOSITORIES[0]}" not in found["repositories"].found
        ecr.create_repository(repositoryName=f"demo/{REPOSITORIES[-1]}")
        assert _look(account, Group.BOOTSTRAP)["repositories"].state is State.OK
    finally:
        for name in made:
            iam.delete_service_linked_role(RoleName=name)
        ecs.delete_account_setting(name="awsvpcTrunking")


def test_clusters_of_dsql_are_counted(moto: Moto, account: AwsAccount) -> None:
    before = look_aws.dsql_clusters(account)
    moto.client("dsql").create_cluster()
    assert look_aws.dsql_clusters(account) == before + 1
    assert f"there: {before + 1}" in _look(account, Group.REGION)["Aurora DSQL"].found


def _told(**changed: Any) -> Told:
    answers: dict[str, Any] = {
        "sts.get_caller_identity": WHO,
        "ec2.describe_regions": {"Regions": [{"RegionName": "eu-west-1", "OptInStatus": "opt-in-not-required"}]},
        "dsql.list_clusters": {"clusters": []},
        "ecs.list_account_settings": {"settings": []},
        "iam.list_roles": {"Roles": []},
        "s3.head_bucket": {},
        "ecr.describe_repositories": {},
    }
    return Told(answers | {name.replace("__", "."): value for name, value in changed.items()})


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException"])
def test_expired_credentials_stop_everything_else(code: str) -> None:
    account = _told(sts__get_caller_identity=code)
    found = _look(account)
    assert found["credentials"].state is State.MISSING
    assert "aws sso login" in found["credentials"].remedy
    assert {one.state for name, one in found.items() if name != "credentials"} == {State.UNKNOWN}
    assert [name for name, _ in account.calls] == ["sts.get_caller_identity"]


def test_keys_that_aws_refuses_are_missing() -> None:
    check = _look(_told(sts__get_caller_identity="InvalidClientTokenId"))["credentials"]
    assert (check.state, "InvalidClientTokenId" in check.found) == (State.MISSING, True)


def test_an_sts_that_does_not_answer_is_not_known() -> None:
    account = Watched(_told(sts__get_caller_identity="EndpointConnectionError"))
    assert _look(account)["credentials"].state is State.UNKNOWN
    assert account.answered is False


def test_a_refusal_is_an_answer() -> None:
    account = Watched(_told(sts__get_caller_identity="ExpiredToken"))
    _look(account)
    assert account.answered is True
    assert (account.region, account.profile) == ("eu-west-1", None)


def test_the_callers_line_is_left_out_where_only_others_are_wanted_unless_it_is_wrong() -> None:
    assert "credentials" not in _look(_told(), Group.REGION)
    assert "credentials" in _look(_told(sts__get_caller_identity="ExpiredToken"), Group.REGION)
    assert "credentials" in _look(_told(), Group.REGION, expected_account="210987654321")


@pytest.mark.parametrize(
    ("call", "name", "action"),
    [
        ("ec2__describe_regions", "region", "ec2:DescribeRegions"),
        ("dsql__list_clusters", "Aurora DSQL", "dsql:ListClusters"),
        ("ecs__list_account_settings", "ECS account settings", "ecs:ListAccountSettings"),
        ("iam__list_roles", "service-linked roles", "iam:ListRoles"),
        ("s3__head_bucket", "state bucket", "s3:ListBucket"),
        ("ecr__describe_repositories", "repositories", "ecr:DescribeRepositories"),
    ],
)
def test_what_is_denied_is_not_known_and_names_the_action(call: str, name: str, action: str) -> None:
    code = "403" if call == "s3__head_bucket" else "AccessDeniedException"
    found = _look(_told(**{call: code}))
    assert found[name].state is State.UNKNOWN
    assert action in found[name].remedy


def test_throttling_of_one_leaves_the_others() -> None:
    found = _look(_told(ecs__list_account_settings="ThrottlingException"))
    assert "throttled" in found["ECS account settings"].found
    assert found["region"].state is State.OK


def test_a_region_without_dsql_is_told_from_one_that_cannot_be_asked() -> None:
    assert _look(_told(dsql__list_clusters="EndpointConnectionError"))["Aurora DSQL"].state is State.MISSING
    assert _look(_told(dsql__list_clusters="InternalServerException"))["Aurora DSQL"].state is State.UNKNOWN


def test_a_region_that_ec2_does_not_know_is_missing() -> None:
    assert _look(_told(ec2__describe_regions="InvalidParameterValue"))["region"].state is State.MISSING
    off = {"Regions": [{"OptInStatus": "not-opted-in"}]}
    assert "enable-region" in _look(_told(ec2__describe_regions=off))["region"].remedy


def test_roles_of_every_page_are_seen() -> None:
    def pages(arguments: Any) -> dict[str, Any]:
        half = len(SERVICES) // 2
        names = SERVICES[half:] if "Marker" in arguments else SERVICES[:half]
        roles = [{"Path": f"/aws-service-role/{one}/"} for one in names]
        return {"Roles": roles} | ({} if "Marker" in arguments else {"Marker": "next", "IsTruncated": True})

    account = _told(iam__list_roles=pages)
    assert _look(account, deployed=True)["service-linked roles"].state is State.OK
    assert len(account.called("iam.list_roles")) == 2


def test_roles_that_are_there_before_bootstrap_are_told() -> None:
    roles = {"Roles": [{"Path": f"/aws-service-role/{SERVICES[1]}/"}]}
    found = _look(_told(iam__list_roles=roles, s3__head_bucket="404"))
    assert "service_linked_roles = [" in found["service-linked roles"].remedy
    # A bucket that may not be seen: nothing is said of what bootstrap would do.
    found = _look(_told(iam__list_roles=roles, s3__head_bucket="403"))
    assert "service_linked_roles" not in found["service-linked roles"].remedy


def test_credentials_of_the_environment_do_not_renew_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y", "SESSION_TOKEN": "z"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert look_aws.credentials_of(boto3.Session()) == Credentials(method="env")
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends.isoformat())
    assert look_aws.credentials_of(boto3.Session()) == Credentials(method="env", expires_at=ends, renewed=False)


def test_regions_of_every_partition_are_known() -> None:
    assert {"eu-west-1", "cn-north-1", "us-gov-west-1"} < look_aws.known_regions()
