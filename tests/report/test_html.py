from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import msgspec
import pytest

from auroral.bench import result as r
from auroral.report.html import render
from tests.bench.spread.scenes import seen

NAMES = ("pass", "fail", "inconclusive", "interrupted", "stages", "empty", "nothing", "long")
Make = Callable[[str], r.Result]
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers what a test asks for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag == "script":
            self.scripts.append((given.get("type"), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", ["pass", "fail", "empty"])
def test_pages_are_as_stored(name: str, make: Make, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.html", render(make(name)))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_needs_nothing_else(name: str, make: Make) -> None:
    page = Page(render(make(name)))
    assert len(page.ids) == len(set(page.ids))
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for kind, text in page.scripts:
        if kind == "application/json":
            json.loads(text)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_pages_own_script_runs(name: str, make: Make) -> None:
    page = Page(render(make(name)))
    assert [kind for kind, _ in page.scripts if kind is None] == [None]


def test_names_of_users_are_text(make: Make) -> None:
    page = Page(render(make("stages")))
    assert "<script>alert('x')</script> & \"order\"" in page.text
    assert "</script><script>alert(1)</script> stays text." in page.text


def test_the_sections_come_in_the_order_of_their_weight(make: Make) -> None:
    html = render(make("fail"))
    order = ["verdict", "rates-section", "latency-section", "percentile-section", "outcomes", "limits", "windows"]
    order += ["times", "setup", "checks", "definitions"]
    places = [html.index(f'id="{name}"') for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_verdict_reasons_run_and_schema(name: str, make: Make) -> None:
    result = make(name)
    text = Page(render(result)).text
    for expected in (*result.verdict.reasons, result.manifest.run_id, result.schema):
        assert expected in text


def test_nothing_completed_has_no_latency_number(make: Make) -> None:
    text = Page(render(make("empty"))).text
    assert "Latency p99 did not complete" in text
    row = re.search(r'<th scope="row">latency<.*?</tr>', render(make("empty")), re.DOTALL)
    assert row is not None
    assert 'colspan="6">did not complete' in row[0]


def test_disagreements_failures_and_commands_are_shown(make: Make) -> None:
    assert "our counts disagree" in Page(render(make("inconclusive"))).text
    text = Page(render(make("fail"))).text
    assert make("fail").cleanup.commands[0] in text
    assert "Failed: the batch operation did not end within 120 s." in text
    assert "lost killed by signal 9" in Page(render(make("inconclusive"))).text


def test_workers_elsewhere_are_shown_as_they_told(make: Make) -> None:
    seen = r.WorkerSeen(
        where="7@far.example",
        auroral_version="9.8.7",
        manifest_digest="0123456789ab",
        workflow_task_slots=2000,
        activity_slots=3000,
        local_activity_slots=4000,
    )
    elsewhere = r.Workers(processes=0, options={}, seen=[seen, msgspec.structs.replace(seen, manifest_digest="-")])
    text = Page(render(msgspec.structs.replace(make("pass"), workers=elsewhere))).text
    assert "The workers ran elsewhere." in text
    assert "7@far.example 9.8.7 0123456789ab 2,000 3,000 4,000" in text
    assert "9.8.7 none: serves any run 2,000" in text


def test_rendering_is_a_pure_function_of_the_stored_document(make: Make) -> None:
    result = make("fail")
    assert render(r.decode(r.encode(result))) == render(result)


def test_a_sum_that_is_not_the_schedule_is_called_a_bug(make: Make) -> None:
    assert "a bug in auroral" in render(msgspec.structs.replace(make("pass"), scheduled=9999))


@pytest.mark.whole
def test_long_runs_stay_small(make: Make, day: r.Result) -> None:
    assert len(render(make("long")).encode()) < 700_000
    assert len(render(day).encode()) < 1_000_000


def test_generators_elsewhere_are_described(make: Make) -> None:
    spread = [seen(0, instance_type="m7g.large", availability_zone="eu-west-1a")]
    page = render(msgspec.structs.replace(make("pass"), spread=spread))
    assert "1@host, 4 cores, m7g.large, eu-west-1a, clock 1 ms ± 0.5 ms (control cluster − its own)" in page
    assert "control cluster" not in render(make("pass"))
