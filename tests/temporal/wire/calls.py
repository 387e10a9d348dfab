"""Calls over a channel, awaited: for tests alone."""

from __future__ import annotations

import asyncio

import grpc

from auroral.temporal.wire.channel import Call, Channel
from auroral.temporal.wire.endpoint import Endpoint
from auroral.temporal.wire.status import Status

PATH = "/a.B/C"


class Asked:
    """One call and what came of it."""

    def __init__(self, channel: Channel, message: bytes = b"hello", *, timeout_s: float = 20.0) -> None:
        self.ends: list[tuple[Status, bytes]] = []
        self._ended = asyncio.Event()
        self.call: Call = channel.call(PATH, message, self._end, timeout_s=timeout_s)
        assert not self.ends, "its end comes later, never from within"

    def _end(self, status: Status, message: bytes) -> None:
        self.ends.append((status, message))
        self._ended.set()

    async def status(self) -> Status:
        """How it ended."""
        await asyncio.wait_for(self._ended.wait(), 25)
        await asyncio.sleep(0)
        assert len(self.ends) == 1, "it ends once"
        return self.ends[0][0]

    async def message(self) -> bytes:
        """The answer's message, the status being OK."""
        status = await self.status()
        assert status.code == 0, status
        return self.ends[0][1]


def endpoint_at(port: int, *, connect_timeout_s: float = 10.0) -> Endpoint:
    return Endpoint(host="127.0.0.1", port=port, authority=f"127.0.0.1:{port}", connect_timeout_s=connect_timeout_s)


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types of its own
    """A gRPC server's handler that gives a call's message back, when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.inside = 0
        self.most_inside = 0
        self.count = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.inside += 1
        self.count += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self.let.wait()
        finally:
            self.inside -= 1
        return request
