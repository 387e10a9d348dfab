"""What DSQL, libpq and PostgreSQL's protocol say, as errors that say what to do. Pure: a table and its reader.

libpq tells a refused connection as text alone, so that the words of AWS's quotas and troubleshooting pages (read in
November 2026) stand beside the SQLSTATEs. The double refuses with the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from auroral.dsql import errors, limits
from auroral.dsql.target import ADMIN, DsqlTarget
from auroral.redact import without_secrets

_PREFIX = re.compile(r'^.*?connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: ', re.DOTALL)
_CONFLICT_CODE = re.compile(r"\b(OC\d{3})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of one failure."""

    message: str
    sqlstate: str = ""
    hint: str = ""
    connecting: bool = False
    """Whether it was said before the session began."""
    timed_out: bool = False
    """Whether nothing was said in time."""


def refusal(said: Said, target: DsqlTarget) -> errors.DsqlError:
    """Turn what was said into an error of ours. Text that could hold a token loses it."""
    clean = _understood(said)
    for row in _TABLE:
        if row.fits(clean):
            return row.make(clean, target)
    if clean.connecting:
        return _unreachable(clean, target)
    error = errors.RefusedError(
        f"{target.endpoint} refused a statement{_code(clean)}: {clean.message}", hint=clean.hint
    )
    error.sqlstate = clean.sqlstate
    return error


def _understood(said: Said) -> Said:
    """Take libpq's frame off: address, severity, and the hint that it appends in a line of its own."""
    text = _PREFIX.sub("", without_secrets(said.message).strip())
    hint = without_secrets(said.hint.strip())
    if said.connecting:
        text, _, appended = text.partition("\nHINT:")
        hint = hint or appended.strip()
    # The first line is the reason; libpq's further ones guess at it.
    text = re.sub(r"^(FATAL|ERROR):\s+", "", text.strip()).partition("\n")[0]
    return Said(
        message=" ".join(text.split()),
        sqlstate=said.sqlstate,
        hint=" ".join(hint.split()),
        connecting=said.connecting,
        timed_out=said.timed_out,
    )


Make = Callable[[Said, DsqlTarget], errors.DsqlError]


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of refusal: by its SQLSTATE or, of a connection that was not opened, by its words."""

    sqlstates: tuple[str, ...]
    words: tuple[str, ...]
    make: Make

    def fits(self, said: Said) -> bool:
        if said.timed_out:
            return "timed out" in self.words
        if said.connecting and any(word in said.message.lower() for word in self.words):
            return True  # before the SQLSTATE: a refused token has that of a broken connection, 08006
        return bool(said.sqlstate and self.sqlstates and said.sqlstate.startswith(self.sqlstates))


def _code(said: Said) -> str:
    return f" ({said.sqlstate})" if said.sqlstate else ""


def _too_fast(_: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.TooFastError(
        f"{target.endpoint} takes no new connection now: more than {limits.CONNECT_RATE_PER_S} a second were opened "
        f"and the burst of {limits.CONNECT_BURST:,} is used up (53400)",
        hint="wait some seconds and try again; if it stays, look for who reconnects: auroral dsql connections",
    )


def _too_many(_: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.TooManyConnectionsError(
        f"{target.endpoint} has all its connections open, {limits.MAX_CONNECTIONS:,} unless AWS raised it (53300)",
        hint="waiting does not help: make pools or replicas smaller (auroral capacity plan), or ask AWS for more "
        "connections (Service Quotas)",
    )


def _denied(said: Said, target: DsqlTarget) -> errors.DsqlError:
    reason = said.hint or said.message
    return errors.AccessDeniedError(
        f"{target.endpoint} does not let these credentials in as {target.user}: {reason}",
        hint=_advice(reason.lower(), target),
    )


def _advice(reason: str, target: DsqlTarget) -> str:
    """What to do about a token that was refused, by the reason that DSQL gives in its hint."""
    admin = target.user == ADMIN
    action = "dsql:DbConnectAdmin" if admin else "dsql:DbConnect"
    allow = f"allow {action} on the cluster for this IAM principal"
    known = (
        (("signature expired", "not yet current"), "a token lives for minutes by this machine's time: set its clock"),
        (
            ("scoped to", "region"),
            f"the token was signed for {target.region}: give the cluster's own region with --region",
        ),
        (
            ("action mapping",),
            "admin needs dsql:DbConnectAdmin, every other role dsql:DbConnect: choose the role with --user",
        ),
        (("not authorized",), allow),
        (
            ("security token", "signature"),
            "the AWS credentials are not valid, or another account's: look at aws sts get-caller-identity",
        ),
    )
    for words, advice in known:
        if any(word in reason for word in words):
            return advice
    if admin:
        return allow
    return (
        f"as admin: auroral schema roles makes {target.user} and maps IAM roles to it (AWS IAM GRANT); "
        f"the principal needs {action}"
    )


def _no_sni(_: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.TlsError(
        f"{target.endpoint} was not told its name in the TLS handshake",
        hint="something between takes TLS apart: connect to the cluster itself",
    )


def _tls(said: Said, target: DsqlTarget) -> errors.DsqlError:
    trusted = f"those in {target.tls_ca_file}" if target.tls_ca_file else "the system's authorities"
    return errors.TlsError(
        f"{_where(target)} has no certificate that {trusted} vouch for: {said.message}",
        hint="check --endpoint and --host-address; --tls-ca-file names other authorities. TLS is always verified",
    )


def _ca_file(_: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.AuthoritiesError(
        f"the file of authorities {target.tls_ca_file or 'of the system'} cannot be read, or has no certificate in PEM",
        hint="give a PEM file with --tls-ca-file, or leave it out to trust the system's",
    )


def _no_database(said: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.MissingObjectError(
        f"{target.endpoint} has no database {target.database}: {said.message}",
        hint="a cluster of Aurora DSQL has one database: postgres",
    )


def _unreachable(said: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.UnreachableError(
        f"{_where(target)} cannot be reached: {said.message.rstrip('.')}",
        hint="check --endpoint, --port and the way there: name service, security group, VPC endpoint",
    )


def _no_answer(said: Said, target: DsqlTarget) -> errors.DsqlError:
    if said.connecting:
        return errors.UnreachableError(
            f"{_where(target)} did not answer in time: {said.message.rstrip('.')}",
            hint="a security group or a route that drops packets looks like this; is the VPC endpoint there?",
        )
    return errors.NoAnswerError(f"{target.endpoint} did not answer in time: {said.message.rstrip('.')}")


def _conflict(said: Said, target: DsqlTarget) -> errors.DsqlError:
    code = _CONFLICT_CODE.search(said.message)
    kinds = {"OC000": errors.Conflict.DATA, "OC001": errors.Conflict.SCHEMA}
    kind = kinds.get(code[1], errors.Conflict.OTHER) if code else errors.Conflict.OTHER
    met = "a change of the schema" if kind is errors.Conflict.SCHEMA else "another transaction"
    return errors.ConflictError(
        f"a transaction at {target.endpoint} met {met} ({kind}): {said.message}",
        kind=kind,
        hint="it was not done; try again",
    )


def _lost(said: Said, target: DsqlTarget) -> errors.DsqlError:
    if said.connecting:
        return _unreachable(said, target)
    return errors.LostConnectionError(
        f"the connection to {target.endpoint} ended: {said.message}",
        hint="DSQL ends a session after an hour, and a network when it likes; run the command again",
    )


def _no_privilege(said: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.NoPrivilegeError(
        f"role {target.user} at {target.endpoint} lacks a grant: {said.message}",
        hint="as admin: auroral schema roles grants the roles what they need; or enter as another with --user",
    )


def _missing(said: Said, target: DsqlTarget) -> errors.DsqlError:
    return errors.MissingObjectError(
        f"{target.endpoint}, database {target.database}: {said.message}",
        hint="auroral schema status says what is there; auroral schema setup makes it",
    )


def _read_only(said: Said, target: DsqlTarget) -> errors.DsqlError:
    error = errors.RefusedError(
        f"{target.endpoint} took the transaction for a read-only one (25006): {said.message}",
        hint="the role or the session is set to read only, or the endpoint is one for reads: choose another",
    )
    error.sqlstate = "25006"
    return error


def _limit(said: Said, target: DsqlTarget) -> errors.DsqlError:
    error = errors.LimitError(
        f"{target.endpoint} ended a transaction at one of its limits ({said.sqlstate}): {said.message}",
        hint=f"DSQL takes {limits.MAX_TRANSACTION_ROWS:,} changed rows, 10 MiB and five minutes a transaction",
    )
    error.sqlstate = said.sqlstate
    return error


_TABLE = (
    _Row((), ("timed out", "timeout expired"), _no_answer),
    _Row(("53400",), ("rate exceeded",), _too_fast),
    _Row(("53300",), ("too many open connections", "too many connections"), _too_many),
    _Row((), ("sni was not received",), _no_sni),
    _Row(("28",), ("access denied", "password authentication failed", "not permitted to log in"), _denied),
    _Row((), ("root certificate file", "could not read root certificate"), _ca_file),
    _Row((), ("certificate", "ssl error", "does not support ssl"), _tls),
    _Row(("3D000",), ('database "',), _no_database),
    _Row(("40001", "40P01"), (), _conflict),
    _Row(("42501",), (), _no_privilege),
    _Row(("42P01", "3F000"), (), _missing),
    _Row(("25006",), (), _read_only),
    _Row(("54",), (), _limit),
    _Row(("08", "57P"), (), _lost),
)
"""The first row that fits decides."""


def _where(target: DsqlTarget) -> str:
    if target.host_address:
        return f"{target.endpoint} (dialled at {target.host_address}, port {target.port})"
    return f"{target.endpoint}, port {target.port},"
