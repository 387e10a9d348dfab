from __future__ import annotations

import json
import re
from collections.abc import Callable

import msgspec
import pytest

from auroral.bench import result as r
from auroral.bench.limits import Reading
from auroral.report import figures

Make = Callable[[str], r.Result]


def row(drawing: object, label: str) -> list[str]:
    rows = json.loads(drawing.readout)["rows"]  # type: ignore[attr-defined]
    return next(values for name, _, values in rows if name == label)


def test_seconds_that_did_not_complete_are_marked_and_read_as_such(make: Make) -> None:
    result = make("fail")
    drawing = figures.latency(result)
    assert drawing is not None
    read = row(drawing, "p50")
    for second, value in enumerate(result.series.latency_p50_ms):
        if value is None:
            assert read[second] == ("did not complete" if result.series.intended[second] else "–")
    assert {"level-1", "level-2", "level-3"} <= set(re.findall(r"level-\d", drawing.svg))


def test_a_second_without_starts_is_not_marked_as_incomplete(make: Make) -> None:
    drawing = figures.latency(make("pass"))
    assert drawing is not None
    assert "lane" not in drawing.svg
    assert row(drawing, "p99")[-1] == "–"


def test_troubles_are_drawn_only_where_there_were_any(make: Make) -> None:
    quiet, loud = figures.rates(make("pass")), figures.rates(make("fail"))
    assert quiet is not None
    assert loud is not None
    assert [label for label, _, _ in quiet.legend] == ["target", "sent", "completed"]
    assert [label for label, _, _ in loud.legend][3:] == ["failed", "rejected", "dropped"]
    assert "first limit" in loud.svg
    assert "first limit" not in quiet.svg


def test_windows_and_stages_are_labelled(make: Make) -> None:
    ramped, staged = figures.rates(make("pass")), figures.rates(make("stages"))
    assert ramped is not None
    assert staged is not None
    assert ">ramp<" in ramped.svg
    assert ">steady<" in ramped.svg
    assert staged.svg.count("band-stage") == 4


def test_the_percentile_curve_ends_where_starts_did_not_complete(make: Make) -> None:
    result = make("fail")
    drawing = figures.percentiles(result)
    assert drawing is not None
    share = result.times.latency.censored / result.times.latency.count
    assert f"did not complete: {100 * share:.2f} % of the starts" in drawing.svg
    boundary = float(re.search(r'class="boundary" x1="([\d.]+)%"', drawing.svg)[1])  # type: ignore[index]
    line = re.search(r'class="s s-line c-blue" d="([^"]+)"', drawing.svg)[1]  # type: ignore[index]
    last_x = float(re.findall(r"[ML]([\d.]+) ", line)[-1])
    assert last_x == pytest.approx(boundary * 10, abs=0.2)
    assert row(drawing, "latency")[-1] == "did not complete"


def test_a_complete_percentile_curve_ends_at_the_maximum(make: Make) -> None:
    drawing = figures.percentiles(make("pass"))
    assert drawing is not None
    assert "did not complete" not in drawing.svg
    assert json.loads(drawing.readout)["t"][-1] == "max"
    assert row(drawing, "latency")[-1] == "1.6 s"


def test_without_a_start_there_is_no_chart(make: Make) -> None:
    nothing = make("nothing")
    assert figures.rates(nothing) is None
    assert figures.latency(nothing) is None
    assert figures.percentiles(nothing) is None
    assert figures.limits(nothing) == []


def test_what_could_not_be_read_is_left_out_and_gaps_stay_gaps(make: Make) -> None:
    result = make("pass")
    bare = [Reading(t_s=reading.t_s, in_flight=reading.in_flight) for reading in result.readings]
    assert [d.id for d in figures.limits(msgspec.structs.replace(result, readings=bare))] == ["in-flight", "lag"]
    backlog = next(drawing for drawing in figures.limits(result) if drawing.id == "backlog")
    assert row(backlog, "activity tasks")[17] == "not read"


def test_many_processes_are_drawn_as_the_busiest_of_their_kind(make: Make) -> None:
    result = make("pass")
    many = [
        msgspec.structs.replace(reading, cpu={f"worker-{n}": n / 10 for n in range(12)} | {"coordinator": 0.1})
        for reading in result.readings
    ]
    cpu = next(d for d in figures.limits(msgspec.structs.replace(result, readings=many)) if d.id == "cpu")
    assert row(cpu, "busiest worker of 12")[0] == "1.1"


def test_an_in_flight_limit_is_drawn_once_it_is_near(make: Make) -> None:
    result = make("fail")
    near = [msgspec.structs.replace(reading, in_flight_limit=200) for reading in result.readings]
    drawn = figures.limits(msgspec.structs.replace(result, readings=near))[0]
    assert [label for label, _, _ in drawn.legend] == ["limit", "in flight"]
    assert [label for label, _, _ in figures.limits(result)[0].legend] == ["in flight"]
