from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.service import RPCError, RPCStatusCode

from auroral.errors import ExitCode
from auroral.temporal.rpc import AMBIGUOUS, may_have_arrived, refusal_cause, target_error


def error(status: RPCStatusCode, *details: Any) -> RPCError:
    return RPCError("told why", status, GrpcStatus(code=status, details=details).SerializeToString())


def test_a_refusal_is_named_by_cause_and_scope() -> None:
    detail = Any()
    detail.Pack(
        ResourceExhaustedFailure(
            cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
            scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        )
    )
    assert refusal_cause(error(RPCStatusCode.RESOURCE_EXHAUSTED, detail)) == "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"


def test_a_refusal_without_details_is_named_by_its_status() -> None:
    assert refusal_cause(error(RPCStatusCode.RESOURCE_EXHAUSTED)) == "RESOURCE_EXHAUSTED"
    assert refusal_cause(error(RPCStatusCode.NOT_FOUND)) == "NOT_FOUND"


@pytest.mark.parametrize("status", [status for status in RPCStatusCode if status])
def test_only_what_may_have_arrived_is_ambiguous(status: RPCStatusCode) -> None:
    assert may_have_arrived(error(status)) == (status in AMBIGUOUS)
    if status in (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND):
        assert not may_have_arrived(error(status))


def test_the_users_error_says_what_was_done_and_why_it_failed() -> None:
    shown = target_error(error(RPCStatusCode.PERMISSION_DENIED), "cannot count", hint="ask for it")
    assert shown.message == "cannot count: PERMISSION_DENIED: told why"
    assert shown.hint == "ask for it"
    assert shown.exit_code is ExitCode.UNREACHABLE
    assert target_error(OSError("no route"), "cannot connect").message == "cannot connect: no route"
