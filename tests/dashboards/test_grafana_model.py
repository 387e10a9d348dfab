"""Every dashboard against Grafana's model: the SDK's types, and what its documentation asks of the JSON."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models

from auroral.cli.main import root
from auroral.dashboards.build import BOARDS as MODULES
from auroral.dashboards.grafana import METRICS_TYPE, TAG, text
from auroral.dashboards.metrics import CLOUD
from auroral.dashboards.panels import Board, Query, Unit
from auroral.dashboards.queries import names_in
from auroral.dashboards.rule_files import KNOWN
from tests.images.conftest import IMAGES

BOARDS: dict[str, Board] = {
    name.replace("_", "-"): importlib.import_module(f"auroral.dashboards.{name}").board() for name in MODULES
}
BUILT_IN = {"__rate_interval", "__interval", "__range"}
MIXED = ("-- Mixed --", "datasource")
CLASSIC_SCHEMA = 39
"""Grafana 13 still takes the classic model, whose later versions change nothing that is used here."""


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    """Each dashboard as its file has it."""
    return {name: json.loads(text(board)) for name, board in BOARDS.items()}


every_board = pytest.mark.parametrize("name", sorted(BOARDS))


def panels_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, those in collapsed rows included, without the rows."""
    within = [inner for panel in document["panels"] for inner in panel.get("panels", ())]
    return [panel for panel in [*document["panels"], *within] if panel["type"] != "row"]


def all_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels and rows."""
    return [*document["panels"], *(inner for panel in document["panels"] for inner in panel.get("panels", ()))]


def as_the_sdk_knows_it(document: dict[str, Any]) -> dict[str, Any]:
    """A copy whose queries the SDK's reader gives their types.

    It knows Prometheus by that name alone, not Amazon's plugin, and lets a panel's source, mixed for example, decide
    for its queries.
    """
    copy: dict[str, Any] = json.loads(json.dumps(document).replace(f'"{METRICS_TYPE}"', '"prometheus"'))
    for panel in panels_of(copy):
        if panel["datasource"]["type"] == MIXED[1]:
            del panel["datasource"]
    return copy


@every_board
def test_the_sdks_types_read_it_and_write_the_same_again(made: dict[str, dict[str, Any]], name: str) -> None:
    register_default_plugins()
    known = as_the_sdk_knows_it(made[name])
    read = models.Dashboard.from_json(json.loads(json.dumps(known)))
    targets = [target for panel in read.panels or () for target in getattr(panel, "targets", None) or ()]
    assert targets
    assert {type(target).__name__ for target in targets} <= {"Dataquery", "CloudWatchMetricsQuery"}
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == known


@every_board
def test_it_is_the_same_each_time(name: str) -> None:
    assert text(BOARDS[name]) == text(BOARDS[name])


@every_board
def test_what_grafana_needs_at_the_top(made: dict[str, dict[str, Any]], name: str) -> None:
    document = made[name]
    assert document["schemaVersion"] >= CLASSIC_SCHEMA
    assert "id" not in document, "it is the database's, and a given one collides"
    assert re.fullmatch(r"auroral-[a-z-]{1,32}", document["uid"]), "at most 40 characters"
    assert TAG in document["tags"]
    assert document["editable"] is False
    assert document["description"]


def test_uids_and_titles_are_unique(made: dict[str, dict[str, Any]]) -> None:
    for key in ("uid", "title"):
        assert len({document[key] for document in made.values()}) == len(made)


@every_board
def test_panel_ids_are_unique_and_panels_do_not_overlap(made: dict[str, dict[str, Any]], name: str) -> None:
    found = all_of(made[name])
    ids = [panel["id"] for panel in found]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0
    for panel in found:
        place = panel["gridPos"]
        assert min(place["x"], place["y"]) >= 0, panel["title"]
        assert min(place["w"], place["h"]) > 0, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
    for one, other in combinations(found, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one["title"], other["title"])


@every_board
def test_every_source_is_provisioned(made: dict[str, dict[str, Any]], name: str) -> None:
    provisioned = yaml.safe_load((IMAGES / "grafana/provisioning/datasources/aws.yaml").read_text())
    known = {(source["uid"], source["type"]) for source in provisioned["datasources"]}
    for panel in panels_of(made[name]):
        assert panel["targets"], panel["title"]
        assert source_of(panel) in known | {MIXED}, panel["title"]
        for target in panel["targets"]:
            assert source_of(target) in known, panel["title"]
            assert source_of(panel) in (source_of(target), MIXED), panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
    for variable in made[name]["templating"]["list"]:
        assert source_of(variable) in known, variable["name"]


def source_of(asks: dict[str, Any]) -> tuple[str, str]:
    """What a panel, a target or a variable asks."""
    return asks["datasource"]["uid"], asks["datasource"]["type"]


@every_board
def test_every_variable_that_is_used_is_there_and_comes_before(made: dict[str, dict[str, Any]], name: str) -> None:
    variables = made[name]["templating"]["list"]
    names = [variable["name"] for variable in variables]
    assert len(set(names)) == len(names)
    used = {each for panel in panels_of(made[name]) for each in used_in(json.dumps(panel["targets"]))}
    assert used - BUILT_IN <= set(names)
    for index, variable in enumerate(variables):
        asked = used_in(json.dumps(variable["query"]))
        assert asked <= set(names[:index]), f"{variable['name']} depends on what comes after it"
        used |= asked
    assert set(names) <= used, "a choice that changes nothing"


def used_in(text: str) -> set[str]:
    """Variables that a text names. CloudWatch's own `${PROP(…)}` is none."""
    return set(re.findall(r"\$\{?(\w+)(?![\w(])", text))


@every_board
def test_every_panel_says_what_it_is_in_which_unit(made: dict[str, dict[str, Any]], name: str) -> None:
    units = {unit.value for unit in Unit}
    for panel in panels_of(made[name]):
        assert panel["title"]
        assert "**Normal:**" in panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in units, panel["title"]


@every_board
def test_only_known_metrics_are_asked_for(made: dict[str, dict[str, Any]], name: str) -> None:
    in_the_cloud = {(metric.namespace, metric.name): metric for metric in CLOUD}
    for panel in panels_of(made[name]):
        for target in panel["targets"]:
            if "expr" in target:
                assert names_in(target["expr"]), panel["title"]
                assert names_in(target["expr"]) <= set(KNOWN), panel["title"]
                continue
            metric = in_the_cloud[target["namespace"], target["metricName"]]
            assert set(target["dimensions"]) == set(metric.dimensions), panel["title"]


def test_limits_are_drawn(made: dict[str, dict[str, Any]]) -> None:
    """As dashed lines: a number of its own at its value, and a query of its own in red."""
    named = {one["title"]: one["fieldConfig"] for one in panels_of(made["dsql-persistence"])}
    fixed = named["Connects in a minute, of the bucket"]["defaults"]
    assert 7000 in [step["value"] for step in fixed["thresholds"]["steps"]]
    assert fixed["custom"]["thresholdsStyle"]["mode"] == "dashed"
    (override,) = named["Connects a second, of the cluster"]["overrides"]
    assert override["matcher"] == {"id": "byFrameRefID", "options": "B"}
    properties = {one["id"]: one["value"] for one in override["properties"]}
    assert properties["custom.lineStyle"]["fill"] == "dash"
    assert properties["custom.stacking"]["mode"] == "none", "a limit is not on top of what it limits"


def titles(board: Board) -> set[str]:
    """What a text of a dashboard may refer to: its rows and panels, and all dashboards."""
    own = {panel.title for panel in board.panels()} | {row.title for row in board.rows if row.title}
    return own | {other.title for other in BOARDS.values()}


@every_board
def test_what_a_panel_refers_to_is_there(name: str) -> None:
    board = BOARDS[name]
    for panel in board.panels():
        said = f"{panel.shows} {panel.normal} {panel.otherwise}"
        for reference in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", said):
            assert any(title.startswith(reference) for title in titles(board)), (panel.title, reference)


@every_board
def test_every_command_that_a_panel_names_exists(name: str) -> None:
    for panel in BOARDS[name].panels():
        for command in re.findall(r"`auroral ([a-z -]+)", panel.otherwise):
            found: click.Command | None = root
            for word in command.split():
                if not isinstance(found, click.Group):
                    break  # the rest are its arguments
                found = found.get_command(click.Context(found), word)
                assert found is not None, (panel.title, command)
            assert not isinstance(found, click.Group), (panel.title, command)


@every_board
def test_a_legend_names_labels_that_its_query_keeps(name: str) -> None:
    for panel in BOARDS[name].panels():
        for query in panel.queries:
            if isinstance(query, Query):
                for label in re.findall(r"{{(\w+)}}", query.legend):
                    assert re.search(rf"by \([^)]*\b{label}\b", query.expr), (panel.title, query.legend)


@every_board
def test_series_of_a_panel_can_be_told_apart(name: str) -> None:
    for panel in BOARDS[name].panels():
        legends = [query.legend for query in panel.queries]
        assert len(set(legends)) == len(legends), panel.title


def test_prometheus_can_parse_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{index}", "expr": with_values(query.expr)}
        for index, query in enumerate(
            query
            for board in BOARDS.values()
            for panel in board.panels()
            for query in panel.queries
            if isinstance(query, Query)
        )
    ]
    assert len(rules) > 100
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def with_values(expr: str) -> str:
    """The query with a value for each variable."""
    return re.sub(r"\$\{?\w+\}?", "x", expr.replace("$__rate_interval", "1m"))
