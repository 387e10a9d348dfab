"""Our dashboards, as Grafana is to get them: against its own types, its grid, our data sources and our metrics."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from auroral.dashboards import grafana, overview, temporal_server
from auroral.dashboards.panels import SCREEN_ROWS, Board, CloudQuery, Query, Shape, placed
from auroral.dashboards.queries import names_in
from auroral.dashboards.rule_files import KNOWN
from auroral.errors import UsageError
from tests.dashboards.asked import answers

ROOT = Path(__file__).resolve().parents[2]
BOARDS = {"overview": overview.board, "temporal_server": temporal_server.board}
ALWAYS_THERE = {"__rate_interval"}
"""Variables that Grafana itself has."""


@pytest.fixture(scope="module", params=BOARDS, ids=str)
def board(request: pytest.FixtureRequest) -> Board:
    return BOARDS[request.param]()


@pytest.fixture(scope="module")
def document(board: Board) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(grafana.text(board))
    return found


def panels_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for panel in document["panels"] for one in (panel, *panel.get("panels", ()))]


def test_that_it_is_the_same_each_time(board: Board) -> None:
    assert grafana.text(board) == grafana.text(board)


def test_that_the_sdk_reads_it_as_a_dashboard(board: Board, document: dict[str, Any]) -> None:
    read = Dashboard.from_json(document)
    assert read.uid == board.uid
    shown = [panel for panel in read.panels or [] if isinstance(panel, Panel)]
    assert len(shown) == len(list(board.panels()))
    assert all(panel.targets for panel in shown)


def test_that_ids_are_unique_and_panels_do_not_overlap(document: dict[str, Any]) -> None:
    panels = panels_of(document)
    assert len({panel["id"] for panel in panels}) == len(panels)
    squares = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in panels)
    ]
    assert all(x < 24 for square in squares for x, _ in square)
    assert not [pair for pair in combinations(squares, 2) if pair[0] & pair[1]]


def test_that_every_panel_has_a_unit_and_a_whole_description(board: Board) -> None:
    for panel in board.panels():
        assert panel.unit, panel.title
        for words in (panel.shows, panel.normal, panel.otherwise):
            assert words.strip().endswith((".", "?")), f"{panel.title}: {words!r}"
        assert panel.queries, panel.title


def test_that_titles_tell_panels_of_a_row_apart(board: Board) -> None:
    for row in board.rows:
        titles = [panel.title for panel in row.panels]
        assert len(set(titles)) == len(titles), row.title


def test_that_every_query_asks_for_metrics_that_are_known(board: Board) -> None:
    for panel in board.panels():
        for query in panel.queries:
            if isinstance(query, Query):
                names = names_in(query.expr)
                assert names, query.expr
                assert names <= set(KNOWN), query.expr


def test_that_lines_of_one_query_are_told_apart_by_their_labels(board: Board) -> None:
    """A label in a legend is one that the query keeps."""
    for panel in board.panels():
        for query in panel.queries:
            if isinstance(query, Query):
                kept = {label for by in re.findall(r"by \(([^)]*)\)", query.expr) for label in by.split(", ")} - {"le"}
                assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) == kept, f"{panel.title}: {query.expr}"


def test_that_several_queries_of_a_panel_have_legends(board: Board) -> None:
    for panel in board.panels():
        legends = [query.legend for query in panel.queries]
        assert len(legends) == 1 or all(legends), panel.title
        assert len(set(legends)) == len(legends), panel.title


def test_that_every_variable_is_defined_and_used(document: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in document["templating"]["list"]}
    asked = json.dumps([[panel.get("targets"), panel["title"]] for panel in panels_of(document)])
    chained = json.dumps([variable["query"] for variable in document["templating"]["list"]])
    used = set(re.findall(r"\$(\w+)", asked)) - ALWAYS_THERE
    assert used <= defined
    assert defined <= used | set(re.findall(r"\$(\w+)", chained))


def test_that_data_come_from_the_sources_that_the_image_provisions(document: dict[str, Any]) -> None:
    provisioned = yaml.safe_load((ROOT / "images/grafana/provisioning/datasources/aws.yaml").read_text("utf-8"))
    known = {(one["type"], one["uid"]) for one in provisioned["datasources"]}
    targets = [target for panel in panels_of(document) for target in panel.get("targets", ())]
    sources = [one["datasource"] for one in (*targets, *document["templating"]["list"])]
    assert len(sources) > len(targets) > 0
    assert {(one["type"], one["uid"]) for one in sources} <= known


def test_that_a_panel_of_two_sources_is_mixed(board: Board, document: dict[str, Any]) -> None:
    shown = [panel for panel in panels_of(document) if panel["type"] != "row"]
    for panel, drawn in zip(board.panels(), shown, strict=True):
        kinds = {type(query) for query in panel.queries}
        assert (drawn["datasource"]["uid"] == "-- Mixed --") == (len(kinds) == 2), panel.title


def test_that_limits_are_drawn_as_lines(board: Board, document: dict[str, Any]) -> None:
    shown = [panel for panel in panels_of(document) if panel["type"] != "row"]
    limited = 0
    for panel, drawn in zip(board.panels(), shown, strict=True):
        at = [step.at for step in panel.steps if step.at is not None]
        if at and panel.shape is not Shape.NUMBER:
            limited += 1
            defaults = drawn["fieldConfig"]["defaults"]
            assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed", panel.title
            assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, *at], panel.title
            assert defaults["custom"].get("axisSoftMax") == (max(at) if panel.headroom else None), panel.title
        limits = [index for index, query in enumerate(panel.queries) if isinstance(query, Query) and query.limit]
        overridden = [one["matcher"]["options"] for one in drawn["fieldConfig"]["overrides"]]
        assert overridden == ["ABCDEFGH"[index] for index in limits], panel.title
    assert limited >= 5


def test_that_a_number_is_of_now(board: Board, document: dict[str, Any]) -> None:
    """The last of a range would show what was, for as long as the range, once a series has ended: an alert, a P99."""
    shown = [panel for panel in panels_of(document) if panel["type"] != "row"]
    for panel, drawn in zip(board.panels(), shown, strict=True):
        for query, target in zip(panel.queries, drawn["targets"], strict=True):
            if isinstance(query, Query):
                now = panel.shape is Shape.NUMBER
                assert (target.get("instant", False), target.get("range", False)) == (now, not now), panel.title


def test_that_a_count_stands_in_one_bar(board: Board, document: dict[str, Any]) -> None:
    """`$__rate_interval` is a minute at least: steps of 15 s would draw each count four times."""
    shown = [panel for panel in panels_of(document) if panel["type"] != "row"]
    bars = [(one, drawn) for one, drawn in zip(board.panels(), shown, strict=True) if one.shape is Shape.BARS]
    assert bars
    for panel, drawn in bars:
        assert drawn.get("interval") == "1m", panel.title


def test_that_the_overview_compares_with_the_deployments_limits() -> None:
    asked = {one.title: [each for each in one.queries if isinstance(each, Query)] for one in overview.board().panels()}
    assert "auroral:dsql_connections:limit{}" in asked["DSQL connections used"][0].expr
    for title, limit in (("DSQL connections", "connections"), ("Connects", "connect_rate")):
        (line,) = (each for each in asked[title] if each.limit)
        assert f"auroral:dsql_{limit}:limit{{}}" in line.expr


def test_that_no_errors_are_0_and_no_frontend_is_no_number(tmp_path: Path) -> None:
    (panel,) = (one for one in overview.board().panels() if one.title == "Frontend errors")
    (query,) = panel.queries
    assert isinstance(query, Query)
    served = 'service_requests{cluster="c",service="frontend",namespace="n",operation="x",instance="a:1"}'
    answers(tmp_path, query.expr, {served: "0+60x40"}, {"{}": 0}, at_s=300, variables={"namespace": ".*"})
    answers(tmp_path, query.expr, {served: "0+60x4 stale"}, {}, at_s=540, variables={"namespace": ".*"})


def test_that_the_overview_is_one_screen() -> None:
    assert max(place.y + place.height for place in placed(overview.board())) <= SCREEN_ROWS


def test_that_questions_to_cloudwatch_are_about_the_chosen(board: Board) -> None:
    """A dimension is a variable, a constant of AWS's, or any value of one that another dimension decides."""
    for panel in board.panels():
        for query in panel.queries:
            if isinstance(query, CloudQuery):
                assert any("$" in value for value in query.dimensions.values()), panel.title


def test_that_the_build_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk.builders", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        grafana.text(overview.board())
    assert "auroral[dashboards]" in str(caught.value.hint)


def test_that_describing_dashboards_needs_no_extra() -> None:
    program = (
        "import sys; sys.modules['grafana_foundation_sdk'] = None\n"
        "from auroral.dashboards import overview, temporal_server\n"
        "print(len(list(overview.board().panels())), len(list(temporal_server.board().panels())))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert all(int(number) > 20 for number in done.stdout.split())


def test_that_every_question_parses(board: Board, tmp_path: Path) -> None:
    """Prometheus' own parser takes each of them, with Grafana's variables filled in."""
    rules: list[dict[str, Any]] = [
        {"record": "parsed", "expr": query.expr.replace("$__rate_interval", "5m")}
        for panel in board.panels()
        for query in panel.queries
        if isinstance(query, Query)
    ]
    file = tmp_path / "rules.yaml"
    # A label of its own for each: promtool takes rules that are the same for a mistake.
    for number, rule in enumerate(rules):
        rule["labels"] = {"number": str(number)}
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}), "utf-8")
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
