"""How a Prometheus is asked, and what is said where what answers is none. `test_check.py` asks a real one."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials

from auroral.aws_account import AwsError
from auroral.aws_calls import Kind
from auroral.dashboards.ask import POINTS, asker, plain, signed
from auroral.dashboards.check import QueryError
from auroral.errors import TargetError, UsageError
from tests.support.web import Web

NOW_S = 1_764_000_000.0


def matrix(*series: list[str]) -> str:
    result = [{"metric": {}, "values": [[NOW_S, value] for value in values]} for values in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def refusal(kind: str, words: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": words})


class Session:
    """Credentials as boto3's session has them."""

    def __init__(self, found: bool = True) -> None:
        self._found = found

    def get_credentials(self) -> Any:
        return Credentials("AKID", "secret", "token") if self._found else None


def asked(status: int, text: str, query: str = "up", since_s: float = 3600) -> tuple[int, dict[str, list[str]]]:
    """The answer to a question, and the request's parameters."""
    with Web(lambda path, headers: (status, "application/json", text)) as web:
        series = asker(plain(f"{web.url}/"), now_s=NOW_S, since_s=since_s)(query)
        where = urlsplit(web.asked[-1])
        assert where.path == "/api/v1/query_range"
        return series, parse_qs(where.query)


def test_series_with_a_number_are_counted() -> None:
    assert asked(200, matrix(["1", "NaN"], ["NaN", "+Inf"], ["NaN", "0"], []))[0] == 2
    assert asked(200, matrix())[0] == 0


@pytest.mark.parametrize(("since_s", "step"), [(600, 15), (3600, 15), (86_400, 360), (86_401, 361)])
def test_a_stretch_of_time_is_asked_for(since_s: float, step: int) -> None:
    query = 'sum(rate(x{a=~"b c+&#"}[1m])) / 2'
    given = asked(200, matrix(), query, since_s)[1]
    assert given["query"] == [query]
    assert float(given["end"][0]) - float(given["start"][0]) == since_s
    assert given["step"] == [str(step)]
    assert since_s / step <= POINTS


@pytest.mark.parametrize("status", [400, 422])
def test_a_query_that_is_refused(status: int) -> None:
    with pytest.raises(QueryError, match="parse error"):
        asked(status, refusal("bad_data", "parse error"))


@pytest.mark.parametrize(
    ("status", "text", "says", "hint"),
    [
        (400, "no Prometheus here", "Prometheus answered 400: no Prometheus here", "is it a Prometheus"),
        (403, json.dumps({"message": "Missing token"}), "Prometheus answered 403: .*Missing", "--sigv4"),
        (404, "", "Prometheus answered 404: no reason given", "is it a Prometheus"),
        (503, refusal("unavailable", "starting"), "Prometheus answered 503: starting", "does it run"),
        (200, "<html>\n hello", "what answers is no Prometheus: <html> hello", "--prometheus"),
        (200, "[]", "what answers is no Prometheus", "--prometheus"),
        (200, json.dumps({"data": {"result": [1]}}), "what answers is no Prometheus", "--prometheus"),
        (200, json.dumps({"data": {"result": [{"values": [["x"]]}]}}), "what answers is no Prometheus", "--prometheus"),
    ],
)
def test_what_answers_is_none(status: int, text: str, says: str, hint: str) -> None:
    with pytest.raises(TargetError, match=says) as raised:
        asked(status, text)
    assert hint in raised.value.hint


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TargetError, match=rf"Prometheus at {url} does not answer: .*refused") as raised:
        asker(plain(url), now_s=NOW_S, since_s=60)("up")
    assert "--prometheus" in raised.value.hint


@pytest.mark.parametrize("url", ["localhost:9090", "ftp://x", "http://", "", "file:///etc/passwd"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="expected a URL, such as http://localhost:9090"):
        plain(url)


def test_a_workspace_is_asked_in_signed_requests() -> None:
    seen: list[str] = []

    def respond(path: str, headers: Any) -> tuple[int, str, str]:
        seen.append(headers.get("authorization", ""))
        return 200, "application/json", matrix(["1"])

    with Web(respond) as web:
        fetch = signed(Session(), region="eu-west-1", url=f"{web.url}/workspaces/ws-1/")
        assert asker(fetch, now_s=NOW_S, since_s=60)("up") == 1
        assert web.asked[0].startswith("/workspaces/ws-1/api/v1/query_range?query=up&")
    assert "/eu-west-1/aps/aws4_request" in seen[0]


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (403, json.dumps({"message": "not authorized to perform: aps:QueryMetrics"}), Kind.DENIED),
        (403, json.dumps({"message": "The security token included in the request is expired"}), Kind.EXPIRED),
        (400, json.dumps({"message": "no such region"}), Kind.INVALID),
        (429, "{}", Kind.THROTTLED),
    ],
)
def test_a_workspace_that_refuses(status: int, text: str, kind: Kind) -> None:
    with Web(lambda path, headers: (status, "application/json", text)) as web, pytest.raises(AwsError) as raised:
        asker(signed(Session(), region="us-east-1", url=web.url), now_s=NOW_S, since_s=60)("up")
    assert raised.value.failure.kind is kind


def test_a_workspace_says_what_does_not_parse() -> None:
    with Web(lambda path, headers: (400, "application/json", refusal("bad_data", "parse error"))) as web:
        ask = asker(signed(Session(), region="us-east-1", url=web.url), now_s=NOW_S, since_s=60)
        with pytest.raises(QueryError, match="parse error"):
            ask("up(")


def test_no_credentials() -> None:
    with pytest.raises(AwsError) as raised:
        asker(signed(Session(found=False), region="us-east-1", url="https://x"), now_s=NOW_S, since_s=60)("up")
    assert raised.value.failure.kind is Kind.DENIED
