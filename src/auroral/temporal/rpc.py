"""What a failed RPC says: its cause as one word, whether it may have arrived, and the error to raise for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.service import RPCError, RPCStatusCode

from auroral.errors import TargetError

AMBIGUOUS = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
    }
)
"""Statuses after which a request may or may not have taken effect."""

_T = TypeVar("_T")


async def bounded(call: Awaitable[_T], timeout_s: float) -> _T:
    """Await an RPC no longer than this. Raises `RPCError` with DEADLINE_EXCEEDED.

    The SDK's own time-out does not fire while it waits for a connection that never comes (a `timeout` of 2 s
    was seen to hang for 40 s where packets were dropped).
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError as error:
        raise RPCError(f"no answer within {timeout_s:g} s", RPCStatusCode.DEADLINE_EXCEEDED, b"") from error


def refusal_cause(error: RPCError) -> str:
    """Name why an RPC failed: `STATUS`, or `RESOURCE_EXHAUSTED/<cause>/<scope>` from the error's details.

    Causes and scopes are Temporal's own names without their prefix, e.g. `RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE`.
    """
    status = error.status.name
    if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
        return status
    for detail in error.grpc_status.details:
        failure = ResourceExhaustedFailure()
        if detail.Is(ResourceExhaustedFailure.DESCRIPTOR) and detail.Unpack(failure):
            cause = ResourceExhaustedCause.Name(failure.cause).removeprefix("RESOURCE_EXHAUSTED_CAUSE_")
            scope = ResourceExhaustedScope.Name(failure.scope).removeprefix("RESOURCE_EXHAUSTED_SCOPE_")
            return f"{status}/{cause}/{scope}"
    return status


def may_have_arrived(error: RPCError) -> bool:
    """Whether the request may have taken effect although it failed."""
    return error.status in AMBIGUOUS


def target_error(error: Exception, doing: str, *, hint: str = "") -> TargetError:
    """Translate a failed call into the error that the user sees; raise it `from` the original."""
    if isinstance(error, RPCError):
        return TargetError(f"{doing}: {error.status.name}: {error.message}", hint=hint)
    return TargetError(f"{doing}: {error}", hint=hint)
