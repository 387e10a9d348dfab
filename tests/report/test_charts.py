from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from auroral.report.charts import Band, Drawing, Lane, Line, Marker, Plot, dots, draw, path
from auroral.units import format_number

cells = st.none() | st.floats(-1e15, 1e15) | st.sampled_from([0.0, math.nan, math.inf, -math.inf])


def plot(columns: list[list[float | None]], **changes: object) -> Plot:
    count = len(columns[0])
    fields: dict[str, object] = {
        "id": "p",
        "title": "A <b>title</b> & more",
        "description": "What it says.",
        "x": [(i + 0.5) / count for i in range(count)],
        "x_ticks": [(0.0, "0"), (0.5, "1"), (1.0, "2")],
        "x_unit": "m:s",
        "x_label": lambda a, b: f"{a}–{b}",
        "lines": [Line(f"line <{i}>", "blue", column, missing=["gone"] * count) for i, column in enumerate(columns)],
        "print_value": format_number,
    }
    return Plot(**{**fields, **changes})  # type: ignore[arg-type]


def numbers(drawing: Drawing) -> list[str]:
    return re.findall(r'\bd="([^"]*)"', drawing.svg)


@given(
    st.lists(cells, min_size=1, max_size=900), st.sampled_from(["line", "thin", "step", "area", "under"]), st.booleans()
)
def test_paths_hold_only_numbers_inside_the_drawing(column: list[float | None], style: str, log: bool) -> None:
    drawing = draw(plot([column], lines=[Line("x", "blue", column, style)], log=log))  # type: ignore[arg-type]
    for d in numbers(drawing):
        assert not re.search("nan|inf|None|e", d, re.IGNORECASE)
        for value in re.findall(r"-?\d+\.?\d*", d):
            assert -1 <= float(value) <= 1001
    ET.fromstring(drawing.svg)


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=2000))
def test_the_crosshair_reads_every_point_in_order(column: list[float | None]) -> None:
    read = json.loads(draw(plot([column])).readout)
    assert len(read["x"]) == len(read["t"]) == len(read["rows"][0][2]) <= 300
    assert read["x"] == sorted(read["x"])
    assert read["t"][0].startswith("0–")
    assert read["t"][-1].endswith(f"–{len(column) - 1}")


def test_text_is_escaped_in_the_drawing_and_harmless_in_the_script() -> None:
    drawing = draw(plot([[1.0, 2.0]], bands=[Band(0, 1, "</svg><script>", "steady")], markers=[Marker(0.5, "<i>")]))
    ET.fromstring(drawing.svg)
    assert "<b>" not in drawing.svg
    assert "<script>" not in drawing.svg
    assert "<" not in drawing.readout
    assert json.loads(drawing.readout)["rows"][0][0] == "line <0>"


def test_a_missing_value_breaks_the_line_and_reads_as_what_is_missing() -> None:
    drawing = draw(plot([[1.0, 1.0, None, 1.0, 1.0]]))
    assert [d.count("M") for d in numbers(drawing)] == [2]
    assert json.loads(drawing.readout)["rows"][0][2] == ["1", "1", "gone", "1", "1"]


def test_a_point_alone_between_gaps_becomes_a_dot() -> None:
    points = [(0.0, None), (1.0, 5.0), (2.0, None)]
    assert path(points, "line", 10) == ""
    assert dots(points) == "M1 5h0"
    assert "s-dot" in draw(plot([[None, 3.0, None]])).svg


def test_a_bucket_that_holds_a_missing_value_says_so_at_its_high_end() -> None:
    column: list[float | None] = [float(i % 7) for i in range(900)]
    column[4] = None
    assert json.loads(draw(plot([column])).readout)["rows"][0][2][:3] == ["0 … 2", "3 … gone", "0 … 6"]


def test_steps_and_areas_follow_the_seconds_edges() -> None:
    points = [(10.0, 5.0), (20.0, 7.0)]
    assert path(points, "step", 50, 5) == "M5 5H15V7H25"
    assert path(points, "area", 50, 5) == "M5 50V5H15V7H25V50Z"


def test_lanes_mark_single_points_even_where_there_are_many() -> None:
    levels = [0] * 50_000
    levels[31_000] = 2
    drawing = draw(plot([[1.0] * 50_000], lanes=[Lane("rejected", "red", levels)]))
    assert 'class="lane level-2 c-red"' in drawing.svg
    assert "level-1" not in drawing.svg


def test_a_long_series_stays_small() -> None:
    column: list[float | None] = [float(i * 7919 % 1000) for i in range(86_400)]
    drawing = draw(plot([column]))
    assert len(drawing.svg) + len(drawing.readout) < 60_000


def test_the_drawing_is_named_and_described_for_who_cannot_see_it() -> None:
    root = ET.fromstring(draw(plot([[1.0]])).svg)
    assert root.get("role") == "img"
    named = [element.get("id") for element in root if element.tag in ("title", "desc")]
    assert root.get("aria-labelledby", "").split() == named


def test_a_band_too_narrow_for_its_label_shows_none() -> None:
    def labels(end: float) -> list[str]:
        return re.findall(
            r'class="band-label([^"]*)"', draw(plot([[1.0]], bands=[Band(0, end, "steady", "steady")])).svg
        )

    assert labels(0.01) == []
    assert labels(0.1) == [" wide-only"]
    assert labels(0.9) == [""]


def test_a_long_line_is_drawn_as_its_middle_within_the_shade_of_its_extremes() -> None:
    column: list[float | None] = [float(i % 10) for i in range(6000)]
    drawing = draw(plot([column]))
    assert drawing.merged == 20
    assert 'class="shade c-blue"' in drawing.svg
    assert draw(plot([column[:600]])).merged == 1


def test_a_chart_without_a_value_says_so_and_has_no_scale() -> None:
    drawing = draw(plot([[None, None]], empty="nothing completed"))
    assert ">nothing completed<" in drawing.svg
    assert 'class="grid"' not in drawing.svg


def test_a_phone_shows_every_second_label_where_all_do_not_fit() -> None:
    ticks = [(i / 5.5, f"1:0{i}:00") for i in range(6)]
    shown = re.findall(
        r'class="tick" x="[^"]+" y="\d+" text-anchor="\w+">(1:0\d:00)', draw(plot([[1.0]], x_ticks=ticks)).svg
    )
    assert shown == ["1:00:00", "1:02:00", "1:04:00"]
