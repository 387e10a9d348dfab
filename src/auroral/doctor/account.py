"""What an account, its region and its settings must be like: observations in, checks out. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from auroral.doctor.checks import Check, Group, State

REPOSITORIES = ("server", "benchmark", "grafana", "ui", "collector")
"""The default of stacks/bootstrap, which a test compares."""
BOOTSTRAP = "auroral infra apply --stack bootstrap"
SHORT = timedelta(hours=1)
"""Credentials that end sooner may end within an apply: a domain of OpenSearch alone takes half an hour."""
_REGIONS = "https://docs.aws.amazon.com/general/latest/gr/dsql.html"
_RENEW = "aws sso login, or a new role session"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Where the credentials come from, and how long they last. It holds no secret."""

    method: str
    """As botocore names it: `env`, `shared-credentials-file`, `sso`, `assume-role`, `iam-role`, …"""
    expires_at: datetime | None = None
    """None: not known, or never."""
    renewed: bool = False
    """Whether the SDK fetches new ones by itself."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who AWS takes the caller for."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, …"""
        return self.arn.split(":")[1]


def identity(caller: Caller, credentials: Credentials, *, expected: str | None, now: datetime) -> Check:
    """Who the credentials are, of which account, for how long; `expected` is the deployment's account."""
    until = "" if credentials.expires_at is None else f", until {_at(credentials.expires_at)}"
    renewed = ", renewed by itself" if credentials.renewed else ""
    found = f"{caller.arn} in account {caller.account_id} (from {credentials.method}{until}{renewed})"
    state, remedy = State.OK, ""
    if expected is not None and expected != caller.account_id:
        state, found = State.MISSING, f"{found}, but the deployment is in account {expected}"
        remedy = f"--profile, or AWS_PROFILE, with credentials of {expected}"
    elif credentials.expires_at is not None and not credentials.renewed and credentials.expires_at - now < SHORT:
        minutes = max(0, int((credentials.expires_at - now).total_seconds() // 60))
        state, found = State.WARN, f"{found}: {minutes} minutes are left, and an apply takes longer"
        remedy = f"renew them before a long command: {_RENEW}"
    return Check(group=Group.CREDENTIALS, name="credentials", state=state, found=found, remedy=remedy)


def no_credentials(message: str, hint: str) -> Check:
    """There are none."""
    return Check(group=Group.CREDENTIALS, name="credentials", state=State.MISSING, found=message, remedy=hint)


def refused(code: str, words: str, *, expired: bool) -> Check:
    """AWS does not take them."""
    found = f"expired: {words}" if expired else f"AWS refuses them: {code}: {words}"
    remedy = f"renew them: {_RENEW}" if expired else "check the keys, AWS_PROFILE, and the clock of this machine"
    return Check(group=Group.CREDENTIALS, name="credentials", state=State.MISSING, found=found, remedy=remedy)


def no_region() -> Check:
    """None is named anywhere."""
    return Check(
        group=Group.REGION,
        name="region",
        state=State.MISSING,
        found="none is named",
        remedy="--region, AWS_REGION, or a region in the profile of AWS's configuration",
    )


def unknown_region(region: str, known: Collection[str]) -> Check | None:
    """A region that AWS's library does not know, with the nearest that it does; None: it knows it."""
    if region in known or not known:
        return None
    near = " or ".join(difflib.get_close_matches(region, sorted(known), n=2, cutoff=0.6))
    such = f", such as {near}" if near else ""
    return Check(
        group=Group.REGION,
        name="region",
        state=State.MISSING,
        found=f"AWS's library knows no region {region}",
        remedy=f"name another one{such}; or, where it is new, upgrade boto3",
    )


def region(name: str, opt_in: str | None) -> Check:
    """Whether the account may use the region; `opt_in` is EC2's OptInStatus, None where there is no such region."""
    if opt_in == "not-opted-in":
        state, found = State.MISSING, f"{name} is not enabled in this account"
        remedy = f"aws account enable-region --region-name {name}; it takes minutes to hours"
    elif opt_in is None:
        state, found, remedy = State.MISSING, f"EC2 knows no region {name}", "name another one"
    else:
        words = "enabled by default" if opt_in == "opt-in-not-required" else "enabled in this account"
        state, found, remedy = State.OK, f"{name}, {words}", ""
    return Check(group=Group.REGION, name="region", state=state, found=found, remedy=remedy)


def dsql_offered(name: str, *, offered: bool, clusters: int = 0) -> Check:
    """Whether Aurora DSQL answers there."""
    if offered:
        found, remedy = f"Aurora DSQL answers in {name}; clusters of this account there: {clusters}", ""
    else:
        found = f"Aurora DSQL has no endpoint in {name}, while STS answers there"
        remedy = f"take a region that AWS lists for it: {_REGIONS}"
    state = State.OK if offered else State.MISSING
    return Check(group=Group.REGION, name="Aurora DSQL", state=state, found=found, remedy=remedy)


def settings(values: Mapping[str, str], *, deployed: bool) -> list[Check]:
    """ECS's account settings, as they are effective for the caller.

    The instances' own role decides for them; the bootstrap stack sets the account's default, which they follow.
    """
    trunking, insights = values.get("awsvpcTrunking", "disabled"), values.get("containerInsights", "disabled")
    on = trunking in ("enabled", "on")
    return [
        Check(
            group=Group.ACCOUNT,
            name="ECS awsvpcTrunking",
            state=State.OK if on else _lacking(deployed=deployed),
            found=trunking if on else f"{trunking}: an instance has interfaces for two or three tasks only",
            remedy="" if on else f"{BOOTSTRAP}, before instances launch",
        ),
        Check(
            group=Group.ACCOUNT,
            name="ECS containerInsights",
            state=State.OK if insights != "disabled" else State.WARN,
            found=insights if insights != "disabled" else "disabled: CloudWatch gets no metrics of tasks",
            remedy="" if insights != "disabled" else BOOTSTRAP,
        ),
    ]


def linked_roles(there: Collection[str], needed: Sequence[str], *, bootstrapped: bool | None, deployed: bool) -> Check:
    """Service-linked roles, by their services.

    Before the bootstrap stack makes them, it must be told of those that are there already; `bootstrapped` is None
    where it is not known whether it has run.
    """
    lacks = [one for one in needed if one not in there]
    has = [one for one in needed if one in there]
    name, remedy, state = "service-linked roles", "", State.OK
    if not lacks:
        found = f"all {len(needed)} are there"
        if bootstrapped is False:
            state, remedy = State.WARN, _told_of(lacks)
            found += ", and the bootstrap stack would make them again"
    else:
        found = f"not there: {', '.join(lacks)}"
        state, remedy = _lacking(deployed=deployed), BOOTSTRAP
        if has and bootstrapped is False:
            found += f"; there already: {', '.join(has)}"
            remedy = _told_of(lacks)
    return Check(group=Group.ACCOUNT, name=name, state=state, found=found, remedy=remedy)


def _told_of(lacks: Sequence[str]) -> str:
    listed = ", ".join(f'"{one}"' for one in lacks)
    return f"in .auroral/bootstrap/mine.tfvars: service_linked_roles = [{listed}]"


def state_bucket(project: str, account_id: str, region: str) -> str:
    """The bucket of Terraform's state, as stacks/bootstrap names it."""
    return f"{project}-terraform-{account_id}-{region}"


def bucket(name: str, *, there: bool, deployed: bool) -> Check:
    """The bucket of the state."""
    return Check(
        group=Group.BOOTSTRAP,
        name="state bucket",
        state=State.OK if there else _lacking(deployed=deployed),
        found=name if there else f"there is no {name}",
        remedy="" if there else BOOTSTRAP,
    )


def repositories(project: str, there: Collection[str], *, deployed: bool) -> Check:
    """ECR's repositories; `there` are names without the project."""
    lacks = [f"{project}/{one}" for one in REPOSITORIES if one not in there]
    return Check(
        group=Group.BOOTSTRAP,
        name="repositories",
        state=_lacking(deployed=deployed) if lacks else State.OK,
        found=f"not there: {', '.join(lacks)}" if lacks else f"all {len(REPOSITORIES)} of {project}/",
        remedy=BOOTSTRAP if lacks else "",
    )


def _lacking(*, deployed: bool) -> State:
    """What the bootstrap stack makes is missing of a deployment, and merely to come before there is one."""
    return State.MISSING if deployed else State.WARN


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
