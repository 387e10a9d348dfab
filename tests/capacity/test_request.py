from __future__ import annotations

import msgspec
import pytest

from auroral.bench.workload import builtin
from auroral.capacity.calibrate import calibrate
from auroral.capacity.figures import Figure
from auroral.capacity.presets import presets
from auroral.capacity.request import Request, load_of, rebased, scaled
from tests.capacity.test_calibrate import BASE, result
from tests.support.plans import options


def request(workload: str = "state-transitions", **changes: object) -> Request:
    return Request(workload=builtin(workload), options=options(), **changes)  # type: ignore[arg-type]


def test_a_rate_is_the_reference_workloads() -> None:
    load = load_of(request(rate_per_s=150.0), presets())
    assert (load.rate_per_s, load.sized_per_s, load.equivalent_per_s) == (150, 150, 150)
    assert load.transitions_per_s == 150 * 43
    assert scaled(request(rate_per_s=150.0)) == ""


def test_another_workload_weighs_by_its_state_transitions() -> None:
    load = load_of(request("simple", rate_per_s=430.0), presets())
    assert load.sized_per_s == pytest.approx(30)
    assert scaled(request("simple", rate_per_s=430.0)).startswith("one simple weighs 0.0698 state-transitions")


def test_a_preset_carries_more_of_a_lighter_workload() -> None:
    assert load_of(request("simple", preset="150wps"), presets()).rate_per_s == pytest.approx(2_150)
    assert load_of(request(preset="150wps"), presets()).rate_per_s == 150


def test_with_the_users_results_a_workload_is_sized_by_itself_and_counted_as_the_server_did() -> None:
    workload = builtin("simple")
    found = calibrate([("a", result(160, workload=workload))], workload=workload, base=BASE)
    load = load_of(request("simple", rate_per_s=300.0, calibration=found), presets())
    assert load.sized_per_s == 300
    assert load.equivalent_per_s == pytest.approx(300 * 3 / 43)
    assert load.per_workflow == Figure(
        value=40.0, unit="a workflow", basis="measured", source="the server's count in your runs"
    )


def test_what_was_measured_with_another_workload_is_extrapolated_for_this_one() -> None:
    figure = Figure(value=8, unit="tasks", basis="measured", source="a run")
    assert rebased(figure, "") is figure
    assert rebased(figure, "one x weighs 2").basis == "extrapolated"
    assert rebased(figure, "one x weighs 2").source == "a run; one x weighs 2"
    own = msgspec.structs.replace(figure, basis="assumed")
    assert rebased(own, "one x weighs 2") is own


def test_which_limiter() -> None:
    assert request(rate_per_s=1.0).limiter == "local"
    shared = Request(workload=builtin("simple"), rate_per_s=1.0, options=options(distributed=True))
    assert shared.limiter == "distributed"
