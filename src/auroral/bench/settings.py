"""The settings of a benchmark: one typed value that everything downstream takes. Pure."""

from __future__ import annotations

import msgspec

from auroral.temporal.spec import TargetSettings


class WorkloadChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the mix: a built-in's name or a file, and its weight."""

    source: str
    weight: float = 1.0


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the schedule: the rate moves linearly from start to end; equal rates hold."""

    start_per_s: float
    end_per_s: float
    duration_s: float


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the SDK workers."""

    max_concurrent_workflow_tasks: int = 200
    max_concurrent_activities: int | None = None
    """None: 200, or more where the workload only waits; the result says which."""
    max_concurrent_local_activities: int = 200
    workflow_task_pollers: int = 32
    activity_task_pollers: int = 32
    nonsticky_to_sticky_poll_ratio: float = 0.5
    eager_activities: bool = True
    max_eager_activities_per_workflow_task: int = 100
    sticky_schedule_to_start_timeout_s: float = 5.0
    max_cached_workflows: int = 2000


class ControlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run over several machines is conducted."""

    address: str | None = None
    """None: the profile's; without a profile, the cluster that is loaded."""
    namespace: str = "auroral-control"
    profile: str | None = None
    """Of Temporal's own configuration, for a control cluster that wants TLS or credentials."""
    tls: bool | None = None
    """None: as the profile says; without one, no TLS for an address of its own."""


class BenchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `auroral bench run` and `auroral bench worker` can be told."""

    target: TargetSettings = TargetSettings()
    workloads: tuple[WorkloadChoice, ...] = (WorkloadChoice(source="simple"),)
    activity_count: int = 5
    timer_duration_s: float = 1.0
    child_count: int = 3

    target_rate_per_s: float = 10.0
    duration_s: float = 60.0
    duration_given: bool = True
    """False: a count without a duration; `duration_s` is then an estimate that leaves room for the count."""
    ramp_up_s: float = 0.0
    stages: tuple[Stage, ...] = ()
    count: int | None = None
    arrival: str = "constant"
    seed: int = 1
    iterations: int = 1

    engine: str = "sdk"
    """`sdk` or `wire`."""
    eager_start: bool = False
    """Whether the generators are workers too, and ask for the first workflow task with each start's answer."""
    worker_count: int | None = None
    """Worker processes; None: half of the cores, at least one."""
    generator_processes: int = 1
    task_queues: int = 1
    task_queue: str | None = None
    """First part of the task queues' names; None: the run id, or `auroral-benchmark` where workers run apart."""
    generator_only: bool = False
    worker_only: bool = False
    manifest: str | None = None
    """File of the manifest of the run that workers apart from it serve; None: they serve any run."""
    worker: WorkerSettings = WorkerSettings()

    spread: int | None = None
    """Generators on machines of their own; None: beside the coordinator."""
    control: ControlSettings = ControlSettings()

    max_in_flight: int = 10_000
    max_lag_s: float = 1.0
    max_watchers: int = 1_000
    observe: str = "watch"
    start_timeout_s: float = 10.0

    completion_timeout_s: float | None = None
    """None: max(60 s, duration), at most 10 minutes."""
    settle_timeout_s: float = 30.0
    cleanup_timeout_s: float = 120.0
    worker_wait_s: float = 60.0
    """How long the preflight waits for matching workers."""

    max_p99_latency_s: float | None = None
    min_throughput_per_s: float | None = None
    thresholds: tuple[str, ...] = ()

    output: str | None = None
    """Results directory; None: `results/<run id>`."""
    run_id: str | None = None
    results_url: str | None = None
    """Object storage that the results are sent to; None: they stay in the directory."""
    metrics_port: int | None = None
    """None: 9090, or a free one where that is taken; 0: none."""
    server_metrics: tuple[str, ...] = ()

    @property
    def drain_timeout_s(self) -> float:
        """The completion timeout as given, else max(60 s, schedule), at most 10 minutes."""
        if self.completion_timeout_s is not None:
            return self.completion_timeout_s
        return min(600.0, max(60.0, self.schedule_s))

    @property
    def schedule_s(self) -> float:
        """Length of the schedule if a count does not end it sooner."""
        return sum(stage.duration_s for stage in self.stages) if self.stages else self.duration_s

    @property
    def peak_rate_per_s(self) -> float:
        """The highest rate of the schedule."""
        rates_per_s = [rate for stage in self.stages for rate in (stage.start_per_s, stage.end_per_s)]
        return max(rates_per_s, default=self.target_rate_per_s)
