"""Connects over the wire with patience, and says in the user's words why it cannot."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.service import WireServiceClient

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


async def connect_wire(
    connection: ConnectionSpec, *, identity: str | None = None, patience_s: float = 0.0
) -> tuple[Client, WireServiceClient]:
    """Connect to a cluster; failures are retried for `patience_s`. Raises `TargetError`.

    Returns the SDK's client over the wire, and the service client below it, whose `close` ends both.
    """
    loop = asyncio.get_running_loop()
    give_up_s, wait_s = loop.time() + patience_s, _FIRST_WAIT_S
    try:
        service = WireServiceClient(connection, identity=identity or "")
    except ValueError as error:
        raise TargetError(
            f"cannot connect to {connection.address}: {error}", hint="give the client certificate and key in PEM format"
        ) from error
    while True:
        try:
            await service.connect()
            break
        except ConnectionError as error:
            if loop.time() + wait_s > give_up_s:
                await service.close()
                hint = "check that a Temporal frontend listens at that address, and whether it wants "
                raise TargetError(
                    f"cannot connect to {connection.address}: {error}",
                    hint=hint + ("--no-tls" if connection.tls else "--tls"),
                ) from error
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 1.6, _LONGEST_WAIT_S)
    return Client(service, namespace=connection.namespace), service
