from __future__ import annotations

from typing import Any

import msgspec
import pytest

from auroral.bench import result as r
from auroral.bench.manifest import ManifestWorkload
from auroral.bench.steps import Workload, to_plain
from auroral.bench.workload import builtin
from auroral.capacity.calibrate import calibrate, parse_services
from auroral.capacity.presets import presets
from auroral.errors import UsageError
from tests.support.sample_results import MAKERS

BASE = presets().named("150wps").anchor()
WORKLOAD = builtin("state-transitions")
SAMPLE = MAKERS["pass"]()


def result(rate_per_s: float, *, workload: Workload = WORKLOAD, **changes: Any) -> r.Result:
    """A run of this workload at this rate on a deployed cluster; it passed unless the changes say otherwise."""
    steady = SAMPLE.steady
    assert steady is not None
    window = msgspec.structs.replace(
        steady,
        target_per_s=rate_per_s,
        offered_per_s=rate_per_s,
        started_per_s=rate_per_s,
        completed_per_s=rate_per_s,
        state_transitions_per_s=rate_per_s * 40,
    )
    ran = ManifestWorkload(name=workload.name, weight=1, definition=to_plain(workload), digest="")
    fields = {
        "manifest": msgspec.structs.replace(SAMPLE.manifest, workloads=[ran], run_id=f"run-{rate_per_s:g}"),
        "environment": msgspec.structs.replace(SAMPLE.environment, local_server=False),
        "windows": [window],
        "verdict": r.Verdict(status="pass", reasons=[]),
        "limits": msgspec.structs.replace(SAMPLE.limits, findings=[]),
        **changes,
    }
    return msgspec.structs.replace(SAMPLE, **fields)


FAILED = r.Verdict(status="fail", reasons=["latency.p99"])


def test_the_highest_rate_that_passed_is_what_the_configuration_carries() -> None:
    found = calibrate(
        [("a", result(80)), ("b", result(160)), ("c", result(240, verdict=FAILED))], workload=WORKLOAD, base=BASE
    )
    assert found.anchor.rate_per_s == 160
    assert found.anchor.services == BASE.services
    assert found.anchor.basis == "measured"
    assert found.anchor.source.startswith("your run run-160 of ")
    assert found.transitions_per_workflow == 40
    assert found.refused == ()
    assert found.notes == (
        "b reached no limit at 160/s: the configuration may carry more than this plan takes it to carry",
        "passed as well, at less: 80/s; the highest counts",
        "c failed at 240/s offered",
    )


def test_a_failure_below_a_pass_is_told() -> None:
    found = calibrate([("a", result(80, verdict=FAILED)), ("b", result(160))], workload=WORKLOAD, base=BASE)
    assert found.notes[-1].startswith("a run failed at a lower rate")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": r.Verdict(status="inconclusive", reasons=["lost a worker"])}, "in doubt: lost a worker"),
        ({"interrupted": True}, "interrupted"),
        ({"workload": builtin("simple")}, "it ran the workload simple; the plan is for state-transitions"),
        ({"environment": SAMPLE.environment}, "on the machine of the load"),
        ({"windows": []}, "no steady window"),
    ],
)
def test_what_says_nothing_about_the_plan_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    if changes.get("environment") is not None:
        changes = {"environment": msgspec.structs.replace(SAMPLE.environment, local_server=True)}
    found = calibrate([("a", result(80, **changes)), ("b", result(160))], workload=WORKLOAD, base=BASE)
    assert reason in found.refused[0].reason
    with pytest.raises(UsageError, match="none of the results passed"):
        calibrate([("a", result(80, **changes))], workload=WORKLOAD, base=BASE)


def test_a_mix_and_a_run_that_fell_behind_are_refused() -> None:
    mixed = result(80)
    two = [*mixed.manifest.workloads, *mixed.manifest.workloads]
    mixed = msgspec.structs.replace(mixed, manifest=msgspec.structs.replace(mixed.manifest, workloads=two))
    behind = result(100)
    window = msgspec.structs.replace(behind.windows[0], completed_per_s=90.0)
    behind = msgspec.structs.replace(behind, windows=[window])
    found = calibrate([("a", mixed), ("b", behind), ("c", result(60))], workload=WORKLOAD, base=BASE)
    assert [one.reason.split(":")[0].split(" (")[0] for one in found.refused] == [
        "it ran a mix",
        "it completed 90/s of 100/s offered in its steady window",
    ]


def test_none_that_passed_is_an_error_that_says_why_of_each() -> None:
    with pytest.raises(UsageError, match=r"(?s)a: it failed at 80/s.*hint: calibrate from a run that passed"):
        calibrate([("a", result(80, verdict=FAILED))], workload=WORKLOAD, base=BASE)


def test_services_that_differ_from_the_preset_are_read() -> None:
    services = parse_services("history=10x8192:16384:75, worker=3", BASE)
    assert msgspec.structs.astuple(services["history"]) == (10, 8192, 16384, 75)
    assert services["worker"].replicas == 3
    assert services["worker"].cpu_units == 512
    assert services["matching"] == BASE.services["matching"]
    found = calibrate([("a", result(80))], workload=WORKLOAD, base=BASE, services=services)
    assert found.anchor.services == services
    assert found.anchor.instances is None


@pytest.mark.parametrize("text", ["ui=1", "history", "history=0", "history=4x", "history=4x1:2:3:4", "history=²"])
def test_services_that_cannot_be_read_say_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match="such as history=8x4096:8192:50"):
        parse_services(text, BASE)
