"""The pages on the deployment say what infra/ and the plan say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auroral.capacity.presets import presets
from tests import generate
from tests.support import platform_edges, profile_costs
from tests.support.plans import of_preset
from tests.support.platform_edges import Edge

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def table() -> list[Edge]:
    return platform_edges.edges()


def test_the_pages_are_as_generated() -> None:
    for name, text in generate.deployment_files().items():
        assert (generate.REFERENCE / name).read_text(encoding="utf-8") == text, f"{name}: run make docs"


def test_the_table_is_whole(table: list[Edge]) -> None:
    found = {(edge.source, edge.to, edge.port) for edge in table}
    assert ("ui", "frontend", 7233) in found
    assert ("history", "prefix:dynamodb", 443) in found
    assert sum(edge.description.startswith("Membership") for edge in table) == 16
    assert all(edge.description for edge in table)


def test_every_edge_is_in_a_row_and_every_call_in_a_drawing(table: list[Edge]) -> None:
    page = platform_edges.page(table)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    listed = {(source, row[1], row[2]) for row in rows[1:] for source in row[0].split(", ")}
    assert {(edge.source, edge.to, str(edge.port)) for edge in table} <= listed
    for edge in table:
        assert f'["{edge.to}"]' in page or edge.description.startswith(
            ("Membership", "ECS Exec", "Every task is scraped")
        )


def test_the_drawings_name_only_what_they_declare(table: list[Edge]) -> None:
    for drawing in re.findall("```mermaid\n(.*?)```", platform_edges.page(table), re.DOTALL):
        assert drawing.startswith("flowchart LR\n")
        declared = set(re.findall(r'^    (n_\w+)\["', drawing, re.MULTILINE))
        used = {name for pair in re.findall(r"^    (n_\w+) -->\|.*\| (n_\w+)$", drawing, re.MULTILINE) for name in pair}
        assert used == declared
        assert len(drawing.splitlines()) > 10


def test_a_table_that_terraform_cannot_evaluate_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "names.tf").write_text("locals {}\n")
    (tmp_path / "edges.tf").write_text("locals {\n  edge_list = [local.nothing]\n}\n")
    monkeypatch.setattr(platform_edges, "STACK", tmp_path)
    with pytest.raises(AssertionError, match="nothing"):
        platform_edges.edges()


def test_the_costs_are_those_of_the_plan() -> None:
    page = profile_costs.page()
    for name in presets().names:
        bill = of_preset(name).cost
        assert f"| {bill.monthly_usd.value:,.0f} | {bill.low_usd:,.0f} to {bill.high_usd:,.0f} |" in page


@pytest.mark.parametrize("name", ["deploy.md", "teardown.md", "backup.md", "platform.md"])
def test_every_command_in_the_guides_is_there(name: str) -> None:
    from auroral.cli.smoke import missing_commands

    text = (DOCS / name).read_text()
    lines = re.findall(r"^(auroral [^|>#\n]+?)(?: *[|>#].*)?$", text.replace("\\\n", " "), re.MULTILINE)
    assert missing_commands([tuple(line.split()[1:]) for line in lines]) == []
