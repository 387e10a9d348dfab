"""The door to AWS: over HTTP to moto, to a server that throttles, and to none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import ATTEMPTS, AwsAccount, AwsError, DryRun, listed, perform
from auroral.aws_calls import Call, Failure, Kind, kind_of
from auroral.errors import UsageError
from tests.support.moto_server import REGION, Moto, moto_server


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount()


def test_a_call_is_answered(account: AwsAccount) -> None:
    made = perform(account, Call(service="ecs", operation="create_cluster", arguments={"clusterName": "orders"}))
    assert made["cluster"]["clusterName"] == "orders"
    assert account.region == REGION


def test_a_definition_that_outputs_name_and_nobody_has(account: AwsAccount) -> None:
    with pytest.raises(AwsError, match="Unable to describe task definition") as told:
        account.call("ecs", "describe_task_definition", taskDefinition="shop-generator:7")
    assert "auroral infra output" in told.value.hint


def test_every_page_is_read(account: AwsAccount) -> None:
    for number in range(7):
        account.call("logs", "create_log_group", logGroupName=f"/pages/{number}")
    groups = listed(account, "logs", "describe_log_groups", "logGroups", logGroupNamePrefix="/pages/", limit=3)
    assert [one["logGroupName"] for one in groups] == [f"/pages/{number}" for number in range(7)]


def test_a_refusal_tells_its_kind(account: AwsAccount) -> None:
    with pytest.raises(AwsError) as told:
        account.call("ecs", "describe_services", cluster="none", services=["x"])
    assert told.value.failure.kind is Kind.MISSING
    assert "--region, --profile and the outputs" in told.value.hint
    assert told.value.failure.call == "ecs:DescribeServices"
    assert "ClusterNotFoundException" in told.value.message


def test_what_boto3_would_not_send_is_an_error_of_ours(account: AwsAccount) -> None:
    with pytest.raises(AwsError) as told:
        account.call("ecs", "describe_services", cluster="none", servces=["x"])
    assert told.value.failure.kind is Kind.INVALID


def test_no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no region"):
        AwsAccount()


def test_no_such_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no AWS access") as told:
        AwsAccount(profile="gone", region="eu-west-1")
    assert "--profile" in told.value.hint


class _Refusing(BaseHTTPRequestHandler):
    code = "ThrottlingException"
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        body = json.dumps({"__type": self.code, "message": "no"}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Refusing]]:
    class Handler(_Refusing):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    yield Handler
    server.shutdown()
    server.server_close()


def test_throttling_is_tried_again_then_told(refusing: type[_Refusing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(AwsError) as told:
        AwsAccount(region="eu-west-1").call("ecs", "list_clusters")
    assert told.value.failure.kind is Kind.THROTTLED
    assert refusing.asked == ATTEMPTS


def test_an_expired_token_says_how_to_go_on(refusing: type[_Refusing]) -> None:
    refusing.code = "ExpiredTokenException"
    with pytest.raises(AwsError) as told:
        AwsAccount(region="eu-west-1").call("ecs", "list_clusters")
    assert told.value.failure.kind is Kind.EXPIRED
    assert "renew" in told.value.hint
    assert refusing.asked == 1


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(AwsError) as told:
        AwsAccount(region="eu-west-1").call("ecs", "list_clusters")
    assert told.value.failure.kind is Kind.UNREACHABLE


class _Counting:
    region, profile = "eu-west-1", "ops"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        self.asked.append(operation)
        return {"clusters": []}


def test_a_dry_run_reads_and_changes_nothing() -> None:
    behind, said = _Counting(), list[str]()
    dry = DryRun(behind, said.append)
    assert dry.call("ecs", "describe_clusters", clusters=["dev"]) == {"clusters": []}
    assert dry.call("ecs", "update_service", cluster="dev", service="dev-ui", desiredCount=0) == {}
    assert behind.asked == ["describe_clusters"]
    line = "aws --profile ops --region eu-west-1 ecs update-service --cluster dev --service dev-ui --desired-count 0"
    assert said == [line]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("InvalidSignatureException", "clock may be off"),
        ("SignatureDoesNotMatch", "clock may be off"),
        ("RequestTimeTooSkewed", "clock may be off"),
        ("UnrecognizedClientException", "does not know these keys"),
        ("AccessDeniedException", "policy"),
    ],
)
def test_keys_and_clocks_are_not_taken_for_policies(code: str, hint: str) -> None:
    failure = Failure(kind=kind_of(code), code=code, words="no", call="ecs:ListTasks")
    assert hint in AwsError(failure).hint
    assert AwsError(failure, hint="mine").hint == "mine"
