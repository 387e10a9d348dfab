"""Opens one session at Aurora DSQL by AWS's connector and psycopg, and runs statements in it, each with a deadline.

What psycopg raises is translated here. The token lives inside `Session.open` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from auroral import aws
from auroral.dsql.errors import DsqlError
from auroral.dsql.refusals import Said, refusal
from auroral.dsql.target import DsqlTarget
from auroral.dsql.tokens import Tokens
from auroral.errors import UsageError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_S = 10.0
"""Of one opening, as the server's `DSQL_CONNECT_TIMEOUT`."""
STATEMENT_TIMEOUT_S = 30.0
_CUT_TIMEOUT_S = 5.0
T = TypeVar("T")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """How long one opening took."""

    token_s: float
    """Credentials found and a token signed: no word with the cluster."""
    session_s: float
    """TCP, TLS, token and session, until the first statement can be sent."""


class Session:
    """One session. Statements outside `transaction` are transactions of their own."""

    def __init__(self, connection: psycopg.AsyncConnection[Row], target: DsqlTarget, opening: Opening) -> None:
        self._connection = connection
        self.target = target
        self.opening = opening

    @classmethod
    async def open(
        cls,
        target: DsqlTarget,
        *,
        application: str = "auroral",
        timeout_s: float = CONNECT_TIMEOUT_S,
        turn: Callable[[], Awaitable[object]] | None = None,
        tokens: Tokens | None = None,
    ) -> Session:
        """Make a token and connect. Raises `DsqlError` by what refused, `UsageError` without the extra `aws`.

        `turn` is awaited between the two, by who must not dial too often: what a token takes differs too much.
        `tokens` shares the credentials of several sessions.
        """
        began_s = time.perf_counter()
        psycopg = _psycopg()
        parameters = await (tokens or Tokens(target)).parameters(_properties(target, application))
        token_s = time.perf_counter() - began_s
        if turn is not None:
            await turn()
        dialled_s = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                parameters |= await _dialled(target, parameters["host"])
                # libpq's own deadline stands behind ours, for a name service that does not answer.
                connection = await psycopg.AsyncConnection.connect(
                    **parameters, connect_timeout=int(timeout_s) + 1, autocommit=True
                )
        except psycopg.Error as error:
            timed_out = isinstance(error, psycopg.errors.ConnectionTimeout)
            raise _translated(error, target, connecting=True, timed_out=timed_out) from error
        except TimeoutError as error:
            said = Said(message=f"no session after {timeout_s:g} s", connecting=True, timed_out=True)
            raise refusal(said, target) from error
        return cls(connection, target, Opening(token_s, time.perf_counter() - dialled_s))

    async def rows(
        self, statement: str, parameters: Sequence[Any] = (), *, timeout_s: float = STATEMENT_TIMEOUT_S
    ) -> list[Row]:
        """Run a statement and fetch its rows. Raises `DsqlError`."""
        cursor = await self._run(self._execute(statement, parameters), timeout_s)
        return await cursor.fetchall() if cursor.description else []

    async def execute(
        self, statement: str, parameters: Sequence[Any] = (), *, timeout_s: float = STATEMENT_TIMEOUT_S
    ) -> int:
        """Run a statement and tell how many rows it changed or found. Raises `DsqlError`."""
        return (await self._run(self._execute(statement, parameters), timeout_s)).rowcount

    def _execute(self, statement: str, parameters: Sequence[Any]) -> Awaitable[psycopg.AsyncCursor[Row]]:
        # BEGIN, COMMIT and DDL need no plan: only statements with parameters are prepared, after some uses.
        return self._connection.execute(statement.encode(), parameters or None, prepare=None if parameters else False)

    @contextlib.asynccontextmanager
    async def transaction(self, *, timeout_s: float = STATEMENT_TIMEOUT_S) -> AsyncIterator[None]:
        """Begin, and commit at the end of the block; roll back where it raised. The deadline is each statement's."""
        await self.execute("BEGIN", timeout_s=timeout_s)
        try:
            yield
            await self.execute("COMMIT", timeout_s=timeout_s)
        except BaseException:
            await self.roll_back(timeout_s=timeout_s)
            raise

    async def roll_back(self, *, timeout_s: float = STATEMENT_TIMEOUT_S) -> None:
        """Leave a transaction block, if the session is in one and still there."""
        from psycopg.pq import TransactionStatus

        if self._connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with contextlib.suppress(DsqlError):
                await self.execute("ROLLBACK", timeout_s=timeout_s)

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._connection.closed

    async def close(self) -> None:
        """End the session; it may be lost already."""
        await self._connection.close()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, work: Awaitable[T], timeout_s: float) -> T:
        """Wait for a statement, for so long at most.

        psycopg answers a cancelled wait with a cancel request, which is a new connection to the cluster and waits for
        ten seconds more where nothing answers. So the statement is never cancelled: its socket is shut down instead,
        and libpq sees the end of the connection at once.
        """
        psycopg = _psycopg()
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
        except asyncio.CancelledError:
            await self._cut(task)
            raise
        if not done:
            await self._cut(task)
            raise refusal(Said(message=f"no answer after {timeout_s:g} s", timed_out=True), self.target)
        try:
            return task.result()
        except psycopg.Error as error:
            raise _translated(error, self.target, lost=self._connection.closed) from error

    async def _cut(self, task: asyncio.Future[Any]) -> None:
        with contextlib.suppress(OSError, ValueError, _psycopg().Error):
            own = socket.socket(fileno=os.dup(self._connection.fileno()))
            with own:
                own.shutdown(socket.SHUT_RDWR)
        # `wait`, so that a second interrupt does not cancel the statement after all.
        await asyncio.wait({task}, timeout=_CUT_TIMEOUT_S)
        if task.done() and not task.cancelled():
            task.exception()  # retrieved: it is the end that we made


def authorities(target: DsqlTarget) -> str:
    """The file of authorities that certificates are checked with.

    Named to libpq, not `system`: the libpq of psycopg's wheels has an OpenSSL of its own, which looks for the system's
    authorities where the wheel was built. Raises `UsageError` where this machine has none.
    """
    if target.tls_ca_file:
        return target.tls_ca_file
    paths = ssl.get_default_verify_paths()
    bundles = (
        paths.cafile,
        "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
        "/etc/pki/tls/certs/ca-bundle.crt",  # Amazon Linux, Fedora
        "/etc/ssl/cert.pem",  # macOS, BSD
    )
    for bundle in bundles:
        if bundle and Path(bundle).is_file():
            return bundle
    raise UsageError(
        "this machine has no file of certificate authorities where systems keep one",
        hint="install the package ca-certificates, or name a PEM file with --tls-ca-file",
    )


def _properties(target: DsqlTarget, application: str) -> dict[str, Any]:
    """What psycopg needs beyond the cluster and the token."""
    return {
        "application_name": application,
        "sslmode": "verify-full",
        "sslrootcert": authorities(target),
        "gssencmode": "disable",
    }


async def _dialled(target: DsqlTarget, host: str) -> dict[str, str]:
    """libpq's parameters for another address than the endpoint's, which may be a name; TLS is for the endpoint."""
    if target.host_address is None:
        return {}
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host_address, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        said = Said(message=f"{target.host_address}: {error.strerror or error}", connecting=True)
        raise refusal(said, target) from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}


def _translated(
    error: psycopg.Error, target: DsqlTarget, *, connecting: bool = False, timed_out: bool = False, lost: bool = False
) -> DsqlError:
    diagnosis = error.diag
    return refusal(
        Said(
            message=diagnosis.message_primary or str(error),
            sqlstate=error.sqlstate or ("08006" if lost else ""),
            hint=diagnosis.message_hint or "",
            connecting=connecting,
            timed_out=timed_out,
        ),
        target,
    )


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise aws.without_extra(error, "what reaches Aurora DSQL") from error
    return psycopg
