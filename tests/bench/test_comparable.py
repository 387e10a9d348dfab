"""Which runs can be compared, and over which seconds."""

from __future__ import annotations

import msgspec

from auroral.bench.comparable import differences, objections, window_of
from auroral.bench.result import Result
from tests.support.sample_results import MAKERS

LIKE = MAKERS["pass"]()


def named(result: Result, run_id: str, **manifest: object) -> Result:
    changed = msgspec.structs.replace(result.manifest, run_id=run_id, **manifest)
    return msgspec.structs.replace(result, manifest=changed)


def test_runs_of_the_same_load_can_be_compared() -> None:
    assert objections([LIKE, named(LIKE, "again")], [named(LIKE, "other")]) == []


def test_what_cannot_be_compared_is_named_with_both_values() -> None:
    arrival = msgspec.structs.replace(LIKE.manifest.arrival, process="poisson")
    other = named(LIKE, "other", engine="wire", observe="visibility", arrival=arrival, workloads=[])
    found = objections([LIKE], [other])
    assert [objection.split(":")[0] for objection in found] == [
        "workload",
        "engine",
        "arrival process",
        "observation of closes",
    ]
    assert "engine: run-pass has sdk, other has wire" in found


def test_another_rate_cannot_be_compared() -> None:
    (found,) = objections([LIKE], [MAKERS["inconclusive"]()])
    assert found == "target rate: run-pass has 100/s, run-inconclusive has 50/s"


def test_a_run_without_a_steady_window_cannot_be_compared() -> None:
    assert "run-interrupted has no steady window" in objections([LIKE], [MAKERS["interrupted"]()])


def test_a_run_is_not_compared_with_itself() -> None:
    assert objections([LIKE], [LIKE]) == ["run-pass is given twice: a run compared with itself shows nothing"]


def test_the_window_is_the_one_that_rates_are_quoted_from() -> None:
    assert window_of(LIKE) == range(10, 60)
    assert window_of(MAKERS["stages"]()) == range(45, 60)
    assert not window_of(MAKERS["nothing"]())


def driven_with(result: Result, transport: str | None) -> Result:
    processes = [
        msgspec.structs.replace(process, transport=transport if process.name.startswith("generator") else None)
        for process in result.processes
    ]
    return msgspec.structs.replace(result, processes=processes)


def test_generators_that_went_another_way_are_said() -> None:
    over_wire, with_client = driven_with(LIKE, "wire"), driven_with(named(LIKE, "other"), "sdk")
    assert differences([over_wire, driven_with(named(LIKE, "again"), "wire")]) == []
    assert differences([over_wire, with_client]) == ["The generators' transport differs: wire, sdk."]
    assert differences([over_wire, driven_with(LIKE, None)]) == ["The generators' transport differs: wire, unknown."]
