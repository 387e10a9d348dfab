"""The page of a search in a real Chromium: no network, no error, on a phone and a desktop, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.report.search_html import render
from tests.report.test_html_browser import ARGUMENTS, CONTRAST, PAGE_SCHEMES, SCHEMES, SIZES, Opened
from tests.support.search_documents import MAKERS

pytestmark = pytest.mark.browser


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
        path.write_text(render(MAKERS[name]()), encoding="utf-8")
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
@pytest.mark.parametrize("name", ["found", "below-least", "empty"])
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
    for name in ("found", "interrupted"):
        page = visit(name, "desktop", scheme).page
        for selector in ("body", ".verdict-word", ".mark", ".value", ".about", ".tick", ".legend", "td", "th"):
            found = page.evaluate(CONTRAST, selector)
            assert found, selector
            assert all(ratio >= 4.5 for ratio in found), (selector, min(found))


@pytest.mark.whole
@pytest.mark.parametrize("size", SIZES)
def test_labels_do_not_overlap(size: str, visit: Callable[..., Opened]) -> None:
    overlaps = """() => [...document.querySelectorAll("svg.chart")].flatMap(chart => {
      const boxes = [...chart.querySelectorAll("text.tick, text.marker-label, text.band-label")]
        .filter(text => getComputedStyle(text).display !== "none")
        .map(text => [text.textContent, text.getBoundingClientRect()]);
      return boxes.flatMap(([a, one], i) => boxes.slice(i + 1)
        .filter(([, two]) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
          && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4)
        .map(([b]) => `${chart.querySelector("title").textContent}: ${a} / ${b}`));
    })"""
    for name in ("found", "above-most", "below-least"):
        assert visit(name, size).page.evaluate(overlaps) == []


def test_hovering_reads_the_step_under_the_pointer(visit: Callable[..., Opened]) -> None:
    seen = visit("found")
    hit = seen.page.locator("[data-chart=latency] .hit")
    hit.scroll_into_view_if_needed()
    box = hit.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] * 319 / (320 * 1.06), box["y"] + 100)
    readout = seen.page.locator("[data-chart=latency] .readout")
    assert readout.locator("b").inner_text() == "offered 320/s"
    assert "p99\ndid not complete" in readout.inner_text()
    assert seen.errors == []


def test_each_step_leads_to_its_runs_report(visit: Callable[..., Opened]) -> None:
    links = visit("found").page.locator("#steps a")
    assert links.count() == 12
    assert links.last.get_attribute("href") == "steps/12-confirm-229/report.html"


def test_every_dot_is_drawn_where_its_step_lies(visit: Callable[..., Opened]) -> None:
    page = visit("found").page
    dots = page.locator("[data-chart=completed] path.s-dots")
    assert dots.count() == 2
    drawn = [dots.nth(number).get_attribute("d").count("M") for number in range(2)]
    assert sum(drawn) == 11  # one for each rate
    width = page.locator("[data-chart=completed] path.s-dots").first.evaluate(
        "dot => getComputedStyle(dot).strokeWidth"
    )
    assert width == "9px"
