"""What answers of programs prove, and what they do not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from auroral.ecs.health.snapshot import SearchSeen
from auroral.ecs.verify import answers as judge
from auroral.ecs.verify.answers import Answer
from tests.support.sample_results import MAKERS
from tests.support.verified import SCHEMA, UI, VISIBILITY

PAGE = Answer(status=200, content_type="text/html", text=UI)
INFO = Answer(status=200, text='{"serverVersion": "1.31.2"}')


def test_the_ui() -> None:
    found = judge.ui(PAGE, INFO)
    assert found.passed
    assert "Temporal 1.31.2" in found.text


@pytest.mark.parametrize(
    ("page", "info"),
    [
        (msgspec.structs.replace(PAGE, status=500), INFO),
        (msgspec.structs.replace(PAGE, status=301), INFO),
        (msgspec.structs.replace(PAGE, content_type="text/plain"), INFO),
        (msgspec.structs.replace(PAGE, text="<html>It works!</html>"), INFO),
        (PAGE, Answer(status=200, text=UI)),
        (PAGE, Answer(status=200, text="{}")),
        (PAGE, Answer(status=404, text='{"serverVersion": "1"}')),
    ],
)
def test_no_ui(page: Answer, info: Answer) -> None:
    assert not judge.ui(page, info).passed


HEALTH = Answer(status=200, text='{"database": "ok", "version": "13.1.2"}')


def test_grafana() -> None:
    assert judge.grafana(HEALTH, Answer(status=401)).passed


@pytest.mark.parametrize(
    ("health", "org"),
    [
        (Answer(status=200, text="<html>"), Answer(status=401)),
        (Answer(status=200, text='{"database": "locked"}'), Answer(status=401)),
        (Answer(status=503, text='{"database": "ok"}'), Answer(status=401)),
        (HEALTH, Answer(status=200)),
        (HEALTH, Answer(status=403)),
        (HEALTH, Answer(status=302)),
    ],
)
def test_no_grafana(health: Answer, org: Answer) -> None:
    assert not judge.grafana(health, org).passed


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (Answer(status=200, text='{"executions": [{}]}', took_s=0.0432), True),
        (Answer(status=200, text="{}"), True),  # proto3's JSON leaves an empty list out
        (Answer(status=200, text="[]"), False),
        (Answer(status=200, text='{"executions": 3}'), False),
        (Answer(status=200, text="{broken"), False),
        (Answer(status=404, text="{}"), False),
        (Answer(status=500, text='{"executions": []}'), False),
    ],
)
def test_lists_of_workflows(answer: Answer, passes: bool) -> None:
    assert judge.workflows(answer).passed is passes


def test_how_long_a_list_took() -> None:
    assert "in 43 ms" in judge.workflows(Answer(status=200, text="{}", took_s=0.0432)).text


def test_words_of_an_answer() -> None:
    assert Answer(status=502, text="bad\n gateway").words == "HTTP 502: bad gateway"
    assert Answer(status=503, text='{"message": "no", "code": 14}').words == "HTTP 503: no"
    assert Answer(status=204).words == "HTTP 204"
    assert len(Answer(status=500, text="x" * 9_000).words) < 250


def test_schema_without_a_document_is_no_answer() -> None:
    assert judge.schema("task abc: stopped") is None
    found = judge.schema(f"lines before\n{json.dumps(SCHEMA)}\nlines after")
    assert found is not None
    assert found.passed


def told(search: SearchSeen | None = None, note: str = "", **changed: Any) -> Any:
    return judge.visibility(f"x\n{json.dumps({**VISIBILITY, **changed}, indent=2)}\ny", search, note)


def test_visibility() -> None:
    assert told().passed
    assert told().text == "the index temporal_visibility_v1 is green and as it must be, 1,234 documents"
    assert told(health="yellow").passed
    assert told(note="CloudWatch says nothing").notes == ("CloudWatch says nothing",)
    yellow = told(SearchSeen(status="yellow"))
    assert yellow.passed
    assert "yellow" in yellow.notes[0]


@pytest.mark.parametrize(
    ("search", "changed"),
    [
        (None, {"health": "red"}),
        (None, {"differences": [{"what": "a"}, {"what": "b"}]}),
        (SearchSeen(status="red"), {}),
        (SearchSeen(status="green", writes_blocked=True), {}),
    ],
)
def test_no_visibility(search: SearchSeen | None, changed: dict[str, Any]) -> None:
    assert not told(search, **changed).passed


@pytest.mark.parametrize("text", ["", "task stopped", "{}", '{"schema": "auroral.dsql/1"}', "{broken}"])
def test_visibility_without_a_document_is_no_answer(text: str) -> None:
    assert judge.visibility(text, None) is None


def test_a_benchmark() -> None:
    result = MAKERS["pass"]()
    found = judge.benchmark(0, result)
    assert found.passed
    window = next(one for one in result.windows if one.kind == "steady")
    assert f"{window.completed_per_s:.4g}"[:4] in found.text
    assert result.manifest.run_id in found.text


@pytest.mark.parametrize(("code", "example"), [(1, "fail"), (5, "inconclusive"), (0, "fail"), (1, "pass")])
def test_a_benchmark_that_did_not_pass(code: int, example: str) -> None:
    result = MAKERS[example]()
    found = judge.benchmark(code, result)
    assert not found.passed
    assert found.remedy == f"auroral bench remote results {result.manifest.run_id}"


def test_a_benchmark_whose_result_is_lost_proves_nothing() -> None:
    assert not judge.benchmark(0, None).passed
