"""The page of simulations in a real Chromium: no network, no error, on a phone and a desktop, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.report.simulation_html import render
from tests.report.test_html_browser import ARGUMENTS, CONTRAST, PAGE_SCHEMES, SCHEMES, SIZES, Opened
from tests.support.simulation_results import MAKERS, quiet

pytestmark = pytest.mark.browser
PAGES = {**{name: [name] for name in MAKERS}, "several": ["held", "violated", "day"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is not installed: the browser tests need it (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def opened(name: str, size: str = "desktop", scheme: str = "light", **options: Any) -> Opened:
        path = tmp_path / f"{name}.html"
        path.write_text(render([MAKERS[one]() for one in PAGES[name]]), encoding="utf-8")
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.goto(path.as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", PAGE_SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["violated", "several"])
def test_a_page_opens_clean_and_fits(name: str, size: str, scheme: str, visit: Callable[..., Opened]) -> None:
    seen = visit(name, size, scheme)
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    verdict = page.locator(".verdict-word").bounding_box()
    assert verdict is not None
    assert verdict["y"] + verdict["height"] <= SIZES[size][1]


@pytest.mark.whole
@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_has_enough_contrast(scheme: str, visit: Callable[..., Opened]) -> None:
    page = visit("violated", "desktop", scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    for selector in (
        "body",
        ".verdict-word",
        ".mark",
        ".value",
        ".about",
        ".tick",
        ".legend",
        "td",
        "th",
        ".bad",
        ".tag",
    ):
        found = page.evaluate(CONTRAST, selector)
        assert found, selector
        assert all(ratio >= 4.5 for ratio in found), (selector, min(found))


@pytest.mark.whole
@pytest.mark.parametrize("size", SIZES)
def test_labels_do_not_overlap(size: str, visit: Callable[..., Opened]) -> None:
    overlaps = """() => [...document.querySelectorAll("svg.chart")].flatMap(chart => {
      const boxes = [...chart.querySelectorAll("text.tick, text.marker-label")]
        .filter(text => getComputedStyle(text).display !== "none")
        .map(text => [text.textContent, text.getBoundingClientRect()]);
      return boxes.flatMap(([a, one], i) => boxes.slice(i + 1)
        .filter(([, two]) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
          && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4)
        .map(([b]) => `${chart.querySelector("title").textContent}: ${a} / ${b}`));
    })"""
    for name in ("violated", "quiet", "day"):
        assert visit(name, size).page.evaluate(overlaps) == []


def test_hovering_reads_the_seconds_under_the_pointer(visit: Callable[..., Opened]) -> None:
    seen = visit("quiet")
    hit = seen.page.locator("[data-chart=dsql-refuses-connects] .hit")
    hit.scroll_into_view_if_needed()
    box = hit.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] * 15.5 / 60, box["y"] + 100)
    readout = seen.page.locator("[data-chart=dsql-refuses-connects] .readout")
    assert readout.locator("b").inner_text() == "0:15"
    assert f"connects\n{quiet().run.points.attempts[15]}/s" in readout.inner_text()
    assert seen.errors == []


def test_the_list_leads_to_each_scenario(visit: Callable[..., Opened]) -> None:
    page = visit("several").page
    page.locator(".verdict a", has_text="day").click()
    assert page.locator("#day h2").is_visible()
    assert page.locator(".mark.missed").first.inner_text() == "✕ violated"


def test_without_its_script_the_page_says_the_same(visit: Callable[..., Opened]) -> None:
    page = visit("violated", java_script_enabled=False).page
    assert page.locator(".verdict-word").inner_text() == "Violated"
    assert page.locator("[data-chart=all-cut-connects] svg.chart").is_visible()
    assert page.locator("[data-chart=all-cut-connects] svg.chart path.s").count() >= 3
    assert any("… 60/s" in hint for hint in page.locator("[data-chart=all-cut-connects] title").all_text_contents())
