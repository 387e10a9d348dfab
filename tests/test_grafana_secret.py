"""Grafana's secret: what is made, kept, restored and rotated, and that nothing tells the password."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, kind_of
from auroral.errors import TargetError
from auroral.grafana_secret import Administrator, Found, GrafanaSecret, new_administrator, parse, secret_name

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:demo/grafana-AbCdEf"
GOOD = json.dumps({"admin_user": "me", "admin_password": "p4ss"})


class Manager:
    """Secrets Manager with one secret, behind the `Account` protocol; the next failures are given."""

    region = "eu-west-1"
    profile = None

    def __init__(self, text: str | None = None, *, deleted: bool = False) -> None:
        self.text = text
        self.deleted = deleted
        self.failures: dict[str, list[str]] = {}
        self.called: list[str] = []
        self.arrives: str | None = None
        """What somebody else makes, while we do."""

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        assert service == "secretsmanager"
        self.called.append(operation)
        if codes := self.failures.get(operation):
            self._fail(codes.pop(0))
        if operation == "create_secret":
            if self.arrives is not None:
                self.text = self.arrives
                self._fail("ResourceExistsException")
            self.text = arguments["SecretString"]
            return {"ARN": ARN}
        if self.text is None:
            self._fail("ResourceNotFoundException")
        if operation == "describe_secret":
            return {"ARN": ARN, **({"DeletedDate": "2026"} if self.deleted else {})}
        if operation == "restore_secret":
            self.deleted = False
        elif operation == "put_secret_value":
            self.text = arguments["SecretString"]
        elif operation == "get_secret_value":
            if self.deleted:
                self._fail("InvalidRequestException")
            return {"SecretString": self.text}
        return {"ARN": ARN}

    def _fail(self, code: str) -> None:
        raise AwsError(Failure(kind=kind_of(code), code=code, words="no", call="secretsmanager:X"))

    @property
    def content(self) -> dict[str, str]:
        assert self.text is not None
        found = json.loads(self.text)
        assert isinstance(found, dict)
        return found


def test_passwords_are_long_and_never_the_same() -> None:
    made = [new_administrator() for _ in range(50)]
    assert len({one.password for one in made}) == 50
    assert all(len(one.password) >= 24 and one.password.isascii() for one in made)
    assert all(one.user == "admin" for one in made)
    assert made[0].password not in repr(made[0])
    assert parse(made[0].text(), "x") == made[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no JSON object"),
        ("s3cret", "no JSON object"),
        ('["s3cret"]', "no JSON object"),
        ('{"admin_user": "s3cret"}', "admin_password is wanting"),
        ('{"user": "s3cret"}', "admin_user and admin_password are wanting"),
        ('{"admin_user": "a", "admin_password": ""}', "admin_password is wanting"),
        ('{"admin_user": 5, "admin_password": "s3cret"}', "admin_user is wanting"),
    ],
)
def test_another_content_is_told_without_telling_it(text: str | None, words: str) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        parse(text, "demo/grafana")
    assert "s3cret" not in str(caught.value)
    assert "--rotate" in caught.value.hint


def test_it_is_made_once() -> None:
    manager = Manager()
    secret = GrafanaSecret(manager, "demo")
    assert secret.look() is None
    outcome = secret.ensure(None, rotate=False)
    assert (outcome.done, outcome.arn) == ("made", ARN)
    assert manager.content == {"admin_user": "admin", "admin_password": outcome.administrator.password}
    before = manager.text
    again = secret.ensure(secret.look(), rotate=False)
    assert (again.done, again.administrator) == ("kept", outcome.administrator)
    assert manager.text == before


def test_one_that_somebody_else_makes_meanwhile_is_kept() -> None:
    manager = Manager()
    manager.arrives = GOOD
    outcome = GrafanaSecret(manager, "demo").ensure(None, rotate=False)
    assert (outcome.done, outcome.administrator) == ("kept", Administrator("me", "p4ss"))


def test_one_that_is_there_and_is_not_is_told() -> None:
    manager = Manager()
    manager.failures = {"create_secret": ["ResourceExistsException"]}
    with pytest.raises(TargetError, match="ask again"):
        GrafanaSecret(manager, "demo").ensure(None, rotate=False)


def test_one_that_is_to_go_is_restored() -> None:
    manager = Manager(GOOD, deleted=True)
    secret = GrafanaSecret(manager, "demo")
    found = secret.look()
    assert found == Found(arn=ARN, deleted=True)
    assert secret.ensure(found, rotate=False).done == "restored"
    assert secret.look() == Found(arn=ARN, deleted=False)


@pytest.mark.parametrize(("text", "user"), [(GOOD, "me"), ("broken", "admin")])
def test_a_new_password_keeps_the_user_where_there_is_one(text: str, user: str) -> None:
    manager = Manager(text)
    secret = GrafanaSecret(manager, "demo")
    outcome = secret.ensure(secret.look(), rotate=True)
    assert (outcome.done, outcome.administrator.user) == ("rotated", user)
    assert manager.content == {"admin_user": user, "admin_password": outcome.administrator.password}
    assert outcome.administrator.password != "p4ss"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ExpiredTokenException"])
@pytest.mark.parametrize("operation", ["describe_secret", "get_secret_value", "create_secret", "put_secret_value"])
def test_failures_of_aws_change_nothing(code: str, operation: str) -> None:
    manager = Manager(None if operation == "create_secret" else GOOD)
    manager.failures = {operation: [code]}
    secret = GrafanaSecret(manager, "demo")
    with pytest.raises(AwsError, match=code):
        secret.ensure(secret.look(), rotate=True)
    assert manager.text in (None, GOOD)


def test_calls_that_are_printed_show_no_password() -> None:
    secret = GrafanaSecret(Manager(GOOD, deleted=True), "demo")
    assert [call.operation for call in secret.calls(None, rotate=False)] == ["create_secret"]
    rotated = secret.calls(secret.look(), rotate=True)
    assert [call.operation for call in rotated] == ["restore_secret", "put_secret_value"]
    assert "p4ss" not in " ".join(call.shell() for call in rotated)
    assert secret.calls(Found(arn=ARN, deleted=False), rotate=False) == []


def test_its_name() -> None:
    assert secret_name("demo") == "demo/grafana"
