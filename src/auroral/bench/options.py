"""The table of a benchmark's settings, and their way from layers to `BenchSettings`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from auroral.bench import option_values as values
from auroral.bench.manifest import ENGINES
from auroral.bench.option_values import MAX_DURATION_S, Kind
from auroral.bench.settings import BenchSettings
from auroral.config import FileLayer, Layer, Resolved, Setting, resolve
from auroral.errors import Problem

TABLE = "bench"
PREFIX = "BENCHMARK_"
SEARCH_TABLE = "search"
SEARCH_PREFIX = "BENCHMARK_SEARCH_"
CONFIG_VARIABLE = "BENCHMARK_CONFIG"
NAMESPACE_EXPECTED = "benchmark or benchmark-…; any other needs --allow-namespace"

TARGET, WORKLOAD, LOAD, WORKERS = "Target", "Workload", "Load", "Workers"
LIMITS, WAITING, THRESHOLDS, OUTPUT = "Limits of the generator", "Waiting", "Thresholds", "Output"
SPREAD = "Several machines"
GROUPS = (TARGET, WORKLOAD, LOAD, WORKERS, SPREAD, LIMITS, WAITING, THRESHOLDS, OUTPUT)

_DEFAULTS = BenchSettings()
_DAY_S = MAX_DURATION_S


def _setting(
    group: str,
    name: str,
    field: str,
    kind: Kind,
    words: str,
    *,
    also: str = "",
    default: str = "",
    multiple: bool = False,
) -> Setting:
    variable = PREFIX + name.upper().replace("-", "_")
    return Setting(
        name=name,
        field=field,
        parse=kind.parse,
        expected=kind.expected,
        help=words,
        group=group,
        environment=(also, variable) if also else (variable,),
        default=attrgetter(field)(_DEFAULTS),
        default_text=default,
        show=kind.show,
        multiple=multiple,
        flag=kind is values.FLAG,
        metavar=kind.metavar,
    )


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME_WORDS = "letters, digits, '.', '_' and '-', at most 100, the first a letter or digit"

SETTINGS: tuple[Setting, ...] = (
    _setting(TARGET, "address", "target.address", values.address(), "Frontend of the cluster to load.",
             default="a local server, started for the run"),
    _setting(TARGET, "local", "target.local", values.FLAG,
             "Load the cluster that `auroral local up` has started, else one started for the run."),
    _setting(TARGET, "local-database", "target.local_database", values.choice("postgres", "dsql-double"),
             "Database of that local cluster.", default="whichever is up, else postgres"),
    _setting(TARGET, "namespace", "target.namespace", values.pattern(r"\S{1,255}", "a namespace's name", "NAME"),
             "Namespace to run in; created where it is missing."),
    _setting(TARGET, "allow-namespace", "target.allow_namespace", values.FLAG,
             "Allow a namespace other than benchmark or benchmark-…"),
    _setting(TARGET, "profile", "target.profile", values.pattern(r"\S+", "a profile's name", "NAME"),
             "Profile of Temporal's own configuration.", default="default"),
    _setting(TARGET, "temporal-config", "target.temporal_config", values.pattern(r".+", "a path", "FILE"),
             "File of Temporal's own configuration.", default="where Temporal's tools look for it"),
    _setting(TARGET, "tls", "target.tls", values.FLAG, "Connect with TLS.",
             default="as Temporal's own configuration says"),
    _setting(TARGET, "connect-timeout", "target.connect_timeout_s", values.duration(0.1, 3600),
             "How long to try to reach the cluster."),
    _setting(WORKLOAD, "workload", "workloads", values.workload(),
             "What each workflow does: simple, multi-activity, timer, child, state-transitions, or a TOML or YAML "
             "file. Repeat it as NAME=WEIGHT to mix.", also="BENCHMARK_WORKFLOW_TYPE", multiple=True),
    _setting(WORKLOAD, "activity-count", "activity_count", values.whole(1, 100), "Activities of multi-activity."),
    _setting(WORKLOAD, "timer-duration", "timer_duration_s", values.duration(0.001, _DAY_S),
             "Length of timer's timer."),
    _setting(WORKLOAD, "child-count", "child_count", values.whole(1, 100), "Children of child."),
    _setting(LOAD, "target-rate", "target_rate_per_s", values.rate(0, above=True), "Workflows to start each second."),
    _setting(LOAD, "duration", "duration_s", values.duration(1, _DAY_S), "Length of the schedule, its ramp included."),
    _setting(LOAD, "ramp-up", "ramp_up_s", values.duration(0, _DAY_S), "Raise the rate from 0 over this time."),
    _setting(LOAD, "stages", "stages", values.stage(),
             "Schedule in stages, instead of rate, duration and ramp-up: 50:30s,50..200:1m holds 50/s, then goes to "
             "200/s.", multiple=True),
    _setting(LOAD, "count", "count", values.whole(1, 1_000_000_000),
             "Stop after this many starts; without a duration, run as long as they take.",
             default="as many as the duration holds"),
    _setting(LOAD, "arrival", "arrival", values.choice("constant", "poisson"), "Spacing of the starts."),
    _setting(LOAD, "seed", "seed", values.whole(0, 2**53), "Seed of everything random in the schedule."),
    _setting(LOAD, "iterations", "iterations", values.whole(1, 1000), "How often to repeat the run."),
    _setting(WORKERS, "engine", "engine", values.choice(*ENGINES),
             "Who answers the tasks: workers of Temporal's SDK, or auroral's own over the wire, which cost less and "
             "run the built-in workloads alone."),
    _setting(WORKERS, "eager-start", "eager_start", values.FLAG,
             "Let the generators be workers too, and take the first workflow task with each start's answer; with the "
             "engine wire."),
    _setting(WORKERS, "worker-count", "worker_count", values.whole(0, 256),
             "Worker processes to start; 0: they run elsewhere.", default="half of the cores"),
    _setting(WORKERS, "generator-only", "generator_only", values.FLAG, "Start no workers: they run elsewhere."),
    _setting(WORKERS, "worker-only", "worker_only", values.FLAG, "Start workers only, as `auroral bench worker`."),
    _setting(WORKERS, "manifest", "manifest", values.pattern(r".+", "a path", "FILE"),
             "manifest.json of the run that workers elsewhere serve: namespace, task queues and workloads are its.",
             default="they serve any run"),
    _setting(WORKERS, "task-queues", "task_queues", values.whole(1, 100), "Task queues to spread the run over."),
    _setting(WORKERS, "task-queue", "task_queue", values.pattern(_NAME, _NAME_WORDS, "NAME"),
             "First part of the task queues' names; auroral-benchmark where workers run apart.",
             default="the run id, or auroral-benchmark"),
    _setting(WORKERS, "max-concurrent-workflow-tasks", "worker.max_concurrent_workflow_tasks", values.whole(1, 100_000),
             "Workflow task slots of a worker process."),
    _setting(WORKERS, "max-concurrent-activities", "worker.max_concurrent_activities", values.whole(1, 100_000),
             "Activity slots of a worker process.", default="200, more where activities only wait"),
    _setting(WORKERS, "max-concurrent-local-activities", "worker.max_concurrent_local_activities",
             values.whole(1, 100_000), "Local activity slots of a worker process."),
    _setting(WORKERS, "workflow-task-pollers", "worker.workflow_task_pollers", values.whole(2, 1000),
             "Pollers for workflow tasks of a worker process, sticky ones included."),
    _setting(WORKERS, "activity-task-pollers", "worker.activity_task_pollers", values.whole(1, 1000),
             "Pollers for activity tasks of a worker process."),
    _setting(WORKERS, "nonsticky-to-sticky-poll-ratio", "worker.nonsticky_to_sticky_poll_ratio", values.ratio(),
             "Share of the workflow task pollers that serve the normal queue."),
    _setting(WORKERS, "eager-activities", "worker.eager_activities", values.FLAG,
             "Let the server hand activities back with the workflow task."),
    _setting(WORKERS, "max-eager-activities", "worker.max_eager_activities_per_workflow_task",
             values.whole(1, 1000), "Activities that one workflow task may reserve eagerly."),
    _setting(WORKERS, "sticky-schedule-to-start-timeout", "worker.sticky_schedule_to_start_timeout_s",
             values.duration(0.1, 3600), "How long a task waits in a sticky queue."),
    _setting(WORKERS, "max-cached-workflows", "worker.max_cached_workflows", values.whole(0, 1_000_000),
             "Workflows that a worker process keeps in memory."),
    _setting(SPREAD, "spread", "spread", values.whole(1, 64),
             "Generators on machines of their own, each an `auroral bench generator`.",
             default="they run beside the coordinator"),
    _setting(SPREAD, "control-address", "control.address", values.address(),
             "Frontend of the cluster that conducts them.", default="the cluster to load"),
    _setting(SPREAD, "control-namespace", "control.namespace",
             values.pattern(r"\S{1,255}", "a namespace's name", "NAME"),
             "Namespace there; created where it is missing."),
    _setting(SPREAD, "control-profile", "control.profile", values.pattern(r"\S+", "a profile's name", "NAME"),
             "Profile of Temporal's own configuration for it: TLS, API key.", default="none"),
    _setting(SPREAD, "control-tls", "control.tls", values.FLAG, "Connect to --control-address with TLS.",
             default="as the profile says, else without"),
    _setting(LIMITS, "generator-processes", "generator_processes", values.whole(1, 64),
             "Processes that share the schedule; of an agent: parts it takes at once."),
    _setting(LIMITS, "max-in-flight", "max_in_flight", values.whole(1, 10_000_000),
             "Open workflows beyond which a start is dropped as back-pressured."),
    _setting(LIMITS, "max-lag", "max_lag_s", values.duration(0.001, 600),
             "Lag beyond which a start is dropped as generator-limited."),
    _setting(LIMITS, "max-watchers", "max_watchers", values.whole(0, 100_000),
             "Long polls to wait on; further closes are swept through visibility."),
    _setting(LIMITS, "observe", "observe", values.choice("watch", "visibility"),
             "See closes one by one, or from visibility alone."),
    _setting(WAITING, "start-timeout", "start_timeout_s", values.duration(0.1, 600),
             "How long a start may take to be acknowledged."),
    _setting(WAITING, "completion-timeout", "completion_timeout_s", values.duration(0, _DAY_S),
             "How long to drain after the schedule.", default="the schedule, at least 1m, at most 10m"),
    _setting(WAITING, "settle-timeout", "settle_timeout_s", values.duration(0, 3600),
             "How long the server's own counts may take to agree."),
    _setting(WAITING, "cleanup-timeout", "cleanup_timeout_s", values.duration(0, _DAY_S),
             "How long to terminate what is left."),
    _setting(WAITING, "worker-wait", "worker_wait_s", values.duration(0, 3600),
             "How long to wait for matching workers before the run."),
    _setting(THRESHOLDS, "max-p99-latency", "max_p99_latency_s", values.duration(0, _DAY_S),
             "Fail where the latency's P99 is above this."),
    _setting(THRESHOLDS, "min-throughput", "min_throughput_per_s", values.rate(0),
             "Fail where fewer workflows complete each second."),
    _setting(THRESHOLDS, "threshold", "thresholds", values.threshold(),
             "Fail where this does not hold, such as 'latency.p99<500ms'; repeatable.", multiple=True),
    _setting(OUTPUT, "output", "output", values.pattern(r".+", "a path", "DIRECTORY"), "Directory of the results.",
             default="results/<run id>"),
    _setting(OUTPUT, "run-id", "run_id", values.pattern(_NAME, _NAME_WORDS, "NAME"),
             "Name of the run; every workflow id starts with it.", default="chosen from the time"),
    _setting(OUTPUT, "results-url", "results_url", values.object_url(),
             "Object storage to send the results to as well, each run below its name.", also="AURORAL_RESULTS_URL"),
    _setting(OUTPUT, "metrics-port", "metrics_port", values.whole(0, 65535),
             "Port of the Prometheus endpoint; 0: none.", default="9090, or a free one"),
    _setting(OUTPUT, "server-metrics", "server_metrics", values.url(),
             "Prometheus endpoint of the server, to name its limits; repeatable.", multiple=True),
)  # fmt: skip

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

GENERATOR_SETTINGS: tuple[Setting, ...] = tuple(
    setting
    for setting in SETTINGS
    if (setting.group == TARGET and setting.name not in ("local", "local-database"))
    or (setting.group == SPREAD and setting.name != "spread")
    or setting.name in ("generator-processes", "metrics-port", "output")
)
"""What `auroral bench generator` takes as flags: all else comes with each run."""

WORKER_SETTINGS: tuple[Setting, ...] = tuple(
    setting
    for setting in SETTINGS
    if (
        setting.group in (TARGET, WORKLOAD, WORKERS)
        and setting.name not in ("local", "local-database", "generator-only", "worker-only", "eager-start")
    )
    or setting.name in ("target-rate", "stages", "metrics-port")
)
"""What `auroral bench worker` takes as flags. By the rate they choose their activity slots."""


def resolve_bench(*, flags: Mapping[str, Any], environ: Mapping[str, str], file: FileLayer | None = None) -> Resolved:
    """Resolve every setting of a benchmark, and check the settings against each other.

    A search's own settings may stand in the same environment and the same file: they are left to `search.options`.
    """
    if file is not None:
        file = FileLayer(file.path, {name: value for name, value in file.content.items() if name != SEARCH_TABLE})
    resolved = resolve(
        SETTINGS,
        flags=flags,
        environ={name: text for name, text in environ.items() if not name.startswith(SEARCH_PREFIX)},
        file=file,
        table=TABLE,
        prefix=PREFIX,
        other_variables=(CONFIG_VARIABLE,),
    )
    faulty = {problem.name for problem in resolved.problems}
    if not faulty & {"target-rate", "duration", "ramp-up", "stages", "count"}:
        resolved.problems += _schedule_problems(resolved)
    resolved.problems += _role_problems(resolved, faulty)
    resolved.warnings += _remarks(resolved)
    return resolved


def build(resolved: Resolved) -> BenchSettings:
    """Make the settings. Raises `ConfigurationError` with all the problems, if there are any."""
    resolved.raise_problems()
    plain: dict[str, Any] = {"target": {}, "worker": {}, "control": {}}
    for setting in SETTINGS:
        *parents, leaf = setting.field.split(".")
        (plain[parents[0]] if parents else plain)[leaf] = resolved.values[setting.name]
    settings = BenchSettings(
        **{
            **plain,
            "target": msgspec.structs.replace(
                _DEFAULTS.target, namespace_given=resolved.given("namespace"), **plain["target"]
            ),
            "worker": msgspec.structs.replace(_DEFAULTS.worker, **plain["worker"]),
            "control": msgspec.structs.replace(_DEFAULTS.control, **plain["control"]),
        }
    )
    if settings.worker_count == 0 and not (settings.worker_only or settings.eager_start):
        settings = msgspec.structs.replace(settings, generator_only=True)
    if _count_decides(resolved):
        settings = msgspec.structs.replace(settings, duration_given=False, duration_s=_length_of_count_s(resolved))
    return settings


def shown_value(setting: Setting, resolved: Resolved) -> str:
    """Show the value that a run would use, as text."""
    if setting.name == "duration" and _count_decides(resolved):
        return f"as long as {resolved.values['count']} starts take"
    if setting.name in ("target-rate", "duration", "ramp-up") and resolved.values["stages"]:
        return "as the stages say"
    return setting.text(resolved.values[setting.name])


def _count_decides(resolved: Resolved) -> bool:
    """Whether the count alone ends the schedule."""
    return resolved.values["count"] is not None and not resolved.values["stages"] and not resolved.given("duration")


def _length_of_count_s(resolved: Resolved) -> float:
    """How long the schedule must be for its count of starts to fit, in seconds.

    Poisson arrivals get ten standard deviations of room: the count ends the run, not this length.
    """
    count, rate_per_s = resolved.values["count"], resolved.values["target-rate"]
    ramp_s = resolved.values["ramp-up"]
    room = 10 * math.sqrt(count) + 10 if resolved.values["arrival"] == "poisson" else 1
    steady = max(0.0, count + room - rate_per_s * ramp_s / 2)
    return float(max(1.0, math.ceil(ramp_s + steady / rate_per_s)))


def _problem(resolved: Resolved, name: str, expected: str) -> Problem:
    setting = BY_NAME[name]
    return Problem(name, setting.text(resolved.values[name]), resolved.origins[name].text, expected)


def _schedule_problems(resolved: Resolved) -> list[Problem]:
    if resolved.values["stages"]:
        problems = [
            _problem(resolved, name, f"nothing beside stages ({resolved.origins['stages'].text}), which set it already")
            for name in ("target-rate", "duration", "ramp-up")
            if resolved.given(name)
        ]
        stages = resolved.values["stages"]
        if not any(stage.start_per_s or stage.end_per_s for stage in stages):
            problems.append(_problem(resolved, "stages", "at least one stage with a rate above 0/s"))
        if sum(stage.duration_s for stage in stages) > MAX_DURATION_S:
            problems.append(_problem(resolved, "stages", "stages of 24h together at most"))
        return problems
    if _count_decides(resolved):
        if _length_of_count_s(resolved) > MAX_DURATION_S:
            rate = BY_NAME["target-rate"].text(resolved.values["target-rate"])
            return [_problem(resolved, "count", f"a count that {rate} starts within 24h")]
        return []
    if resolved.values["ramp-up"] >= resolved.values["duration"]:
        name = "ramp-up" if resolved.given("ramp-up") else "duration"
        duration = BY_NAME["duration"].text(resolved.values["duration"])
        return [_problem(resolved, name, f"a ramp-up shorter than the duration ({duration})")]
    return []


def _role_problems(resolved: Resolved, faulty: set[str]) -> list[Problem]:
    chosen, problems = resolved.values, []
    if chosen["generator-only"] and chosen["worker-only"]:
        problems.append(_problem(resolved, "generator-only", "not together with worker-only"))
    if chosen["local"] and chosen["worker-only"]:
        problems.append(_problem(resolved, "local", "an address with worker-only: the generator names its cluster"))
    if chosen["local"] and chosen["address"]:
        problems.append(_problem(resolved, "address", "none with local: the local cluster has its own"))
    if chosen["local-database"] and not chosen["local"]:
        problems.append(_problem(resolved, "local-database", "none without local"))
    if chosen["eager-start"] and chosen["engine"] != "wire":
        problems.append(
            _problem(resolved, "eager-start", "the engine wire with it: a generator is no worker of the SDK's")
        )
    if chosen["eager-start"] and (chosen["generator-only"] or chosen["worker-only"]):
        problems.append(
            _problem(resolved, "eager-start", "generators that are workers too, so not one without the other")
        )
    if chosen["worker-only"] and chosen["worker-count"] == 0:
        problems.append(_problem(resolved, "worker-count", "at least 1 with worker-only"))
    if chosen["manifest"] is not None and not chosen["worker-only"]:
        problems.append(_problem(resolved, "manifest", "none but with worker-only: a run writes its own"))
    problems += _spread_problems(resolved)
    if "namespace" not in faulty and not chosen["allow-namespace"] and not benchmark_namespace(chosen["namespace"]):
        problems.append(_problem(resolved, "namespace", NAMESPACE_EXPECTED))
    sources = [workload.source for workload in chosen["workload"]]
    if len(set(sources)) < len(sources):
        problems.append(_problem(resolved, "workload", "each workload once, with =WEIGHT in a mix"))
    return problems


def _spread_problems(resolved: Resolved) -> list[Problem]:
    chosen, problems = resolved.values, []
    if chosen["spread"] is not None:
        given, spread = resolved.origins["generator-processes"].layer, resolved.origins["spread"].layer
        if given <= spread and chosen["generator-processes"] != 1:  # what is said further off is outweighed
            problems.append(_problem(resolved, "generator-processes", "none with spread, whose number says how many"))
        if chosen["local"]:
            problems.append(
                _problem(resolved, "local", "an address with spread: other machines must reach the cluster")
            )
        if chosen["eager-start"]:
            problems.append(
                _problem(resolved, "eager-start", "none with spread: the workers are not with the generators")
            )
        if chosen["worker-only"]:
            problems.append(_problem(resolved, "spread", "none with worker-only"))
    if chosen["control-tls"] is not None and chosen["control-address"] is None and chosen["control-profile"] is None:
        problems.append(_problem(resolved, "control-tls", "none without control-address or control-profile"))
    return problems


def benchmark_namespace(namespace: str) -> bool:
    """Whether a benchmark may use a namespace without being allowed to."""
    return namespace == "benchmark" or namespace.startswith("benchmark-")


def _remarks(resolved: Resolved) -> list[str]:
    chosen, remarks = resolved.values, []
    if chosen["manifest"] is not None:
        remarks += [
            f"{resolved.origins[name].text} has no effect: the manifest ({resolved.origins['manifest'].text}) says it"
            for name in ("workload", "target-rate", "stages", "task-queues", "task-queue")
            if resolved.given(name)
        ]
    used = {workload.source for workload in chosen["workload"]}
    for name, workload in (("activity-count", "multi-activity"), ("timer-duration", "timer"), ("child-count", "child")):
        if resolved.origins[name].layer is Layer.FLAG and workload not in used:
            remarks.append(f"--{name} is for the workload {workload}, which this run does not use")
    peak_per_s = max(
        [stage_per_s for stage in chosen["stages"] for stage_per_s in (stage.start_per_s, stage.end_per_s)],
        default=chosen["target-rate"],
    )
    least_per_s = chosen["min-throughput"]
    if least_per_s is not None and least_per_s > peak_per_s:
        remarks.append(
            f"min-throughput {BY_NAME['min-throughput'].text(least_per_s)} is above the highest rate of the schedule, "
            f"{BY_NAME['target-rate'].text(peak_per_s)}: the run can hardly pass"
        )
    return remarks
