"""Grafana's administrator in Secrets Manager: made once, kept, restored, given a new password. Acts.

The password is in no message, no call that is printed, and no repr.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Call, Kind
from auroral.errors import TargetError

USER = "admin"
_ENTROPY_BYTES = 24
"""As text of base64 that is 32 characters, none of which a shell or an URL minds."""
_HIDDEN = "[made when it is run]"

Done = Literal["kept", "made", "restored", "rotated"]


def secret_name(project: str) -> str:
    """Its name in Secrets Manager."""
    return f"{project}/grafana"


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who may do everything in Grafana."""

    user: str
    password: str = field(repr=False)

    def text(self) -> str:
        """As the secret holds it; the platform's task definition takes both by their names."""
        return json.dumps({"admin_user": self.user, "admin_password": self.password})


def new_administrator(user: str = USER) -> Administrator:
    """One with a password that nobody has seen."""
    return Administrator(user, secrets.token_urlsafe(_ENTROPY_BYTES))


def parse(text: object, name: str) -> Administrator:
    """Read the secret's content. Raises `TargetError`, which tells nothing of the content."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        wrong = "it is no JSON object"
    elif wanting := [
        key for key in ("admin_user", "admin_password") if not isinstance(found.get(key), str) or not found[key]
    ]:
        wrong = f"{' and '.join(wanting)} {'is' if len(wanting) == 1 else 'are'} wanting, empty or no text"
    else:
        return Administrator(found["admin_user"], found["admin_password"])
    raise TargetError(
        f"expected the secret {name} to hold JSON with the texts admin_user and admin_password: {wrong}",
        hint="auroral secrets grafana --rotate writes both anew",
    )


@dataclass(frozen=True, slots=True)
class Found:
    """The secret as Secrets Manager describes it."""

    arn: str
    deleted: bool
    """Whether it is scheduled for deletion."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, and what is there now."""

    arn: str
    done: Done
    administrator: Administrator


class GrafanaSecret:
    """The secret of one project. `secret_id` is its name, or the ARN that a deployment names."""

    def __init__(self, account: Account, project: str, secret_id: str | None = None) -> None:
        self._account = account
        self._project = project
        self._id = secret_id or secret_name(project)

    def look(self) -> Found | None:
        """None where there is none. Raises `AwsError`."""
        try:
            answer = self._account.call("secretsmanager", "describe_secret", SecretId=self._id)
        except AwsError as error:
            if error.failure.kind is Kind.MISSING:
                return None
            raise
        return Found(arn=str(answer["ARN"]), deleted=answer.get("DeletedDate") is not None)

    def ensure(self, found: Found | None, *, rotate: bool) -> Outcome:
        """Make it, restore it or keep it; `rotate` gives it a new password. Raises `AwsError` or `TargetError`."""
        if found is None:
            made = self._make()
            if made is not None:
                return made
            found = self.look()
            if found is None:
                raise TargetError(f"Secrets Manager says that {self._id} is there, and that it is not: ask again")
        if found.deleted:
            self._account.call("secretsmanager", "restore_secret", SecretId=found.arn)
        if rotate:
            return self._rotate(found)
        done: Done = "restored" if found.deleted else "kept"
        return Outcome(arn=found.arn, done=done, administrator=parse(self._read(found), self._id))

    def calls(self, found: Found | None, *, rotate: bool) -> list[Call]:
        """What `ensure` would change, as calls that show no password."""
        shown = Administrator(USER, _HIDDEN).text()
        if found is None:
            return [_call("create_secret", **self._creation(shown))]
        calls = [_call("restore_secret", SecretId=found.arn)] if found.deleted else []
        if rotate:
            calls.append(_call("put_secret_value", SecretId=found.arn, SecretString=shown))
        return calls

    def _make(self) -> Outcome | None:
        """None where somebody else made it meanwhile."""
        administrator = new_administrator()
        try:
            answer = self._account.call("secretsmanager", "create_secret", **self._creation(administrator.text()))
        except AwsError as error:
            if error.failure.code == "ResourceExistsException":
                return None
            raise
        return Outcome(arn=str(answer["ARN"]), done="made", administrator=administrator)

    def _creation(self, text: str) -> dict[str, Any]:
        return {
            "Name": secret_name(self._project),
            "Description": "Grafana's administrator, made by auroral secrets grafana",
            "SecretString": text,
            "Tags": [{"Key": "Project", "Value": self._project}, {"Key": "ManagedBy", "Value": "auroral"}],
        }

    def _rotate(self, found: Found) -> Outcome:
        try:
            user = parse(self._read(found), self._id).user
        except TargetError as error:
            if isinstance(error, AwsError) and error.failure.kind is not Kind.MISSING:
                raise
            user = USER
        administrator = new_administrator(user)
        self._account.call("secretsmanager", "put_secret_value", SecretId=found.arn, SecretString=administrator.text())
        return Outcome(arn=found.arn, done="rotated", administrator=administrator)

    def _read(self, found: Found) -> object:
        return self._account.call("secretsmanager", "get_secret_value", SecretId=found.arn).get("SecretString")


def _call(operation: str, **arguments: Any) -> Call:
    return Call(service="secretsmanager", operation=operation, arguments=arguments)
