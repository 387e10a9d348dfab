"""The page in a real browser: phone and desktop, light and dark, with and without its script."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from auroral.bench import result as r
from auroral.report.html import render

pytestmark = pytest.mark.browser
Make = Callable[[str], r.Result]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"phone": (375, 812), "desktop": (1280, 900)}
SCHEMES = ("light", "dark")
PAGE_SCHEMES = ("light", pytest.param("dark", marks=pytest.mark.whole))
"""Those in which every page is opened."""
NAMES = ("pass", "fail", "inconclusive", "interrupted", "stages", "empty", "nothing", "long")

# WCAG contrast of an element's text with the nearest background that is not transparent.
CONTRAST = """selector => [...document.querySelectorAll(selector)].map(element => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  let under = element, ground = [0, 0, 0, 0];
  while (under) {
    ground = channels(getComputedStyle(under).backgroundColor);
    if (ground.length === 3 || ground[3] === 1) break;
    if (ground[3] !== 0) throw new Error("a translucent background under " + selector);
    under = under.parentElement;
  }
  const light = ([red, green, blue]) => {
    const linear = [red, green, blue].map(value => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const style = getComputedStyle(element);
  const ink = light(channels(element instanceof SVGElement ? style.fill : style.color)), paper = light(ground);
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
})"""


@dataclass
class Opened:
    """A page, and what went wrong on it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is not installed: the browser tests need it (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def files(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    written = {}
    for name in NAMES:
        written[name] = folder / f"{name}.html"
        written[name].write_text(render(make(name)), encoding="utf-8")
    return written


@pytest.fixture
def visit(browser: Any, files: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def opened(name: str, size: str = "desktop", scheme: str = "light", **options: Any) -> Opened:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.goto(files[name].as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", PAGE_SCHEMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_clean_and_fits(name: str, size: str, scheme: str, visit: Callable[..., Opened]) -> None:
    seen = visit(name, size, scheme)
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    verdict = page.locator(".verdict-word").bounding_box()
    assert verdict is not None
    assert verdict["y"] >= 0
    assert verdict["y"] + verdict["height"] <= SIZES[size][1]


@pytest.mark.whole
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["pass", "fail", "inconclusive"])
def test_text_has_enough_contrast(name: str, scheme: str, visit: Callable[..., Opened]) -> None:
    page = visit(name, "desktop", scheme).page
    selectors = ("body", ".verdict-word", ".verdict li", ".badge i", ".mark", ".sub", ".value", ".about", ".tick")
    for selector in (*selectors, ".legend", "td", "th", ".dnc", ".bad", ".under", "nav a", ".terms dd", ".tag"):
        found = page.evaluate(CONTRAST, selector)
        assert all(ratio >= 4.5 for ratio in found), (selector, min(found))
    assert len(page.evaluate(CONTRAST, ".verdict-word")) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_schemes_differ(scheme: str, visit: Callable[..., Opened]) -> None:
    page = visit("pass", "desktop", scheme).page
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) > 600) == (scheme == "light")


def test_hovering_reads_the_second_under_the_pointer(visit: Callable[..., Opened], make: Make) -> None:
    seen = visit("pass")
    hit = seen.page.locator("[data-chart=rates] .hit")
    hit.scroll_into_view_if_needed()
    box = hit.bounding_box()
    assert box is not None
    second = 20
    x = box["x"] + box["width"] * (second + 0.5) / 62
    seen.page.mouse.move(x, box["y"] + 100)
    readout = seen.page.locator("[data-chart=rates] .readout")
    assert readout.is_visible()
    sent = make("pass").series.sent[second]
    assert readout.locator("b").inner_text() == "0:20"
    assert f"sent\n{sent}/s" in readout.inner_text()
    cross = seen.page.locator("[data-chart=rates] .cross").bounding_box()
    assert cross is not None
    assert abs(cross["x"] - x) < 2
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 60)
    assert not readout.is_visible()
    assert seen.errors == []


def test_the_readout_says_what_did_not_complete(visit: Callable[..., Opened]) -> None:
    page = visit("fail").page
    hit = page.locator("[data-chart=latency] .hit")
    hit.scroll_into_view_if_needed()
    box = hit.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 59.5 / 72, box["y"] + 80)
    assert "did not complete" in page.locator("[data-chart=latency] .readout").inner_text()


def test_touch_reads_and_stays_within_the_phone(visit: Callable[..., Opened]) -> None:
    seen = visit("fail", "phone", "dark", has_touch=True, is_mobile=True)
    for chart in ("rates", "latency", "percentiles", "cpu"):
        hit = seen.page.locator(f"[data-chart={chart}] .hit")
        hit.scroll_into_view_if_needed()
        box = hit.bounding_box()
        assert box is not None
        for share in (0.02, 0.5, 0.98):
            seen.page.touchscreen.tap(box["x"] + box["width"] * share, box["y"] + 60)
            readout = seen.page.locator(f"[data-chart={chart}] .readout").bounding_box()
            assert readout is not None
            assert readout["x"] >= 0
            assert readout["x"] + readout["width"] <= 375
            assert seen.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert seen.errors == []


def test_the_keyboard_reads_too(visit: Callable[..., Opened]) -> None:
    page = visit("pass").page
    page.locator("[data-chart=latency] .hit").focus()
    readout = page.locator("[data-chart=latency] .readout b")
    page.keyboard.press("Home")
    assert readout.inner_text() == "0:00"
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "0:01"
    page.keyboard.press("Escape")
    assert not readout.is_visible()


def test_without_its_script_the_page_says_the_same(visit: Callable[..., Opened]) -> None:
    page = visit("fail", java_script_enabled=False).page
    assert page.locator(".verdict-word").is_visible()
    assert page.locator("[data-chart=rates] svg.chart path.s").first.is_visible()
    hints = page.locator("[data-chart=latency] .hint title").all_text_contents()
    assert hints[0].startswith("0:00")
    assert any("did not complete" in hint for hint in hints)
    assert page.locator(".hit").count() == 0


def test_charts_keep_the_size_of_their_text_on_a_phone(visit: Callable[..., Opened]) -> None:
    heights = []
    for size in SIZES:
        box = visit("pass", size).page.locator("[data-chart=rates] text.tick").first.bounding_box()
        assert box is not None
        heights.append(box["height"])
    assert heights[0] == pytest.approx(heights[1], abs=0.5)


@pytest.mark.whole
@pytest.mark.parametrize("size", SIZES)
def test_labels_of_an_axis_do_not_overlap(size: str, visit: Callable[..., Opened]) -> None:
    overlaps = """() => [...document.querySelectorAll("svg.chart")].flatMap(chart => {
      const boxes = [...chart.querySelectorAll("text.tick, text.band-label")]
        .filter(text => getComputedStyle(text).display !== "none")
        .map(text => [text.textContent, text.getBoundingClientRect()]);
      return boxes.flatMap(([a, one], i) => boxes.slice(i + 1)
        .filter(([, two]) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
          && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 4)
        .map(([b]) => `${chart.querySelector("title").textContent}: ${a} / ${b}`));
    })"""
    for name in ("pass", "fail", "stages", "long", "interrupted", "empty"):
        assert visit(name, size).page.evaluate(overlaps) == []


def test_it_prints_with_its_details(visit: Callable[..., Opened], tmp_path: Path) -> None:
    seen = visit("fail", "desktop", "dark")
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    seen.page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    assert seen.page.evaluate("[...document.querySelectorAll('details')].every(details => details.open)")
    assert seen.errors == []
