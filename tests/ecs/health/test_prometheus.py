"""A workspace is asked over HTTP, in requests whose signature a server of our own checks."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from auroral.aws_account import AwsError
from auroral.aws_calls import Kind
from auroral.ecs.health.prometheus import Ask, Sample, workspace

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
QUESTION = 'sum by (reason) (increase(dsql_connects{outcome="refused"}[15m]))'


def vector(*samples: tuple[dict[str, str], str]) -> str:
    result = [{"metric": labels, "value": [1_764_000_000.1, value]} for labels, value in samples]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


class Workspace:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.text = vector()
        self.questions: list[str] = []
        self.url = ""


def _signed(path: str, headers: dict[str, str]) -> bool:
    head, _, rest = headers.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    if head != "AWS4-HMAC-SHA256" or "/us-east-1/aps/aws4_request" not in parts["Credential"]:
        return False
    signed = {name: headers[name] for name in parts["SignedHeaders"].split(";")}
    request = AWSRequest(method="GET", url=f"http://{headers['host']}{path}", headers=signed)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", SECRET, "token"), "aps", "us-east-1")
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return hmac.compare_digest(expected, parts["Signature"])


@pytest.fixture
def served() -> Iterator[Workspace]:
    served = Workspace()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, text = served.status, served.text
            if not _signed(self.path, headers):
                status, text = 403, '{"message":"The request signature we calculated does not match"}'
            where = urlsplit(self.path)
            if where.path == "/workspaces/ws-1/api/v1/query":
                served.questions += parse_qs(where.query)["query"]
            else:
                status, text = 404, "404 page not found"
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/workspaces/ws-1/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


class Session:
    """Credentials as boto3's session has them."""

    def __init__(self, secret: str = SECRET) -> None:
        self._credentials: Any = Credentials("AKID", secret, "token")

    def get_credentials(self) -> Any:
        return self._credentials


def _ask(served: Workspace, session: Any = None) -> Ask:
    return workspace(session or Session(), region="us-east-1", url=served.url)


def _kind(ask: Ask) -> tuple[Kind, str]:
    with pytest.raises(AwsError) as raised:
        ask(QUESTION)
    assert raised.value.failure.call == "aps:QueryMetrics"
    return raised.value.failure.kind, raised.value.message


def test_a_question_and_its_answer(served: Workspace) -> None:
    served.text = vector(({"reason": "rate"}, "12.5"), ({"reason": "auth"}, "NaN"), ({}, "+Inf"))
    assert _ask(served)(QUESTION) == (Sample(labels={"reason": "rate"}, value=12.5),)
    assert served.questions == [QUESTION]


def test_a_signature_that_is_wrong_is_refused(served: Workspace) -> None:
    """Else the server would prove nothing."""
    kind, message = _kind(_ask(served, Session("another")))
    assert kind is Kind.DENIED
    assert "signature" in message


@pytest.mark.parametrize(
    ("status", "text", "kind", "says"),
    [
        (403, '{"message":"User: x is not authorized to perform: aps:QueryMetrics"}', Kind.DENIED, "not authorized"),
        (403, '{"message":"The security token included in the request is expired"}', Kind.EXPIRED, "expired"),
        (400, '{"status":"error","errorType":"bad_data","error":"parse error"}', Kind.INVALID, "bad_data: parse error"),
        (404, "", Kind.MISSING, "no reason given"),
        (429, "{}", Kind.THROTTLED, "429"),
        (503, "<html>", Kind.UNREACHABLE, "503"),
        (200, "[]", Kind.UNKNOWN, "none of Prometheus's"),
        (200, "no JSON", Kind.UNKNOWN, "none of Prometheus's"),
        (200, '{"data":{"resultType":"scalar","result":[1,"2"]}}', Kind.UNKNOWN, "none of Prometheus's"),
    ],
)
def test_answers_that_are_none(served: Workspace, status: int, text: str, kind: Kind, says: str) -> None:
    served.status, served.text = status, text
    found, message = _kind(_ask(served))
    assert found is kind
    assert says in message


def test_a_workspace_that_cannot_be_reached(served: Workspace) -> None:
    nobody = workspace(Session(), region="us-east-1", url="http://127.0.0.1:9/workspaces/ws-1/")
    assert _kind(nobody)[0] is Kind.UNREACHABLE
    assert _kind(workspace(Session(), region="us-east-1", url="ws-1"))[0] is Kind.UNREACHABLE


def test_without_credentials(served: Workspace) -> None:
    class Nobody:
        def get_credentials(self) -> None:
            return None

    assert _kind(_ask(served, Nobody()))[0] is Kind.DENIED
