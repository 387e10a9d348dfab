"""Limits from readings: a table with a sentence per row, and what holds of all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.detect import DETECTORS, find_limits, wait_notes
from auroral.bench.limits import QueueReading, Reading, SlotsReading

DOCUMENT = Path(__file__).parents[2] / "docs" / "limits.md"

RPS = "RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"
CONCURRENT = "RESOURCE_EXHAUSTED/CONCURRENT_LIMIT/NAMESPACE"
CALM = QueueReading(backlog=0, add_per_s=100, dispatch_per_s=100, pollers=2)
BACKLOG = QueueReading(backlog=500, backlog_age_s=3.0, add_per_s=150, dispatch_per_s=100, pollers=2)
FREE = {"WorkflowWorker": SlotsReading(used=5, available=195), "ActivityWorker": SlotsReading(used=5, available=195)}
POLLS = {"workflow_task": 40, "sticky_workflow_task": 10, "activity_task": 40}


def calm(**changes: Any) -> dict[str, Any]:
    """The fields of a second in which nothing is wrong, but for the changes."""
    return {
        "in_flight": 50,
        "in_flight_limit": 10_000,
        "watchers": 50,
        "watcher_limit": 1_000,
        "lag_p99_ms": 4.0,
        "workflow_queue": CALM,
        "activity_queue": CALM,
        "slots": FREE,
        "pollers": POLLS,
        "cpu": {"generator-0": 0.4, "worker-0": 0.5, "coordinator": 0.2},
        "machine_cpu": 0.5,
        "server": {"persistence_latency_mean_s": 0.004, "persistence_errors_per_s": 0.0},
        **changes,
    }


def run(*seconds: dict[str, Any]) -> list[Reading]:
    """A run of calm seconds with the given ones in its middle, the first of them at 5 s."""
    fields = [calm()] * 4 + list(seconds) + [calm()] * 4
    return [Reading(t_s=float(number + 1), **each) for number, each in enumerate(fields)]


def full(kind: str) -> dict[str, SlotsReading]:
    return {**FREE, kind: SlotsReading(used=200, available=0)}


@pytest.mark.parametrize(
    ("sentence", "second", "times", "expected"),
    [
        ("a calm run has no limit", calm(), 3, {}),
        ("one refusal is enough", calm(refusals={RPS: 7}), 1, {"server-refusals": "7 requests ended with"}),
        ("a start that fails otherwise", calm(refusals={"UNAVAILABLE": 1}), 1, {"server-errors": "1 request ended"}),
        ("refused waits are no limit", calm(refusals={CONCURRENT: 300}), 5, {}),
        ("refused sweeps are no limit", calm(refusals={"sweep: UNAVAILABLE": 3}), 5, {}),
        ("all watchers busy is no limit", calm(watchers=1_000), 5, {}),
        (
            "the in-flight limit is full",
            calm(in_flight=10_000, back_pressured=25),
            2,
            {"in-flight-limit": "50 starts were not sent while 10,000 of 10,000"},
        ),
        ("in flight at the limit without a dropped start", calm(in_flight=10_000), 5, {}),
        (
            "a start was too late to send",
            calm(generator_limited=2),
            1,
            {"generator-limited": "2 starts were never sent"},
        ),
        ("late for two seconds is a hiccup", calm(lag_p99_ms=80.0), 2, {}),
        ("late for three seconds is a limit", calm(lag_p99_ms=80.0), 3, {"generator-lag": "80 ms late"}),
        ("at the edge of lag", calm(lag_p99_ms=50.0), 5, {}),
        (
            "a generator's core is used up",
            calm(cpu={"generator-1": 0.97}),
            3,
            {"generator-cpu": "generator-1 used up to 0.97"},
        ),
        ("the coordinator's core is used up", calm(cpu={"coordinator": 0.95}), 3, {"coordinator-cpu": "0.95"}),
        (
            "a worker's core is used up",
            calm(cpu={"worker-0": 0.4, "worker-1": 0.93}),
            3,
            {"worker-cpu": "worker-1 used up to 0.93"},
        ),
        ("all cores are busy", calm(machine_cpu=0.99), 3, {"machine-cpu": "99% of all cores"}),
        (
            "activity slots are used up",
            calm(slots=full("ActivityWorker")),
            3,
            {"worker-slots": "ActivityWorker: 200 of 200 slots in use (--max-concurrent-activities)"},
        ),
        (
            "a slot or two free of 200 is as good as none",
            calm(slots={"WorkflowWorker": SlotsReading(used=197, available=3)}),
            3,
            {"worker-slots": "--max-concurrent-workflow-tasks"},
        ),
        ("a worker without slots of a kind lacks none", calm(slots={"LocalActivityWorker": SlotsReading()}), 3, {}),
        (
            "tasks wait, slots are free, 40 polls take 400 ms each: the server hands out slowly",
            calm(workflow_queue=BACKLOG),
            7,
            {"workflow-backlog": "up to 500 workflow tasks waited, the oldest for 3 s; 150/s came and 100/s"},
        ),
        (
            "the same of activity tasks",
            calm(activity_queue=BACKLOG),
            7,
            {"activity-backlog": "195 slots free and 40 polls under way, each for 400 ms"},
        ),
        (
            "tasks wait, slots are free, but two polls turn round in 20 ms: too few of them",
            calm(workflow_queue=BACKLOG, pollers={"workflow_task": 2}),
            7,
            {"workflow-pollers": "2 polls under way, each for 20 ms"},
        ),
        (
            "nobody polls",
            calm(workflow_queue=QueueReading(backlog=100, add_per_s=50), slots={}, pollers={}),
            7,
            {"workflow-unserved": "up to 100 workflow tasks waited"},
        ),
        (
            "tasks wait because slots are used up: the workers' limit alone",
            calm(activity_queue=BACKLOG, slots=full("ActivityWorker")),
            7,
            {"worker-slots": "ActivityWorker"},
        ),
        (
            "tasks wait because a worker's core is used up: the workers' limit alone",
            calm(workflow_queue=BACKLOG, cpu={"worker-0": 0.99}),
            7,
            {"worker-cpu": "0.99"},
        ),
        (
            "tasks wait because the machine is busy",
            calm(workflow_queue=BACKLOG, machine_cpu=1.0),
            7,
            {"machine-cpu": "100%"},
        ),
        (
            "workers run elsewhere: a backlog is seen, and the workers are to be looked at first",
            calm(workflow_queue=BACKLOG, slots={}, pollers={}),
            9,
            {"workflow-waits": "workflow tasks waited"},
        ),
        ("a backlog that one cached answer may have shown", calm(workflow_queue=BACKLOG), 6, {}),
        ("nine tasks are no backlog", calm(workflow_queue=QueueReading(backlog=9, backlog_age_s=9.0)), 9, {}),
        (
            "tasks in passing are no backlog",
            calm(workflow_queue=QueueReading(backlog=40, backlog_age_s=0.2, add_per_s=500, dispatch_per_s=500)),
            9,
            {},
        ),
        (
            "the server does not answer",
            calm(workflow_queue=None, activity_queue=None),
            3,
            {"server-silent": "not answered in time in 3 s, with up to 50 workflows"},
        ),
        (
            "it need not answer when nothing is in flight",
            calm(workflow_queue=None, activity_queue=None, in_flight=0),
            5,
            {},
        ),
        (
            "the server refuses workers",
            calm(server={"service_errors_resource_exhausted_per_s": 12.0}),
            3,
            {"server-throttling": "up to 12 requests of this namespace"},
        ),
        (
            "the server limits its own persistence requests",
            calm(server={"persistence_errors_resource_exhausted_per_s": 3.5}),
            1,
            {"persistence-refusals": "up to 3.5 persistence requests were refused a second"},
        ),
        (
            "persistence fails",
            calm(server={"persistence_errors_per_s": 2.0}),
            3,
            {"persistence-errors": "up to 2 persistence requests failed a second"},
        ),
        (
            "persistence is slow",
            calm(server={"persistence_latency_mean_s": 0.25}),
            3,
            {"persistence-latency": "took up to 250 ms on average"},
        ),
    ],
)
def test_a_limit_is_found_with_its_numbers(
    sentence: str, second: dict[str, Any], times: int, expected: dict[str, str]
) -> None:
    findings = find_limits(run(*[second] * times)).findings
    assert [finding.name for finding in findings] == list(expected), sentence
    for finding in findings:
        assert expected[finding.name] in finding.evidence
        assert finding.since_s == 5.0
        assert finding.seconds == times
        assert finding.advice


def test_an_empty_run_has_no_limit() -> None:
    report = find_limits([])
    assert report.findings == []
    assert report.first is None


def test_the_first_limit_is_the_one_that_appeared_first() -> None:
    slots = calm(slots=full("ActivityWorker"))
    both = calm(slots=full("ActivityWorker"), back_pressured=5, in_flight=10_000)
    report = find_limits(run(slots, slots, slots, both))
    assert [finding.name for finding in report.findings] == ["worker-slots", "in-flight-limit"]
    assert report.first is not None
    assert report.first.whose == "workers"


def test_at_the_same_second_a_cause_comes_before_its_effect() -> None:
    report = find_limits(run(*[calm(cpu={"generator-0": 1.0}, lag_p99_ms=900.0, generator_limited=3)] * 3))
    assert [finding.name for finding in report.findings] == ["generator-cpu", "generator-lag", "generator-limited"]


def test_each_cause_of_refusal_is_a_finding_of_its_own_with_its_own_setting() -> None:
    overloaded = "RESOURCE_EXHAUSTED/SYSTEM_OVERLOADED/SYSTEM"
    report = find_limits(run(calm(refusals={RPS: 3}), calm(refusals={RPS: 9, overloaded: 1})))
    assert [finding.since_s for finding in report.findings] == [5.0, 6.0]
    assert "12 requests ended with RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE, at most 9" in report.findings[0].evidence
    assert "frontend.namespaceRPS" in report.findings[0].advice
    assert "database" in report.findings[1].advice


def test_seconds_that_could_not_be_read_do_not_break_a_row() -> None:
    slow = calm(lag_p99_ms=80.0)
    report = find_limits(run(slow, calm(lag_p99_ms=None), slow, calm(lag_p99_ms=None), slow))
    assert [(finding.name, finding.seconds) for finding in report.findings] == [("generator-lag", 3)]


def test_seconds_apart_do_not_add_up_to_a_row() -> None:
    slow = calm(lag_p99_ms=80.0)
    assert find_limits(run(slow, slow, calm(), slow, slow)).findings == []


def test_a_target_that_never_answered_is_not_called_silent() -> None:
    readings = [Reading(t_s=float(second), in_flight=9) for second in range(20)]
    assert find_limits(readings).findings == []


def test_a_local_server_s_share_of_the_cores_is_said() -> None:
    readings = run(*[calm(machine_cpu=1.0)] * 3)
    assert "share these cores" not in find_limits(readings).findings[0].advice
    assert "share these cores" in find_limits(readings, local_server=True).findings[0].advice


def test_what_could_not_be_sampled_is_passed_on() -> None:
    assert find_limits([], unread=["server metrics: refused"]).unread == ["server metrics: refused"]


def test_how_closes_were_seen_is_told_in_notes() -> None:
    busy = calm(refusals={CONCURRENT: 150, "sweep: gone": 1}, watchers=1_000)
    quiet = [calm()] * 20
    polls, sweeps, watchers = wait_notes(run(busy, busy, *quiet))
    assert polls.startswith("300 waits")
    assert "frontend.namespaceCount" in polls
    assert sweeps.startswith("2 sweeps")
    assert watchers.startswith("all 1,000 watchers were busy in 2 s")
    assert wait_notes(run(calm(refusals={RPS: 3}), *quiet)) == []


def test_a_run_too_short_to_tell_limits_by_says_so() -> None:
    (note,) = wait_notes(run(calm(), calm(), calm())[:3])
    assert note.startswith("3 s of readings are too few")
    assert wait_notes([]) == []


counts = st.integers(0, 500)
queues = st.none() | st.builds(
    QueueReading,
    backlog=counts,
    backlog_age_s=st.floats(0, 60),
    add_per_s=st.floats(0, 500),
    dispatch_per_s=st.floats(0, 500),
    pollers=st.integers(0, 4),
)
any_readings = st.lists(
    st.builds(
        Reading,
        t_s=st.just(0.0),
        in_flight=counts,
        refusals=st.dictionaries(st.sampled_from([RPS, CONCURRENT, "UNAVAILABLE", ""]), st.integers(0, 3)),
        back_pressured=st.integers(0, 1),
        generator_limited=st.integers(0, 1),
        lag_p99_ms=st.none() | st.floats(0, 1e4),
        workflow_queue=queues,
        activity_queue=queues,
        slots=st.dictionaries(
            st.sampled_from(["WorkflowWorker", "ActivityWorker", "NexusWorker"]),
            st.builds(SlotsReading, used=counts, available=counts),
        ),
        pollers=st.dictionaries(st.sampled_from(["workflow_task", "activity_task"]), counts),
        cpu=st.dictionaries(st.sampled_from(["generator-0", "worker-0", "coordinator", "server"]), st.floats(0, 4)),
        machine_cpu=st.none() | st.floats(0, 1),
        server=st.dictionaries(
            st.sampled_from(
                ["persistence_latency_mean_s", "persistence_errors_per_s", "service_errors_resource_exhausted_per_s"]
            ),
            st.floats(0, 10),
        ),
    ),
    max_size=12,
).map(lambda readings: [_at(reading, second) for second, reading in enumerate(readings)])


def _at(reading: Reading, second: int) -> Reading:
    import msgspec

    return msgspec.structs.replace(reading, t_s=float(second))


@given(any_readings)
def test_whatever_is_read_findings_are_ordered_and_complete(readings: list[Reading]) -> None:
    findings = find_limits(readings).findings
    assert [finding.since_s for finding in findings] == sorted(finding.since_s for finding in findings)
    for finding in findings:
        assert finding.whose in ("server", "workers", "generator", "machine", "setting")
        assert 1 <= finding.seconds <= len(readings)
        assert finding.evidence
        assert finding.advice


@given(any_readings)
def test_any_dropped_start_has_a_limit(readings: list[Reading]) -> None:
    names = {finding.name for finding in find_limits(readings).findings}
    assert ("generator-limited" in names) is any(reading.generator_limited for reading in readings)
    assert ("in-flight-limit" in names) is any(reading.back_pressured for reading in readings)


def test_the_document_states_each_rule_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.+?) \| (\d+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    documented = {(name, whose, rule, int(seconds)) for name, whose, rule, seconds in rows}
    rules = {(detector.name, detector.whose, detector.rule, detector.in_a_row) for detector in DETECTORS}
    assert documented - rules == {
        ("server-refusals", "server", "a start or a wait is refused with RESOURCE_EXHAUSTED", 1),
        ("server-errors", "server", "a start fails with another status", 1),
    }
    assert rules <= documented


def test_advice_on_generators_goes_with_runs_over_several_machines_too() -> None:
    """There `--generator-processes` is refused: the number of `--spread` is what can be raised."""
    advice = [one.advice for one in DETECTORS if "--generator-processes" in one.advice]
    assert len(advice) == 3
    assert all("--spread" in words for words in advice)
