"""Values that are not to be drawn are refused, and what is drawn lies where it is to lie."""

from __future__ import annotations

import pytest

from auroral.dashboards import metrics
from auroral.dashboards.panels import (
    CLUSTER_VARIABLE,
    NAMESPACE_VARIABLE,
    Board,
    CloudQuery,
    Panel,
    Query,
    Row,
    Step,
    Unit,
    over,
    placed,
    under,
)


def panel(title: str, width: int, height: int = 8) -> Panel:
    return Panel(
        title=title,
        unit=Unit.COUNT,
        shows="Tasks.",
        normal="3.",
        otherwise="Look.",
        queries=(Query("up{}"),),
        width=width,
        height=height,
    )


def board(*rows: Row) -> Board:
    return Board(uid="test", title="Test", description="", variables=(), rows=rows)


def test_that_a_panel_says_what_it_shows_what_is_normal_and_what_to_do() -> None:
    assert panel("a", 8).description == "Tasks.\n\n**Normal:** 3.\n\n**Otherwise:** Look."


def test_that_panels_go_on_below_when_a_line_is_full() -> None:
    rows = (
        Row("", (panel("a", 12, 4), panel("b", 12, 6), panel("c", 8))),
        Row("More", (panel("d", 24),)),
    )
    assert [
        (place.panel.title if place.panel else place.row.title, place.x, place.y, place.width)
        for place in placed(board(*rows))
    ] == [("a", 0, 0, 12), ("b", 12, 0, 12), ("c", 0, 6, 8), ("More", 0, 14, 24), ("d", 0, 15, 24)]


@pytest.mark.parametrize("width", [0, 25])
def test_that_a_panel_has_to_fit_the_grid(width: int) -> None:
    with pytest.raises(ValueError, match="expected a width of 1 to 24"):
        placed(board(Row("", (panel("a", width),))))


def test_that_a_question_to_cloudwatch_names_all_dimensions() -> None:
    with pytest.raises(ValueError, match="has the dimensions DomainName, ClientId, found DomainName"):
        CloudQuery(metrics.SEARCH_RED, {"DomainName": "x"})
    assert CloudQuery(metrics.SEARCH_RED, {"ClientId": "*", "DomainName": "x"}).metric is metrics.SEARCH_RED


def test_that_colours_change_where_they_are_to() -> None:
    assert over(10) == (Step(None, "green"), Step(10, "red"))
    assert over(10, warn=5) == (Step(None, "green"), Step(5, "orange"), Step(10, "red"))
    assert under(1) == (Step(None, "red"), Step(1, "green"))
    assert under(1, warn=2) == (Step(None, "red"), Step(1, "orange"), Step(2, "green"))


def test_that_variables_are_asked_for_within_the_cluster() -> None:
    assert CLUSTER_VARIABLE.query == "label_values(up, cluster)"
    assert NAMESPACE_VARIABLE.query == 'label_values(service_requests{cluster=~"$cluster"}, namespace)'
