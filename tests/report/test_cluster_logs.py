"""Lines of logs as they are shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.logs.merge import Event
from auroral.report.cluster_logs import line, record

ZAP = {
    "level": "error",
    "ts": "2026-11-26T01:02:03.456Z",
    "msg": "Operation failed",
    "component": "shard-controller",
    "error": "connection refused: try later",
    "shard-id": 7,
    "ok": True,
    "logging-call-at": "shard/context.go:12",
}


def event(message: str, stream: str = "history/history/0123456789abcdef", source: str = "history") -> Event:
    return Event(at_ms=1_795_655_723_045, id="1", source=source, stream=stream, message=message)


def test_temporals_json_is_readable() -> None:
    assert line(event(json.dumps(ZAP))) == (
        "2026-11-26 01:15:23.045Z history/01234567 error Operation failed component=shard-controller "
        'error="connection refused: try later" shard-id=7 ok=true (shard/context.go:12)'
    )


@pytest.mark.parametrize(
    "message", ["plain text", '{"level": "info"', '{"msg": "no level"}', "[1]", "{}", "null", '"a"', "{" * 5000]
)
def test_what_is_no_structured_line_stays_as_it_is(message: str) -> None:
    assert line(event(message)) == f"2026-11-26 01:15:23.045Z history/01234567 {message}"


def test_raw_lines_and_other_streams() -> None:
    raw = json.dumps(ZAP)
    assert line(event(raw), raw=True).endswith(f" {raw}")
    assert " ui/abc/proxy hello" in line(event("hello", "service-connect/proxy/abc", "ui"))
    assert " flow/eni-1-all hello" in line(event("hello", "eni-1-all", "flow"))


def test_colours_are_for_whoever_asks() -> None:
    plain, coloured = line(event(json.dumps(ZAP))), line(event(json.dumps(ZAP)), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31merror\x1b[0m" in coloured
    names = {line(event("x", source=name), colour=True).split()[2][:5] for name in ("history", "matching", "frontend")}
    assert len(names) > 1


@given(st.text(max_size=80))
def test_no_line_moves_the_cursor(message: str) -> None:
    for text in (message, json.dumps({"level": message, "msg": message, message: message})):
        shown = line(event(text))
        assert all(one.isprintable() or one == "\n" for one in shown), repr(shown)


def test_lines_of_one_message_stay_together() -> None:
    assert line(event("panic: x\n\tat y\x1b[2J")).endswith("panic: x\n        at y\\x1b[2J")


def test_a_record() -> None:
    found = json.loads(record(event(json.dumps(ZAP))))
    assert found["time"] == "2026-11-26T01:15:23.045Z"
    assert (found["service"], found["task"], found["container"]) == ("history", "0123456789abcdef", "history")
    assert found["fields"] == ZAP
    assert json.loads(found["message"]) == ZAP
    assert "fields" not in json.loads(record(event("plain")))
