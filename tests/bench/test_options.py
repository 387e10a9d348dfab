"""The table of settings, the checks between settings, and the way to `BenchSettings`."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.options import (
    BY_NAME,
    GENERATOR_SETTINGS,
    GROUPS,
    SETTINGS,
    WORKER_SETTINGS,
    benchmark_namespace,
    build,
    resolve_bench,
    shown_value,
)
from auroral.bench.schedule import plan
from auroral.bench.settings import BenchSettings, Stage, WorkloadChoice
from auroral.config import FileLayer, Resolved
from auroral.errors import ConfigurationError

SPEC_VARIABLES = [
    "WORKFLOW_TYPE", "ACTIVITY_COUNT", "TIMER_DURATION", "CHILD_COUNT", "TARGET_RATE", "DURATION", "RAMP_UP",
    "WORKER_COUNT", "NAMESPACE", "ITERATIONS", "COMPLETION_TIMEOUT", "GENERATOR_ONLY", "WORKER_ONLY",
    "MAX_P99_LATENCY", "MIN_THROUGHPUT",
]  # fmt: skip
DERIVED = {"duration_given", "target.namespace_given"}


def bench(environ: dict[str, str] | None = None, **flags: object) -> Resolved:
    return resolve_bench(flags={name.replace("_", "-"): value for name, value in flags.items()}, environ=environ or {})


def leaves(struct: type, prefix: str = "") -> set[str]:
    names = set()
    for field in msgspec.structs.fields(struct):
        path = f"{prefix}{field.name}"
        nested = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        names |= leaves(field.type, f"{path}.") if nested else {path}
    return names


def test_every_field_has_exactly_one_setting() -> None:
    fields = [setting.field for setting in SETTINGS]
    assert len(set(fields)) == len(fields)
    assert set(fields) == leaves(BenchSettings) - DERIVED


def test_names_are_regular() -> None:
    assert len(BY_NAME) == len(SETTINGS)
    variables = [variable for setting in SETTINGS for variable in setting.environment]
    assert len(set(variables)) == len(variables)
    assert {f"BENCHMARK_{name}" for name in SPEC_VARIABLES} <= set(variables)
    for setting in SETTINGS:
        assert f"BENCHMARK_{setting.name.upper().replace('-', '_')}" in setting.environment
        assert setting.group in GROUPS
        assert setting.help.strip().endswith((".", "…"))


def test_without_any_layer_the_defaults_hold() -> None:
    assert build(bench()) == BenchSettings()
    assert not bench().warnings


def test_the_defaults_are_shown_as_what_can_be_given() -> None:
    resolved = bench()
    for setting in SETTINGS:
        text = shown_value(setting, resolved)
        assert text
        if setting.default is not None and not setting.multiple:
            assert setting.parse(text) == setting.default


def test_every_setting_reaches_its_field() -> None:
    samples = {
        "address": "10.0.0.1:7233", "local": True, "local-database": "dsql-double",
        "namespace": "benchmark-2", "allow-namespace": True, "profile": "dev",
        "temporal-config": "t.toml", "tls": True, "connect-timeout": "3s", "workload": "simple=2,timer",
        "activity-count": "7", "timer-duration": "2s", "child-count": "9", "target-rate": "33", "duration": "2m",
        "ramp-up": "5s", "stages": "5:10s", "count": "12", "arrival": "poisson", "seed": "4", "iterations": "2",
        "worker-count": "3", "generator-only": True, "worker-only": True, "task-queues": "4", "task-queue": "q",
        "engine": "wire", "eager-start": True,
        "eager-activities": False, "generator-processes": "2", "observe": "visibility", "threshold": "latency.p99<1s",
        "output": "out", "run-id": "mine", "server-metrics": "http://x/metrics", "results-url": "s3://kept/runs/",
        "nonsticky-to-sticky-poll-ratio": "0.3", "control-address": "10.0.0.2:7233", "control-tls": True,
        "max-p99-latency": "123ms", "min-throughput": "17", "completion-timeout": "77s", "metrics-port": "9191",
    }  # fmt: skip
    for setting in SETTINGS:
        raw = samples.get(setting.name, "55")
        resolved = bench(**{setting.name: raw})
        value = resolved.values[setting.name]
        assert value != setting.default, setting.name
        if not resolved.problems:
            held: object = build(resolved)
            for part in setting.field.split("."):
                held = getattr(held, part)
            assert held == value


def test_the_same_from_flag_environment_and_file() -> None:
    for setting in SETTINGS:
        if setting.flag or setting.name in ("stages", "run-id", "task-queue"):
            continue
        text = setting.text(setting.default) if setting.default not in (None, ()) else None
        if text is None:
            continue
        by_flag = resolve_bench(flags={setting.name: text}, environ={})
        by_variable = resolve_bench(flags={}, environ={setting.environment[0]: text})
        by_file = resolve_bench(flags={}, environ={}, file=FileLayer("b.toml", {"bench": {setting.name: text}}))
        assert by_flag.values == by_variable.values == by_file.values
        assert by_flag.given(setting.name)
        assert by_variable.given(setting.name)
        assert by_file.given(setting.name)


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        ({"manifest": "m.json"}, "manifest", "none but with worker-only"),
        ({"ramp_up": "60s", "duration": "60s"}, "ramp-up", "a ramp-up shorter than the duration (1m)"),
        ({"generator_only": True, "worker_only": True}, "generator-only", "not together with worker-only"),
        ({"worker_only": True, "worker_count": "0"}, "worker-count", "at least 1 with worker-only"),
        ({"stages": "5:10s", "target_rate": "7"}, "target-rate", "nothing beside stages (--stages)"),
        ({"stages": "5:10s", "duration": "7s"}, "duration", "nothing beside stages (--stages)"),
        ({"stages": "5:10s", "ramp_up": "7s"}, "ramp-up", "nothing beside stages (--stages)"),
        ({"stages": "0:10s,0:5s"}, "stages", "at least one stage with a rate above 0/s"),
        ({"stages": "1:13h,2:13h"}, "stages", "24h together"),
        ({"count": "1000000", "target_rate": "1"}, "count", "a count that 1/s starts within 24h"),
        ({"namespace": "production"}, "namespace", "any other needs --allow-namespace"),
        ({"activity_count": "101"}, "activity-count", "from 1 to 100"),
        ({"child_count": "0"}, "child-count", "from 1 to 100"),
        ({"duration": "500ms"}, "duration", "from 1s to 24h"),
        ({"iterations": "1001"}, "iterations", "from 1 to 1,000"),
        ({"worker_count": "257"}, "worker-count", "from 0 to 256"),
        ({"generator_processes": "65"}, "generator-processes", "from 1 to 64"),
        ({"task_queues": "101"}, "task-queues", "from 1 to 100"),
        ({"run_id": "a'b"}, "run-id", "letters, digits"),
        ({"workload": "simpel"}, "workload", "state-transitions"),
    ],
)
def test_problems(flags: dict[str, object], name: str, expected: str) -> None:
    resolved = bench(**flags)
    [problem] = resolved.problems
    assert problem.name == name
    assert expected in problem.expected
    assert problem.origin == f"--{name}"
    with pytest.raises(ConfigurationError):
        build(resolved)


def test_problems_of_values_and_of_pairs_come_together() -> None:
    resolved = bench({"BENCHMARK_ACTIVITY_COUNT": "0"}, ramp_up="2m", generator_only=True, worker_only=True)
    assert {problem.name for problem in resolved.problems} == {"activity-count", "ramp-up", "generator-only"}


def test_a_pair_names_the_member_that_was_given() -> None:
    [problem] = bench({"BENCHMARK_RAMP_UP": "90s"}).problems
    assert (problem.name, problem.value, problem.origin) == ("ramp-up", "1m30s", "BENCHMARK_RAMP_UP")


def test_no_follow_up_problem_from_a_value_that_could_not_be_read() -> None:
    assert [problem.name for problem in bench(duration="soon", ramp_up="90s").problems] == ["duration"]


def test_mix_and_stages() -> None:
    settings = build(bench(workload=("simple=3", "timer")))
    assert settings.workloads == (WorkloadChoice(source="simple", weight=3), WorkloadChoice(source="timer"))
    resolved = bench(stages="5:10s,5..20:1m")
    assert build(resolved).stages[1] == Stage(start_per_s=5, end_per_s=20, duration_s=60)
    assert build(resolved).schedule_s == 70
    assert shown_value(BY_NAME["target-rate"], resolved) == "as the stages say"


def test_the_workflow_type_of_the_environment_is_the_workload() -> None:
    for name in ("simple", "multi-activity", "timer", "child", "state-transitions"):
        assert build(bench({"BENCHMARK_WORKFLOW_TYPE": name})).workloads == (WorkloadChoice(source=name),)


@given(
    count=st.integers(1, 3000),
    rate=st.floats(0.5, 500),
    ramp_s=st.floats(0, 100),
    arrival=st.sampled_from(["constant", "poisson"]),
    seed=st.integers(0, 1000),
)
def test_a_count_without_a_duration_fits_its_schedule(
    count: int, rate: float, ramp_s: float, arrival: str, seed: int
) -> None:
    flags = {"count": count, "target_rate": rate, "ramp_up": ramp_s, "arrival": arrival, "seed": seed}
    settings = build(bench(**{name: str(value) for name, value in flags.items()}))
    assert not settings.duration_given
    needed = plan(settings, duration_given=False)
    assert settings.schedule_s >= sum(segment[0] for segment in needed.segments)


def test_a_count_with_a_duration_keeps_it() -> None:
    resolved = bench(count="5", duration="30s")
    assert build(resolved).duration_s == 30
    assert build(resolved).duration_given
    assert shown_value(BY_NAME["duration"], bench(count="5")) == "as long as 5 starts take"


def test_a_namespace_is_known_to_be_asked_for() -> None:
    assert build(bench(namespace="benchmark")).target.namespace_given
    assert not build(bench()).target.namespace_given
    assert build(bench(namespace="production", allow_namespace=True)).target.namespace == "production"


@given(st.text(alphabet="benchmark-x", max_size=12))
def test_namespaces_of_benchmarks(name: str) -> None:
    assert benchmark_namespace(f"benchmark-{name}")
    assert benchmark_namespace(name) == (name == "benchmark" or name.startswith("benchmark-"))


def test_a_manifest_outweighs_what_it_says_too() -> None:
    resolved = bench(
        {"BENCHMARK_TARGET_RATE": "50"}, worker_only=True, manifest="m.json", task_queue="q", worker_count="3"
    )
    assert build(resolved).manifest == "m.json"
    assert resolved.warnings == [
        "BENCHMARK_TARGET_RATE has no effect: the manifest (--manifest) says it",
        "--task-queue has no effect: the manifest (--manifest) says it",
    ]


def test_remarks_name_what_has_no_effect_or_cannot_pass() -> None:
    [remark] = bench(activity_count="5").warnings
    assert remark == "--activity-count is for the workload multi-activity, which this run does not use"
    assert not bench({"BENCHMARK_ACTIVITY_COUNT": "5"}).warnings
    [remark] = bench(min_throughput="11").warnings
    assert "above the highest rate of the schedule, 10/s" in remark
    assert not bench(min_throughput="20", stages="1..30:1m").warnings


def test_worker_flags_are_settings() -> None:
    names = {setting.name for setting in WORKER_SETTINGS}
    assert {"address", "worker-count", "task-queue", "manifest", "metrics-port"} <= names
    assert {"workload", "target-rate", "stages"} <= names, "by which activity slots are chosen"
    assert not names & {"duration", "count", "generator-only", "worker-only", "threshold"}


def test_no_workers_means_that_they_are_elsewhere() -> None:
    assert build(bench(worker_count="0")).generator_only
    assert not build(bench(worker_count="1")).generator_only


def test_a_mix_names_each_workload_once() -> None:
    [problem] = bench(workload=["timer=2", "simple", "timer"]).problems
    assert (problem.name, problem.expected) == ("workload", "each workload once, with =WEIGHT in a mix")


def test_where_results_are_sent_is_a_setting_like_any_other() -> None:
    resolved = resolve_bench(flags={}, environ={"AURORAL_RESULTS_URL": "s3://kept/runs"})
    assert build(resolved).results_url == "s3://kept/runs/"
    assert resolved.origins["results-url"].text == "AURORAL_RESULTS_URL"
    assert resolve_bench(flags={}, environ={"AURORAL_RESULTS_URL": " "}).values["results-url"] is None
    (problem,) = resolve_bench(flags={"results-url": "kept/runs"}, environ={}).problems
    assert (problem.origin, problem.expected) == ("--results-url", "s3://bucket or s3://bucket/prefix/")


def test_eager_starts_need_generators_that_are_workers_too() -> None:
    assert "expected the engine wire with it" in str(bench(eager_start=True).problems[0])
    told = bench(engine="wire", eager_start=True, generator_only=True).problems
    assert [problem.name for problem in told] == ["eager-start"]
    settings = build(bench(engine="wire", eager_start=True, worker_count="0"))
    assert settings.eager_start
    assert not settings.generator_only


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        ({"spread": "2", "generator-processes": "2"}, "generator-processes", "none with spread, whose number"),
        ({"spread": "2", "local": True}, "local", "other machines must reach the cluster"),
        ({"spread": "2", "worker-only": True}, "spread", "none with worker-only"),
        ({"spread": "2", "engine": "wire", "eager-start": True}, "eager-start", "none with spread"),
        ({"spread": "65"}, "spread", "from 1 to 64"),
        ({"control-tls": True}, "control-tls", "none without control-address"),
    ],
)
def test_what_contradicts_a_spread_run(flags: dict[str, object], name: str, expected: str) -> None:
    problems = {problem.name: problem.expected for problem in bench(**flags).problems}
    assert expected in problems[name]


def test_processes_that_are_said_further_off_are_outweighed_by_a_spread_run() -> None:
    environ = {"BENCHMARK_GENERATOR_PROCESSES": "3"}
    assert build(bench(environ, spread="6")).spread == 6
    environ["BENCHMARK_SPREAD"] = "6"
    (problem,) = bench(environ).problems
    assert problem.name == "generator-processes"


def test_what_goes_with_a_spread_run() -> None:
    settings = build(bench(spread="3", **{"control-address": "10.0.0.9:7233", "control-tls": True}))
    assert settings.spread == 3
    assert settings.control.address == "10.0.0.9:7233"
    assert settings.control.namespace == "auroral-control"
    assert build(bench()).spread is None
    names = {setting.name for setting in GENERATOR_SETTINGS}
    assert {"address", "namespace", "control-address", "control-profile", "output", "metrics-port"} <= names
    assert not names & {"spread", "local", "target-rate", "worker-count"}
