"""Asks a workspace of Amazon Managed Service for Prometheus one question, in a request that is signed. Acts.

The API is Prometheus's own (`GET /api/v1/query`), signed by SigV4 for the service `aps` (Amazon Managed Service for
Prometheus User Guide, "Query using Prometheus-compatible APIs", read in November 2026). No client of boto3 has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from auroral import aws
from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, Kind, kind_of

SERVICE = "aps"
CALL = "aps:QueryMetrics"
"""The action that a policy grants it as."""
TIMEOUT_S = 10.0

_BY_STATUS = {400: Kind.INVALID, 401: Kind.DENIED, 403: Kind.DENIED, 404: Kind.MISSING, 429: Kind.THROTTLED}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One series' value at the time of the question."""

    labels: Mapping[str, str]
    value: float


Ask = Callable[[str], tuple[Sample, ...]]
"""Answers a question in PromQL. Raises `AwsError`."""


def workspace(session: Any, *, region: str, url: str) -> Ask:
    """Whoever asks the workspace whose query URL this is, with the credentials of a session of boto3."""

    def ask(question: str) -> tuple[Sample, ...]:
        return _ask(session, region, url, question)

    return ask


def _ask(session: Any, region: str, url: str, question: str) -> tuple[Sample, ...]:
    # SigV4 wants a query as RFC 3986 writes it: a space is %20, not +.
    status, text = get(session, region=region, url=f"{url.rstrip('/')}/api/v1/query?query={quote(question, safe='')}")
    if status != 200:
        raise refused(status, text)
    return _samples(text)


def get(session: Any, *, region: str, url: str) -> tuple[int, str]:
    """The status and text of a signed request. Raises `AwsError` where no answer comes."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.httpsession import URLLib3Session

    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"expected the URL of a workspace, found {url!r}")
        found = session.get_credentials()
        if found is None:
            raise _failed(Kind.DENIED, "NoCredentials", aws.CREDENTIALS_HINT)
        request = AWSRequest(method="GET", url=url)
        SigV4Auth(found.get_frozen_credentials(), SERVICE, region).add_auth(request)
        answer = URLLib3Session(timeout=TIMEOUT_S).send(request.prepare())
        status: int = answer.status_code
        text: str = answer.text
    except aws.failures() as error:
        raise _failed(Kind.UNREACHABLE, type(error).__name__, aws.words(error)) from error
    return status, text


def refused(status: int, text: str) -> AwsError:
    """The error of an answer that is none. AWS's refusals and Prometheus's have forms of their own."""
    told: Any = {}
    try:
        told = json.loads(text)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    words = str(told.get("message") or told.get("Message") or told.get("error") or text or "no reason given")
    kind = Kind.EXPIRED if "expired" in words.lower() else _BY_STATUS.get(status) or kind_of(str(status))
    return _failed(kind, str(told.get("errorType") or status), aws.words(words))


def _samples(text: str) -> tuple[Sample, ...]:
    """The vector of an answer, which no scalar looks like. What is no number, as a quantile of nothing, is left out."""
    try:
        data = json.loads(text)["data"]
        samples = [Sample(labels=one["metric"], value=float(one["value"][1])) for one in data["result"]]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _failed(Kind.UNKNOWN, "unreadable", f"its answer is none of Prometheus's: {aws.words(error)}") from error
    return tuple(one for one in samples if math.isfinite(one.value))


def _failed(kind: Kind, code: str, words: str) -> AwsError:
    return AwsError(Failure(kind=kind, code=code, words=words, call=CALL))
