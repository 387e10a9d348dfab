"""Signs tokens by AWS's connector, with credentials that are found once, and never keeps anybody waiting for ever."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from auroral import aws
from auroral.dsql.errors import CredentialsError
from auroral.dsql.target import DsqlTarget
from auroral.errors import UsageError

TOKEN_TIMEOUT_S = 30.0
"""Credentials may come from a service of AWS, which is asked more than once."""
T = TypeVar("T")


class Tokens:
    """One cluster's tokens. Credentials are kept; a token is made for each connection and kept nowhere."""

    def __init__(self, target: DsqlTarget) -> None:
        self._target = target
        self._credentials: Any = None

    async def parameters(self, properties: dict[str, Any]) -> dict[str, Any]:
        """psycopg's parameters: these, and a token as password. Raises `CredentialsError`, `UsageError`."""
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                return await _apart(lambda: self._signed(properties))
        except TimeoutError as error:
            raise CredentialsError(
                f"no AWS credentials after {TOKEN_TIMEOUT_S:g} s",
                hint="look at what the profile or the role gets them from: aws sts get-caller-identity",
            ) from error

    def _signed(self, properties: dict[str, Any]) -> dict[str, Any]:
        target = self._target
        try:
            # The connector's own core, not `aurora_dsql_psycopg.connect`: that module imports psycopg_pool, and signs
            # within the event loop's thread.
            from dsql_core.connection_utils import ConnectionUtilities  # type: ignore[import-untyped]
        except ImportError as error:
            raise aws.without_extra(error, "what reaches Aurora DSQL") from error
        # It logs a failure that we raise.
        logging.getLogger("dsql_core").addHandler(logging.NullHandler())
        try:
            if self._credentials is None:
                self._credentials = aws.credentials(target.profile, target.region)
            parameters: dict[str, Any] = ConnectionUtilities.parse_properties_and_set_token(
                # As a URL: a bare host without `.dsql` would be taken for a cluster's id, and made a name of AWS.
                f"postgresql://{target.endpoint}",
                {
                    "port": target.port,
                    "user": target.user,
                    "dbname": target.database,
                    "region": target.region,
                    "custom_credentials_provider": _provider(self._credentials),
                    **properties,
                },
                driver_name="psycopg",
            )
        except UsageError as error:
            raise CredentialsError(
                f"no token for {target.endpoint} can be signed: {error.message}", hint=error.hint
            ) from error
        except aws.failures() as error:
            raise CredentialsError(
                f"no token for {target.endpoint} can be signed: {aws.words(error)}", hint=aws.CREDENTIALS_HINT
            ) from error
        return parameters


def _provider(credentials: Any) -> Any:
    """Credentials for the connector, which else walks AWS's chain for each token, and asks for an MFA code anew."""
    from botocore.credentials import CredentialProvider

    class Found(CredentialProvider):  # type: ignore[misc]
        METHOD = CANONICAL_NAME = "auroral"

        def load(self) -> Any:
            return credentials

    return Found()


async def _apart(work: Callable[[], T]) -> T:
    """Work in a thread that nobody waits for: asyncio's own are joined when a command ends, however long they take."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():  # given up
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:
            failed = error
        try:
            loop.call_soon_threadsafe(tell, result, failed)
        except RuntimeError:
            return  # the loop ended meanwhile

    threading.Thread(target=run, name="auroral-token", daemon=True).start()
    return await done
