"""Temporal's services over a channel of our own, as the SDK's client takes them.

`WireServiceClient` is an SDK `ServiceClient`: `Client(WireServiceClient(…))` lists, terminates and describes over it.
The hot paths use `call`, which makes neither a coroutine nor a future.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import perf_counter
from typing import Any, NoReturn, TypeVar

from google.protobuf.message import DecodeError, Message
from temporalio.api.workflowservice import v1 as workflowservice
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode, ServiceClient

from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.channel import Call, Channel
from auroral.temporal.wire.endpoint import call_headers, endpoint, header
from auroral.temporal.wire.status import INTERNAL, Status

_T = TypeVar("_T", bound=Message)

DEFAULT_TIMEOUT_S = 10.0
LONG_POLL_TIMEOUT_S = 70.0
"""A server answers an idle poll after about a minute at the latest."""

OnReply = Callable[[Any, RPCError | None], None]
"""Gets the response, or None and the error."""

OnCallEnded = Callable[[str, float, RPCError | None, bool], None]
"""Gets a call's method, its seconds, what went wrong, and whether it asked the server to wait."""

_PACKAGES = {
    "workflow": "temporal.api.workflowservice.v1.WorkflowService",
    "operator": "temporal.api.operatorservice.v1.OperatorService",
}
_HEALTH_PATH = "/grpc.health.v1.Health/Check"
_HISTORY = "GetWorkflowExecutionHistory"


class WireServiceClient(ServiceClient):
    """Temporal's services without a native core. Nothing is tried again: every refusal is reported, `retry` or not."""

    def __init__(self, connection: ConnectionSpec, *, identity: str = "") -> None:
        """Make one for this target; it connects with `connect` or the first call. Raises `ValueError` for bad input."""
        super().__init__(ConnectConfig(target_host=connection.address, identity=identity))
        self._channel = Channel(endpoint(connection), call_headers(connection))
        self._known: dict[str, tuple[str, type[Message]]] = {}
        self.requests: Counter[str] = Counter()
        """Calls by path."""
        self.failures: Counter[tuple[str, int]] = Counter()
        """Calls that failed, by path and gRPC status."""
        self.on_ended: OnCallEnded | None = None
        """Hears of every call's end, but of those given up, before whoever made it does."""

    async def connect(self) -> None:  # type: ignore[override] # the SDK's is a static factory of its own kind
        """Connect. Raises `ConnectionError` with the reason."""
        await self._channel.connect()

    async def close(self) -> None:
        """End every call and connection."""
        await self._channel.close()

    def call(self, rpc: str, request: Message, on_reply: OnReply, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Call:
        """Call a method of the workflow service; `on_reply` hears of its end later, never from within."""
        method = self._known.get(rpc)
        if method is None:
            # Temporal names every response after its method.
            method = self._known[rpc] = (_path("workflow", rpc), getattr(workflowservice, f"{rpc}Response"))
        return self._begin(*method, request, on_reply, timeout_s=timeout_s)

    def _begin(
        self,
        path: str,
        response_type: type[Message],
        request: Message,
        on_reply: OnReply,
        *,
        timeout_s: float,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> Call:
        self.requests[path] += 1
        if self.on_ended is not None:
            on_reply = _heard(self.on_ended, path, request, on_reply)

        def ended(status: Status, data: bytes) -> None:
            if not status.code:
                try:
                    reply = response_type.FromString(data)
                except DecodeError as error:
                    status = Status(INTERNAL, f"an answer that cannot be read: {error}")
                else:
                    on_reply(reply, None)
                    return
            self.failures[path, status.code] += 1
            on_reply(None, _error(status))

        return self._channel.call(path, request.SerializeToString(), ended, timeout_s=timeout_s, headers=headers)

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[_T],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,
    ) -> _T:
        path = _HEALTH_PATH if service == "health" else _path(service, type(req).__name__.removesuffix("Request"))
        headers = tuple(header(name, value) for name, value in metadata.items())
        if timeout is not None:
            timeout_s = timeout.total_seconds()
        else:
            waits = rpc.startswith("poll_") or getattr(req, "wait_new_event", False)
            timeout_s = LONG_POLL_TIMEOUT_S if waits else DEFAULT_TIMEOUT_S
        reply: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        def ended(response: _T | None, error: RPCError | None) -> None:
            if reply.done():
                return
            if error is not None:
                reply.set_exception(error)
            elif response is not None:
                reply.set_result(response)

        call = self._begin(path, resp_type, req, ended, timeout_s=timeout_s, headers=headers)
        try:
            return await reply
        finally:
            if not reply.done() or reply.cancelled():
                call.cancel()

    @property
    def worker_service_client(self) -> NoReturn:
        """There is none: an SDK worker needs the SDK's own client."""
        raise TypeError("an SDK worker cannot run over this client")

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> NoReturn:
        """Not to be changed after the start."""
        raise TypeError("the metadata of this client is fixed")

    def update_api_key(self, api_key: str | None) -> NoReturn:
        """Not to be changed after the start."""
        raise TypeError("the API key of this client is fixed")


def _heard(on_ended: OnCallEnded, path: str, request: Any, on_reply: OnReply) -> OnReply:
    method = path.rpartition("/")[2]
    # Now: whoever made the call may change the request once it is made.
    waits = request.wait_new_event if method == _HISTORY else method.startswith("Poll")
    begun_s = perf_counter()

    def ended(response: Any, error: RPCError | None) -> None:
        on_ended(method, perf_counter() - begun_s, error, waits)
        on_reply(response, error)

    return ended


def _error(status: Status) -> RPCError:
    error = RPCError(status.message, RPCStatusCode(status.code), status.details)
    try:
        _ = error.grpc_status
    except DecodeError:
        # Whoever looks at the details must not fail on them.
        return RPCError(status.message, RPCStatusCode(status.code), b"")
    return error


def _path(service: str, method: str) -> str:
    if service not in _PACKAGES:
        raise TypeError(f"this client has no {service} service")
    return f"/{_PACKAGES[service]}/{method}"
