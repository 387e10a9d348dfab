"""What can go wrong with Aurora DSQL, told apart: each error is a sentence, a hint and an exit code. Pure.

`refusals` makes them from what DSQL, libpq and AWS's library said.
"""

from __future__ import annotations

from enum import StrEnum

from auroral.errors import ExitCode, TargetError


class DsqlError(TargetError):
    """Anything that DSQL refuses, or that keeps us from it."""

    sqlstate: str = ""
    """Where DSQL, or PostgreSQL's protocol, gave one."""


class UnreachableError(DsqlError):
    """No connection, and not by DSQL's decision: name, route, port, or no answer in time."""


class TlsError(DsqlError):
    """The certificate is not one that we trust for this endpoint."""


class AuthoritiesError(TlsError):
    """The file of authorities to check certificates with is none."""

    exit_code = ExitCode.USAGE


class CredentialsError(DsqlError):
    """AWS's library has no credentials to sign a token with."""

    exit_code = ExitCode.USAGE


class AccessDeniedError(DsqlError):
    """DSQL takes the token for nobody who may enter as this role."""


class TooFastError(DsqlError):
    """53400: more new connections a second than the cluster takes. Waiting helps."""

    sqlstate = "53400"


class TooManyConnectionsError(DsqlError):
    """53300: all connections of the cluster are open. Waiting does not help; closing some does."""

    sqlstate = "53300"


class Conflict(StrEnum):
    """What a transaction met."""

    DATA = "OC000"
    """Another transaction changed the same rows."""
    SCHEMA = "OC001"
    """The session's catalogue is older than the schema."""
    OTHER = "40001"
    """A conflict without DSQL's own code, as PostgreSQL tells one."""


class ConflictError(DsqlError):
    """40001: the transaction was not done, and can be tried again."""

    sqlstate = "40001"

    def __init__(self, message: str, *, kind: Conflict, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class ConflictsError(DsqlError):
    """Every one of several attempts met a conflict."""

    sqlstate = "40001"


class LostConnectionError(DsqlError):
    """An open connection ended. Whatever was being committed may be done or not."""


class NoAnswerError(LostConnectionError):
    """No answer within the deadline; the connection was given up."""


class NoPrivilegeError(DsqlError):
    """42501: the role lacks a grant."""

    sqlstate = "42501"


class MissingObjectError(DsqlError):
    """42P01, 3F000: a table or a schema is not there."""


class LimitError(DsqlError):
    """54000: a limit of one transaction, row or statement."""


class RefusedError(DsqlError):
    """Any other refusal, with what DSQL said."""
