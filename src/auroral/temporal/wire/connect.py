"""Connects over the wire with patience, and says in the user's words why it cannot."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.service import WireServiceClient

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_CERTIFICATE_HINT = (
    "check TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME, TEMPORAL_TLS_CLIENT_CERT_PATH "
    "and TEMPORAL_TLS_CLIENT_KEY_PATH"
)

_AGAIN = re.compile(r"^cannot connect to \S+: ")
"""What a call says whose connection was lost and did not come back."""


async def connect_wire(
    connection: ConnectionSpec, *, identity: str | None = None, patience_s: float = 0.0
) -> tuple[Client, WireServiceClient]:
    """Connect to a cluster and see it answer; failures are retried for `patience_s`. Raises `TargetError`.

    Returns the SDK's client over the wire, and the service client below it, whose `close` ends both.
    """
    try:
        service = WireServiceClient(connection, identity=identity or "")
    except ValueError as error:
        raise _unreachable(connection, error) from error
    try:
        await _connect(service, connection, patience_s)
    except BaseException:
        await service.close()
        raise
    return Client(service, namespace=connection.namespace), service


async def _connect(service: WireServiceClient, connection: ConnectionSpec, patience_s: float) -> None:
    loop = asyncio.get_running_loop()
    give_up_s, wait_s = loop.time() + patience_s, _FIRST_WAIT_S
    while True:
        try:
            await service.connect()
            return await _see_an_answer(service, connection.connect_timeout_s)
        except ConnectionError as error:
            if loop.time() + wait_s > give_up_s:
                raise _unreachable(connection, error) from error
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 1.6, _LONGEST_WAIT_S)


async def _see_an_answer(service: WireServiceClient, timeout_s: float) -> None:
    """Ask what an SDK asks when it connects: a proxy greets whoever comes, and looks for a server later.

    Raises `ConnectionError`.
    """
    try:
        await service.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=timedelta(seconds=timeout_s))
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED:  # an old server, which has answered
            return
        lost = error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
        words = _AGAIN.sub("", error.message)
        raise ConnectionError(words if lost else f"{error.status.name}: {words}") from error


def _unreachable(connection: ConnectionSpec, error: Exception) -> TargetError:
    reason = str(error)
    if "certificate" in reason.lower():
        hint = _CERTIFICATE_HINT
    elif "without TLS" in reason:
        hint = "leave TLS out: --no-tls, or TEMPORAL_TLS=false"
    elif "in TLS" in reason:
        hint = "connect with --tls, or TEMPORAL_TLS=true"
    elif "HTTP/1" in reason:
        hint = "name the frontend's gRPC port, often 7233; 8233 is the web UI's"
    elif connection.tls and connection.client_cert is None and "closed the connection" in reason:
        hint = "it may want a client certificate: TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
    elif reason.startswith(("UNAUTHENTICATED", "PERMISSION_DENIED")):
        hint = "check TEMPORAL_API_KEY, and what it may do there"
    elif isinstance(error, ValueError):
        hint = "correct the address, the API key or the metadata where they are set"
    else:
        wants = "--no-tls" if connection.tls else "--tls"
        hint = f"check that a Temporal frontend listens at that address, and whether it wants {wants}"
    return TargetError(f"cannot connect to {connection.address}: {reason}", hint=hint)
