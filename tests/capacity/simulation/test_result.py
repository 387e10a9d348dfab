"""The result document: fewer points that keep every extreme, and JSON that reads back."""

from __future__ import annotations

import json
from array import array
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation import trial
from auroral.capacity.simulation.outcome import Series
from auroral.capacity.simulation.result import MOST_POINTS, SCHEMA_ID, SimulationResult, decode, encode, points, schema
from auroral.capacity.simulation.scenario import Event
from tests.support.scenarios import scenario


def series(attempts: list[int]) -> Series:
    names = [name for name in Series.__struct_fields__ if not name.endswith("by_service")]
    columns: dict[str, Any] = {name: array("I", attempts) for name in names}
    return Series(**columns, open_by_service={"history": array("I", attempts)}, attempts_by_service={})


def result() -> SimulationResult:
    chosen = scenario(Event(at_s=60.0, do="cut"))
    summary = trial.Summary(chosen, "test")
    summary.add(trial.run(chosen, 1))
    return summary.result()


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=3000))
def test_points_keep_the_extremes(values: list[int]) -> None:
    made = points(series(values), float(len(values)))
    assert len(made.t_s) <= MOST_POINTS
    assert made.t_s == [index * made.step_s for index in range(len(made.t_s))]
    assert (len(made.t_s) - 1) * made.step_s < len(values) <= len(made.t_s) * made.step_s
    assert max(made.attempts) == max(values)
    assert (min(made.open_least), max(made.open_most)) == (min(values), max(values))
    assert made.open_by_service["history"][-1] == values[-1]
    lengths = {len(getattr(made, name)) for name in made.__struct_fields__ if name not in ("step_s", "open_by_service")}
    assert lengths == {len(made.t_s)}


def test_seconds_without_a_wait_have_none() -> None:
    assert points(series([0, 2]), 2.0).longest_wait_ms == [None, 0.002]


def test_a_document_reads_back() -> None:
    made = result()
    assert made.schema == SCHEMA_ID
    assert decode(encode([made])) == made


def test_several_are_a_list() -> None:
    made = result()
    document = msgspec.json.decode(encode([made, made]))
    assert [one["scenario"]["name"] for one in document] == ["small", "small"]


def test_what_is_no_document() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b"{}")


def test_the_first_violation_is_the_earliest() -> None:
    run = result().run
    late = msgspec.structs.replace(run.checks[0], passed=False, at_s=50.0)
    early = msgspec.structs.replace(run.checks[1], passed=False, at_s=20.0)
    never = msgspec.structs.replace(run.checks[2], passed=False, at_s=None)
    broken = msgspec.structs.replace(run, checks=[never, late, early])
    assert broken.first_violation is early
    assert not broken.passed
    assert run.first_violation is None


def test_the_document_is_valid_by_its_schema() -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(encode([result()])))
