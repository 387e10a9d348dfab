"""Runbooks: one for each alert, whose commands exist and whose links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auroral.dashboards.rule_files import ALERTS
from auroral.dashboards.rules import RUNBOOKS, Alert
from tests.test_operate_docs import _faults, _lines

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / RUNBOOKS
INDEX = FOLDER / "README.md"
PAGES = sorted(FOLDER.glob("*.md"))


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert sorted(path.name for path in PAGES) == sorted(["README.md", *(f"{alert.name}.md" for alert in ALERTS)])
    assert all((ROOT / alert.runbook).is_file() for alert in ALERTS)


def test_the_index_lists_them_with_their_severities() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [(alert.name, alert.name, str(alert.severity)) for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_page_says_what_to_run_and_what_to_look_at(alert: Alert) -> None:
    text = (ROOT / alert.runbook).read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n\nSeverity: {alert.severity}.\n")
    assert re.search(r"^## Run\n\n```sh\nauroral ", text, re.MULTILINE)
    assert re.search(r"^## Look at\n\n- ", text, re.MULTILINE)
    found = list(_lines(text))
    assert [f"{line}: {fault}" for line in found if (fault := _faults(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.is_file() or (anchor and anchor not in _anchors(other)):
            dead.append(target)
    assert dead == []
