"""Ask Temporal's processes whether they serve."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from auroral.local.plan import HOST, ServerProcess

_RPC_TIMEOUT_S = 2.0


async def why_unhealthy(process: ServerProcess, *, timeout_s: float = _RPC_TIMEOUT_S) -> str:
    """Ask a process for its role's gRPC health. Empty: it serves."""
    from temporalio.service import ConnectConfig, RetryConfig, RPCError, ServiceClient

    from auroral.temporal.rpc import bounded

    config = ConnectConfig(target_host=f"{HOST}:{process.grpc_port}", retry_config=RetryConfig(max_retries=0))
    try:
        service = await bounded(ServiceClient.connect(config), timeout_s)
        serves = await bounded(
            service.check_health(service=process.role.health_service, timeout=timedelta(seconds=timeout_s)), timeout_s
        )
    except RPCError as error:
        return f"{error.status.name}: {error.message}"
    except RuntimeError:  # what the SDK raises where nothing listens
        return f"nothing answers on {HOST}:{process.grpc_port}"
    return "" if serves else "its health is NOT_SERVING"


async def listens(process: ServerProcess) -> bool:
    """Whether something takes connections on a process's gRPC port, healthy or not."""
    try:
        _, writer = await asyncio.open_connection(HOST, process.grpc_port)
    except OSError:
        return False
    writer.close()
    return True
