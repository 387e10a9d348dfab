"""What is said becomes an error that says what to do; each kind by its SQLSTATE, or by libpq's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.dsql import errors
from auroral.dsql.refusals import Said, refusal
from auroral.dsql.target import DsqlTarget
from auroral.errors import ExitCode
from auroral.local.double import refusals as double
from auroral.redact import without_secrets

TARGET = DsqlTarget(endpoint="abc.dsql.eu-west-1.on.aws", region="eu-west-1", host_address="10.0.0.1")
FRAME = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: FATAL:  '


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        (FRAME + double.RATE_EXCEEDED.message, errors.TooFastError, "wait some seconds"),
        (FRAME + double.TOO_MANY_CONNECTIONS.message, errors.TooManyConnectionsError, "waiting does not help"),
        (FRAME + double.NO_SNI.message, errors.TlsError, "not told its name"),
        (FRAME + double.UNAVAILABLE.message, errors.UnreachableError, "the double was told to refuse"),
        (FRAME + double.access_denied("").message, errors.AccessDeniedError, "auroral schema roles"),
        (
            FRAME + double.access_denied("").message + "\nHINT:  Signature expired: 1 is now earlier than 2",
            errors.AccessDeniedError,
            "set its clock",
        ),
        (
            FRAME + double.access_denied("").message + "\nHINT:  Wrong user to action mapping. user: admin",
            errors.AccessDeniedError,
            "choose the role with --user",
        ),
        (FRAME + 'role "x" is not permitted to log in', errors.AccessDeniedError, "AWS IAM GRANT"),
        (FRAME + 'database "x" does not exist', errors.MissingObjectError, "one database: postgres"),
        ("connection failed: SSL error: certificate verify failed", errors.TlsError, "TLS is always verified"),
        ('root certificate file "/x" does not exist\nEither', errors.AuthoritiesError, "cannot be read"),
        ("failed to resolve host 'x': [Errno -2] Name or service not known", errors.UnreachableError, "not known"),
        ("connection failed: server closed the connection unexpectedly\n\tThis probably", errors.UnreachableError, ""),
    ],
)
def test_before_a_session(message: str, kind: type[errors.DsqlError], told: str) -> None:
    error = refusal(Said(message=message, connecting=True), TARGET)
    assert type(error) is kind
    assert told in str(error)
    assert "FATAL" not in str(error)
    assert TARGET.endpoint in error.message or issubclass(kind, errors.TlsError)
    assert "\n" not in error.message
    assert error.hint
    usage = kind is errors.AuthoritiesError
    assert error.exit_code == (ExitCode.USAGE if usage else ExitCode.UNREACHABLE)


@pytest.mark.parametrize(
    ("sqlstate", "message", "kind", "told"),
    [
        ("40001", double.CONFLICT.message, errors.ConflictError, "another transaction (OC000)"),
        ("40001", "schema has been updated: (OC001)", errors.ConflictError, "a change of the schema (OC001)"),
        ("40001", "could not serialize access", errors.ConflictError, "another transaction (40001)"),
        ("42501", "permission denied for table executions", errors.NoPrivilegeError, "auroral schema roles"),
        ("42P01", 'relation "x" does not exist', errors.MissingObjectError, "auroral schema setup"),
        ("3F000", 'schema "x" does not exist', errors.MissingObjectError, "auroral schema setup"),
        ("25006", "cannot execute in a read-only transaction", errors.RefusedError, "(25006)"),
        ("54000", double.ROW_LIMIT.message, errors.LimitError, "3,000 changed rows"),
        ("57P01", "terminating connection", errors.LostConnectionError, "run the command again"),
        ("08006", "server closed the connection", errors.LostConnectionError, "run the command again"),
        ("53300", "too many", errors.TooManyConnectionsError, "(53300)"),
        ("53400", "too fast", errors.TooFastError, "(53400)"),
        ("0A000", "unsupported statement: Truncate", errors.RefusedError, "refused a statement (0A000)"),
        ("", "something else", errors.RefusedError, "something else"),
    ],
)
def test_within_a_session(sqlstate: str, message: str, kind: type[errors.DsqlError], told: str) -> None:
    error = refusal(Said(message=message, sqlstate=sqlstate), TARGET)
    assert type(error) is kind
    assert told in str(error)
    assert sqlstate in (error.sqlstate, error.message, "57P01", "08006", "42P01", "3F000")


def test_conflicts_have_their_kind() -> None:
    kinds = {}
    for text in ("retry: (OC000)", "retry: (OC001)", "retry: (OC999)", "retry"):
        error = refusal(Said(message=text, sqlstate="40001"), TARGET)
        assert isinstance(error, errors.ConflictError)
        kinds[text] = error.kind
    assert [*kinds.values()] == [
        errors.Conflict.DATA, errors.Conflict.SCHEMA, errors.Conflict.OTHER, errors.Conflict.OTHER
    ]  # fmt: skip


def test_the_words_of_a_row_are_no_refusal_within_a_session() -> None:
    """A table may well be named so."""
    error = refusal(Said(message='relation "rate exceeded" does not exist', sqlstate="42P01"), TARGET)
    assert isinstance(error, errors.MissingObjectError)


def test_deadlines_are_told_apart() -> None:
    late = refusal(Said(message="no session after 1 s", connecting=True, timed_out=True), TARGET)
    assert isinstance(late, errors.UnreachableError)
    silent = refusal(Said(message="no answer after 1 s", timed_out=True), TARGET)
    assert isinstance(silent, errors.NoAnswerError)


def test_a_token_is_never_told() -> None:
    token = (
        "abc/?Action=DbConnect&X-Amz-Credential=AKIAEXAMPLE%2F20261101&X-Amz-Security-Token=Zm9v&X-Amz-Signature=beef"
    )
    assert without_secrets(f"it sent {token}.") == (
        "it sent abc/?Action=DbConnect&X-Amz-Credential=[hidden]&X-Amz-Security-Token=[hidden]&X-Amz-Signature=[hidden]"
    )
    error = refusal(Said(message=FRAME + token, hint=token, connecting=True), TARGET)
    assert not any(secret in str(error) for secret in ("AKIAEXAMPLE", "Zm9v", "beef"))


@given(st.text(), st.from_regex(r"([0-9A-Z]{5})?", fullmatch=True), st.text(), st.booleans(), st.booleans())
def test_whatever_is_said_becomes_one_sentence(
    message: str, sqlstate: str, hint: str, connecting: bool, timed_out: bool
) -> None:
    said = Said(message=message, sqlstate=sqlstate, hint=hint, connecting=connecting, timed_out=timed_out)
    error = refusal(said, TARGET)
    assert error.message.splitlines() == [error.message]
    assert TARGET.endpoint in error.message or isinstance(error, errors.TlsError)
