"""Asks a Prometheus over HTTP whether a query has data, plainly or signed for Amazon's. Acts.

API: Prometheus, "HTTP API", `GET /api/v1/query_range`; Amazon Managed Service for Prometheus answers the same.
"""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from auroral.dashboards.check import Ask, QueryError
from auroral.errors import TargetError, UsageError

TIMEOUT_S = 30.0
POINTS = 240
"""Of a range at most: as many as a panel of middling width has."""

Fetch = Callable[[str], tuple[int, str]]
"""The status and text of a GET of this path, which begins with `/api/`. Raises `TargetError`, `AwsError`."""

_BAD_QUERY = (400, 422)
"""It does not parse; it cannot be evaluated."""


def plain(url: str) -> Fetch:
    """Ask as anybody may. Raises `UsageError` for what is no URL of HTTP."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(f"--prometheus {url}: expected a URL, such as http://localhost:9090")

    def fetch(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}{path}", timeout=TIMEOUT_S) as answer:
                return int(answer.status), answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise TargetError(
                f"Prometheus at {url} does not answer: {why}", hint="name another with --prometheus URL"
            ) from error

    return fetch


def signed(session: Any, *, region: str, url: str) -> Fetch:
    """Ask a workspace of Amazon's with the credentials of a session of boto3."""
    from auroral.ecs.health.prometheus import get, refused

    def fetch(path: str) -> tuple[int, str]:
        status, text = get(session, region=region, url=f"{url.rstrip('/')}{path}")
        if status != 200 and not (status in _BAD_QUERY and _reason(text)):
            raise refused(status, text)
        return status, text

    return fetch


def asker(fetch: Fetch, *, now_s: float, since_s: float) -> Ask:
    """Whoever says how many series of a query have a number in the time before `now_s`.

    Its answer raises `QueryError`, and `TargetError` or `AwsError` where none comes.
    """
    step_s = max(15, math.ceil(since_s / POINTS))
    span = f"start={now_s - since_s:.3f}&end={now_s:.3f}&step={step_s}"

    def ask(query: str) -> int:
        status, text = fetch(f"/api/v1/query_range?query={quote(query, safe='')}&{span}")
        if status in _BAD_QUERY and (why := _reason(text)):
            raise QueryError(why)
        if status != 200:
            raise _refused(status, text)
        return _with_numbers(text)

    return ask


def _with_numbers(text: str) -> int:
    """How many series of an answer have one; what is no number, as a quantile of nothing, is none."""
    try:
        series = json.loads(text)["data"]["result"]
        return sum(any(math.isfinite(float(value)) for _, value in one["values"]) for one in series)
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"what answers is no Prometheus: {' '.join(text.split())[:120]}", hint="name another with --prometheus URL"
        ) from error


def _reason(text: str) -> str:
    """Prometheus' own words; empty: they are not its."""
    try:
        told = json.loads(text)
    except ValueError:
        return ""
    return str(told.get("error") or "") if isinstance(told, dict) else ""


def _refused(status: int, text: str) -> TargetError:
    words = _reason(text) or " ".join(text.split())[:120] or "no reason given"
    hint = "Amazon's workspaces want --sigv4" if status in (401, 403) else "is it a Prometheus, and does it run?"
    return TargetError(f"Prometheus answered {status}: {words}", hint=hint)
