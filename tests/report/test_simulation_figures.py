"""The charts of a simulation: limits where they are near, events and the violation where there is room."""

from __future__ import annotations

import json

from auroral.report.charts import Drawing
from auroral.report.simulation_figures import charts, small_charts
from tests.support.simulation_results import day, held, quiet, violated


def labels(drawing: Drawing) -> list[str]:
    return [label for label, _, _ in drawing.legend]


def test_lines_are_there_where_there_is_something() -> None:
    connects, opened, waits = charts(held())
    assert labels(connects) == ["DSQL's lasting rate", "connects"]
    assert labels(opened) == ["planned", "all", "history", "worker"]
    assert labels(waits) == ["limit 1 s", "longest wait"]
    assert "refused" in labels(charts(violated())[0])
    assert {"failed in an outage", "without the counter's word"} <= set(labels(charts(quiet())[0]))


def test_the_limit_of_connections_is_drawn_where_it_is_near() -> None:
    assert "limit 1,200" in labels(charts(day())[1])
    assert "limit 9,990" in labels(charts(violated())[1])
    assert "limit 9,990" not in labels(charts(held())[1])


def test_where_nobody_waited_the_chart_says_so() -> None:
    waits = charts(quiet())[2]
    assert labels(waits) == ["longest wait"]
    assert "nobody waited" in waits.svg


def test_events_are_named_where_there_is_room() -> None:
    svg = charts(quiet())[0].svg
    assert "DSQL refuses" in svg
    assert "10% of the connections cut" not in svg
    assert "load × 1.5" not in svg  # it would lie over the first on a phone
    assert svg.count("band-ramp") == 2  # a cut takes no time of its own


def test_the_violation_goes_before_events() -> None:
    svg = charts(violated())[0].svg
    assert "first violation" in svg
    assert "connections cut<" not in svg


def test_points_are_read_as_the_seconds_that_they_cover() -> None:
    assert json.loads(charts(held())[0].readout)["t"][5] == "0:10 – 0:12"
    assert json.loads(charts(quiet())[0].readout)["t"][5] == "0:05"
    assert json.loads(charts(day())[0].readout)["t"][0] == "0:00 – 4:48"


def test_what_stands_behind_them() -> None:
    bucket, tasks = small_charts(held())
    assert labels(bucket) == ["tokens left"]
    assert labels(tasks) == ["running", "short of connections"]
