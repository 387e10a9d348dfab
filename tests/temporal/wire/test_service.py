"""Temporal's services over the wire: requests, answers and errors as the SDK's own client has them."""

from __future__ import annotations

import asyncio
import inspect
import time
import typing
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
import temporalio.bridge.services_generated as generated
import trustme
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure, WorkflowExecutionAlreadyStartedFailure
from temporalio.api.operatorservice import v1 as operatorservice
from temporalio.api.workflowservice import v1 as workflowservice
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from auroral.temporal.rpc import refusal_cause
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.service import WireServiceClient

pytestmark = pytest.mark.filterwarnings("error")

WORKFLOW = "/temporal.api.workflowservice.v1.WorkflowService/"
START = WORKFLOW + "StartWorkflowExecution"

Context = grpc.aio.ServicerContext
Answering = Callable[[bytes, Any], Any]


class Frontend(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types of its own
    """A real gRPC server's answers, by path, and what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, Answering] = {}
        self.metadata: dict[str, str | bytes] = {}
        self.remaining_s: dict[str, float] = {}
        self.given_up = 0

    def service(self, details: Any) -> Any:
        async def answer(request: bytes, context: Any) -> bytes:
            self.metadata = dict(context.invocation_metadata())
            self.remaining_s[details.method] = context.time_remaining()
            try:
                reply: bytes = await self.answers[details.method](request, context)
            except asyncio.CancelledError:
                self.given_up += 1
                raise
            return reply

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[tuple[Frontend, int]]:
    frontend, server = Frontend(), grpc.aio.server()
    server.add_generic_rpc_handlers((frontend,))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield frontend, port
    finally:
        await server.stop(grace=None)


@asynccontextmanager
async def client_of(port: int, **given: Any) -> AsyncIterator[WireServiceClient]:
    client = WireServiceClient(ConnectionSpec(**{"address": f"127.0.0.1:{port}", "namespace": "benchmark", **given}))
    try:
        yield client
    finally:
        await client.close()


async def started(request: bytes, context: Any) -> bytes:
    workflow_id = workflowservice.StartWorkflowExecutionRequest.FromString(request).workflow_id
    return workflowservice.StartWorkflowExecutionResponse(run_id=f"run of {workflow_id}").SerializeToString()


def refusing(code: grpc.StatusCode, message: str, *details: Any, raw: bytes | None = None) -> Answering:
    async def refuse(request: bytes, context: Any) -> bytes:
        status = GrpcStatus(code=code.value[0], message=message)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata(
            (("grpc-status-details-bin", status.SerializeToString() if raw is None else raw),)
        )
        await context.abort(code, message)
        raise AssertionError

    return refuse


def start_request(workflow_id: str = "one") -> workflowservice.StartWorkflowExecutionRequest:
    return workflowservice.StartWorkflowExecutionRequest(namespace="benchmark", workflow_id=workflow_id)


# Calls


async def test_a_call_without_a_coroutine() -> None:
    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers[START] = started
        replies: asyncio.Queue[tuple[Any, RPCError | None]] = asyncio.Queue()
        request = start_request("before")
        client.call("StartWorkflowExecution", request, lambda *one: replies.put_nowait(one))
        request.workflow_id = "after"  # a request may be used again at once
        client.call("StartWorkflowExecution", request, lambda *one: replies.put_nowait(one))
        assert replies.empty()
        run_ids = set()
        for _ in range(2):
            reply, error = await replies.get()
            assert error is None
            run_ids.add(reply.run_id)
        assert run_ids == {"run of before", "run of after"}
        assert (client.requests, client.failures) == ({START: 2}, {})


async def test_who_wants_to_hears_of_every_call_s_end_and_of_none_given_up() -> None:
    async def hang(request: bytes, context: Any) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def nothing(request: bytes, context: Any) -> bytes:
        return b""

    poll = "PollWorkflowTaskQueue"
    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers |= {
            START: refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"),
            WORKFLOW + "GetWorkflowExecutionHistory": nothing,
            WORKFLOW + poll: hang,
        }
        ends: list[tuple[str, float, RPCError | None, bool]] = []
        client.on_ended = lambda *one: ends.append(one)
        begun_s = time.perf_counter()
        with pytest.raises(RPCError, match="busy"):
            await client.workflow_service.start_workflow_execution(start_request())
        request = workflowservice.GetWorkflowExecutionHistoryRequest(wait_new_event=True)
        replied = asyncio.Event()
        client.call("GetWorkflowExecutionHistory", request, lambda *_: replied.set())
        request.wait_new_event = False  # it is the caller's again
        await replied.wait()
        await client.workflow_service.get_workflow_execution_history(request)
        most_s = time.perf_counter() - begun_s
        polling = client.call(poll, workflowservice.PollWorkflowTaskQueueRequest(), lambda *_: None)
        with pytest.raises(RPCError, match=r"within|Deadline"):
            await client.workflow_service.poll_workflow_task_queue(
                workflowservice.PollWorkflowTaskQueueRequest(), timeout=timedelta(seconds=0.1)
            )
        polling.cancel()
    assert [(method, error and error.status.name, waits) for method, _, error, waits in ends] == [
        ("StartWorkflowExecution", "RESOURCE_EXHAUSTED", False),
        ("GetWorkflowExecutionHistory", None, True),
        ("GetWorkflowExecutionHistory", None, False),
        (poll, "DEADLINE_EXCEEDED", True),
    ]
    assert all(0 < took_s < most_s for _, took_s, _, _ in ends[:3])
    assert ends[3][1] >= 0.1


async def test_a_call_given_up_is_given_up_at_the_server_too() -> None:
    async def hang(request: bytes, context: Any) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers[START] = hang
        heard: list[object] = []
        call = client.call("StartWorkflowExecution", start_request(), lambda *one: heard.append(one))
        awaited = asyncio.create_task(client.workflow_service.start_workflow_execution(start_request()))
        while client.requests[START] < 2 or START not in frontend.remaining_s:
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)
        call.cancel()
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaited
        async with asyncio.timeout(5):
            while frontend.given_up < 2:
                await asyncio.sleep(0.002)
        assert heard == []


async def test_the_sdks_own_services_are_called() -> None:
    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers[START] = started
        reply = await client.workflow_service.start_workflow_execution(start_request("x"), retry=True)
        assert reply.run_id == "run of x"

        async def listed(request: bytes, context: Any) -> bytes:
            return operatorservice.ListSearchAttributesResponse(storage_schema={"a": "b"}).SerializeToString()

        frontend.answers["/temporal.api.operatorservice.v1.OperatorService/ListSearchAttributes"] = listed
        request = operatorservice.ListSearchAttributesRequest()
        assert (await client.operator_service.list_search_attributes(request)).storage_schema == {"a": "b"}

        async def healthy(request: bytes, context: Any) -> bytes:
            return b"\x08\x01"

        frontend.answers["/grpc.health.v1.Health/Check"] = healthy
        assert await client.check_health()

        async def counted(request: bytes, context: Any) -> bytes:
            asked = workflowservice.CountWorkflowExecutionsRequest.FromString(request)
            assert (asked.namespace, asked.query) == ("benchmark", "A = 1")
            return workflowservice.CountWorkflowExecutionsResponse(count=7).SerializeToString()

        frontend.answers[WORKFLOW + "CountWorkflowExecutions"] = counted
        assert (await Client(client, namespace="benchmark").count_workflows("A = 1")).count == 7


@pytest.mark.parametrize(
    ("service", "package", "messages"),
    [
        (generated.WorkflowService, "workflow", workflowservice),
        (generated.OperatorService, "operator", operatorservice),
    ],
)
def test_every_methods_name_is_its_requests(service: Any, package: str, messages: Any) -> None:
    # The path is made of the request's type: both are named after the method in Temporal's API.
    methods = [name for name, _ in inspect.getmembers(service, inspect.isfunction) if not name.startswith("_")]
    assert len(methods) >= 10
    for name in methods:
        camel = "".join(word.capitalize() for word in name.split("_"))
        assert typing.get_type_hints(getattr(service, name))["req"].__name__ == f"{camel}Request"
        assert hasattr(messages, f"{camel}Response"), name


async def test_what_is_not_served_is_told() -> None:
    async with client_of(1) as client:
        with pytest.raises(TypeError, match="this client has no test service"):
            await client.test_service.get_current_time(Empty())
        with pytest.raises(TypeError, match="an SDK worker cannot run over this client"):
            _ = client.worker_service_client
        with pytest.raises(TypeError, match="fixed"):
            client.update_api_key("k")
        with pytest.raises(TypeError, match="fixed"):
            client.update_rpc_metadata({})


async def test_deadlines_are_told_to_the_server_and_long_polls_have_long_ones() -> None:
    async with serving() as (frontend, port), client_of(port) as client:

        async def nothing(request: bytes, context: Any) -> bytes:
            return b""

        for name in (
            "GetSystemInfo",
            "PollWorkflowExecutionUpdate",
            "GetWorkflowExecutionHistory",
            "CountWorkflowExecutions",
        ):
            frontend.answers[WORKFLOW + name] = nothing
        service, remaining_s = client.workflow_service, frontend.remaining_s
        await service.get_system_info(workflowservice.GetSystemInfoRequest())
        await service.poll_workflow_execution_update(workflowservice.PollWorkflowExecutionUpdateRequest())
        request = workflowservice.GetWorkflowExecutionHistoryRequest(wait_new_event=True)
        await service.get_workflow_execution_history(request)
        assert 5 < remaining_s[WORKFLOW + "GetSystemInfo"] <= 10
        assert 65 < remaining_s[WORKFLOW + "PollWorkflowExecutionUpdate"] <= 70
        assert 65 < remaining_s[WORKFLOW + "GetWorkflowExecutionHistory"] <= 70
        request.wait_new_event = False
        await service.get_workflow_execution_history(request)
        assert remaining_s[WORKFLOW + "GetWorkflowExecutionHistory"] <= 10
        counting = workflowservice.CountWorkflowExecutionsRequest()
        await service.count_workflow_executions(counting, timeout=timedelta(seconds=33))
        assert 28 < remaining_s[WORKFLOW + "CountWorkflowExecutions"] <= 33


# Errors


async def test_errors_have_status_message_and_details() -> None:
    limited = ResourceExhaustedFailure(
        cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
        scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
    )
    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers[START] = refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "namespace rate limit: é", limited)
        with pytest.raises(RPCError) as caught:
            await client.workflow_service.start_workflow_execution(start_request())
        assert (caught.value.status, caught.value.message) == (
            RPCStatusCode.RESOURCE_EXHAUSTED,
            "namespace rate limit: é",
        )
        assert refusal_cause(caught.value) == "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"
        already = WorkflowExecutionAlreadyStartedFailure(run_id="r")
        frontend.answers[START] = refusing(grpc.StatusCode.ALREADY_EXISTS, "there is one", already)
        with pytest.raises(RPCError) as caught:
            await client.workflow_service.start_workflow_execution(start_request())
        found = WorkflowExecutionAlreadyStartedFailure()
        assert caught.value.grpc_status.details[0].Unpack(found)
        assert (caught.value.status, found.run_id) == (RPCStatusCode.ALREADY_EXISTS, "r")
        assert client.failures == {(START, 8): 1, (START, 6): 1}


async def test_details_that_are_none_do_not_harm_who_looks_at_them() -> None:
    async with serving() as (frontend, port), client_of(port) as client:
        frontend.answers[START] = refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", raw=b"\xff\xff\xff")
        with pytest.raises(RPCError) as caught:
            await client.workflow_service.start_workflow_execution(start_request())
        assert refusal_cause(caught.value) == "RESOURCE_EXHAUSTED"


async def test_an_answer_that_is_no_message_and_a_method_that_is_none() -> None:
    async with serving() as (frontend, port), client_of(port) as client:

        async def garbage(request: bytes, context: Any) -> bytes:
            return b"\xff\xff\xff"

        frontend.answers[START] = garbage
        with pytest.raises(RPCError, match="an answer that cannot be read") as caught:
            await client.workflow_service.start_workflow_execution(start_request())
        assert caught.value.status is RPCStatusCode.INTERNAL


async def test_no_server_is_unavailable() -> None:
    async with serving() as (_, port):
        pass
    async with client_of(port) as client:
        with pytest.raises(RPCError, match=f"cannot connect to 127.0.0.1:{port}: Connection refused") as caught:
            await client.workflow_service.start_workflow_execution(start_request())
        assert caught.value.status is RPCStatusCode.UNAVAILABLE
        with pytest.raises(ConnectionError, match=r"^Connection refused$"):
            await client.connect()


# Who we are, and who they are


async def test_key_and_metadata_go_with_every_call() -> None:
    async with serving() as (frontend, port), client_of(port, api_key="k", metadata={"X-Team": "bench"}) as client:
        frontend.answers[START] = started
        await client.workflow_service.start_workflow_execution(
            start_request(), metadata={"X-Once": "1", "raw-bin": b"\xff\0"}
        )
        seen = frontend.metadata
        assert (seen["authorization"], seen["x-team"], seen["x-once"]) == ("Bearer k", "bench", "1")
        assert (seen["raw-bin"], seen["temporal-namespace"]) == (b"\xff\0", "benchmark")
        await client.workflow_service.start_workflow_execution(start_request())
        assert "x-once" not in frontend.metadata


CA, OTHER_CA = trustme.CA(), trustme.CA()
SERVER = CA.issue_cert("temporal.test", "127.0.0.1")
CLIENT = CA.issue_cert("client.test")


def text(blob: trustme.Blob) -> str:
    return blob.bytes().decode()


def credentials(*, asks_for_clients: bool = False) -> grpc.ServerCredentials:
    chain = b"".join(one.bytes() for one in SERVER.cert_chain_pems)
    root = CA.cert_pem.bytes() if asks_for_clients else None
    return grpc.ssl_server_credentials([(SERVER.private_key_pem.bytes(), chain)], root, asks_for_clients)


@pytest.mark.parametrize("given", [{}, {"server_name": "temporal.test"}])
async def test_tls_with_the_servers_authority_and_name(given: dict[str, str]) -> None:
    trusting = {"tls": True, "server_ca": text(CA.cert_pem), **given}
    async with serving(credentials()) as (frontend, port), client_of(port, **trusting) as client:
        frontend.answers[START] = started
        message = start_request("x" * 300_000)
        assert len((await client.workflow_service.start_workflow_execution(message)).run_id) == 300_007


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"server_ca": text(OTHER_CA.cert_pem)},
            "the server's certificate is not accepted: unable to get local issuer",
        ),
        ({}, "the server's certificate is not accepted: "),
        (
            {"server_ca": text(CA.cert_pem), "server_name": "other.test"},
            "the server's certificate is not accepted: Hostname mismatch, certificate is not valid for 'other.test'",
        ),
    ],
)
async def test_a_server_that_is_another_is_not_talked_to(given: dict[str, str], words: str) -> None:
    async with serving(credentials()) as (_, port), client_of(port, tls=True, **given) as client:
        with pytest.raises(ConnectionError, match=words):
            await client.connect()


async def test_client_certificates() -> None:
    server = {"tls": True, "server_ca": text(CA.cert_pem)}
    ours = {"client_cert": text(CLIENT.cert_chain_pems[0]), "client_key": text(CLIENT.private_key_pem)}
    async with serving(credentials(asks_for_clients=True)) as (frontend, port):
        frontend.answers[START] = started
        async with client_of(port, **server, **ours) as client:
            assert (await client.workflow_service.start_workflow_execution(start_request())).run_id == "run of one"
        async with client_of(port, **server) as client:
            with pytest.raises(ConnectionError, match=r"the server closed the connection|certificate required"):
                await client.connect()


async def test_tls_to_a_server_without_and_the_other_way_round() -> None:
    async with serving() as (_, port), client_of(port, tls=True, server_ca=text(CA.cert_pem)) as client:
        with pytest.raises(ConnectionError, match=r"^it answers without TLS$"):
            await client.connect()
    async with serving(credentials()) as (_, port), client_of(port) as client:
        with pytest.raises(ConnectionError, match=r"it answers in TLS|the server closed the connection"):
            await client.connect()
