"""One thing that a person needs, as it was found, and what all of them come to. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from auroral.aws_calls import Failure, Kind
from auroral.errors import ExitCode

SCHEMA_ID = "auroral.doctor/1"


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    """Work can go on; something is to be known, or will be needed later."""
    MISSING = "missing"
    """Needed, and not there."""
    UNKNOWN = "not known"
    """It could not be asked."""


class Group(StrEnum):
    """What a check is about; `--only` takes these names."""

    CREDENTIALS = "credentials"
    REGION = "region"
    QUOTAS = "quotas"
    ACCOUNT = "account"
    BOOTSTRAP = "bootstrap"
    TOOLS = "tools"
    NETWORK = "network"


OF_AWS = (Group.CREDENTIALS, Group.REGION, Group.QUOTAS, Group.ACCOUNT, Group.BOOTSTRAP)
"""What AWS is asked for, with the caller's credentials."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    group: Group
    name: str
    state: State
    found: str
    """What was found; where it could not be asked, why."""
    remedy: str = ""
    """One command or sentence; empty: there is nothing to do."""


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """Whose needs the quotas were held against."""

    source: str
    """`the preset dev`, `the deployment temporal`."""
    vcpus: int


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at. The document of `--json`."""

    schema: str = SCHEMA_ID
    auroral_version: str
    at: str
    """ISO 8601, UTC."""
    region: str | None
    account_id: str | None
    """None: AWS did not say."""
    needs: Sized | None
    """None: no quotas were looked at."""
    aws_reached: bool | None
    """Whether AWS answered anything at all; None: it was not asked."""
    checks: tuple[Check, ...]

    def counted(self, state: State) -> int:
        """How many checks stand so."""
        return sum(1 for one in self.checks if one.state is state)

    @property
    def exit_code(self) -> ExitCode:
        """3 where AWS does not answer at all, else 1 where something needed is missing.

        A region that does not exist has no endpoints: then that is what is wrong, and not the network.
        """
        no_region = any(one.group is Group.REGION and one.state is State.MISSING for one in self.checks)
        if self.aws_reached is False and not no_region:
            return ExitCode.UNREACHABLE
        return ExitCode.FAILED if self.counted(State.MISSING) else ExitCode.OK


_ACTIONS = {"service-quotas": "servicequotas"}
_OF_OTHER_NAME = {"s3:HeadBucket": "s3:ListBucket"}
"""AWS, "HeadBucket": the permission for it is that to list the bucket."""


def action(call: str) -> str:
    """The action that a policy must allow for a call, as IAM names it."""
    service, _, operation = call.partition(":")
    named = f"{_ACTIONS.get(service, service)}:{operation}"
    return _OF_OTHER_NAME.get(named, named)


def not_asked(group: Group, name: str, failure: Failure) -> Check:
    """The check of a question that AWS did not answer."""
    if failure.kind is Kind.DENIED:
        found, remedy = f"denied: {failure.words or failure.code}", f"allow {action(failure.call)} to the caller"
    elif failure.kind is Kind.EXPIRED:
        found, remedy = "the credentials expired meanwhile", "renew them: aws sso login, or a new role session"
    elif failure.kind is Kind.THROTTLED:
        found, remedy = f"{failure.call} is throttled", "try again in a minute"
    elif failure.code.isdigit():  # a page of HTML, or nothing: whoever answered was not the service itself
        found, remedy = f"{failure.call} fails with HTTP status {failure.code}", "try again in a minute"
    else:
        found, remedy = f"{failure.call}: {failure.code}: {failure.words}", ""
    return Check(group=group, name=name, state=State.UNKNOWN, found=found, remedy=remedy)
