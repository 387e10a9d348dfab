"""The result document of one run, versioned. Pure types; `schema()` is the published JSON Schema.

Times are milliseconds in fields ending in `_ms`, seconds since the run's epoch in `_s`, rates per second in
`_per_s`. A quantile that falls among what did not complete is null: it is no number.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from auroral.bench.limits import LimitReport, Reading
from auroral.bench.manifest import Manifest, Transport
from auroral.bench.samples import InteractionKind
from auroral.json_document import decode_as, json_file

SCHEMA_ID = "auroral.bench.result/1"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ConfigValue(_Document, frozen=True, kw_only=True):
    """One setting as the run used it."""

    name: str
    value: str
    origin: str
    """`--flag`, an environment variable, a file, or `default`."""


class Environment(_Document, frozen=True, kw_only=True):
    """Where the run took place, as far as it can be told; null: it could not be."""

    address: str
    server_version: str | None = None
    persistence_store: str | None = None
    visibility_store: str | None = None
    history_shards: int | None = None
    cluster_name: str | None = None
    local_server: bool = False
    """Whether the server was one of auroral's own, on the same cores as the load."""
    local_cluster: str | None = None
    """The database of auroral's local cluster, `postgres` or `dsql-double`, where the run loaded one."""
    auroral_version: str = ""
    sdk_version: str = ""
    python_version: str = ""
    platform: str = ""
    cpu_model: str | None = None
    cores: int = 0
    memory_bytes: int = 0
    instance_type: str | None = None
    availability_zone: str | None = None
    container: str | None = None
    """What the ECS task metadata says: `cluster/family:revision`."""
    clock_offset_ms: float | None = None
    """Server clock − client clock, estimated."""
    clock_offset_error_ms: float | None = None
    """Half the width of the interval that the offset must lie in."""


class Quantiles(_Document, frozen=True, kw_only=True):
    """Quantiles of one time, in ms. Where `censored` > 0 a null quantile reads "did not complete"."""

    count: int
    """All that count: measured and censored."""
    censored: int = 0
    """Those that count as later than everything measured."""
    out_of_range: int = 0
    """Measured but beyond the histogram's range; counted at its end."""
    min_ms: float | None = None
    mean_ms: float | None = None
    """Of the measured alone."""
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    max_ms: float | None = None
    """Null where anything is censored."""


class Times(_Document, frozen=True, kw_only=True):
    """Every time of the definitions."""

    latency: Quantiles
    """closed − intended; what did not complete counts as later than everything."""
    latency_completed: Quantiles
    """The same of the completed alone."""
    service_time: Quantiles
    """closed − sent, of the completed."""
    start_latency: Quantiles
    """accepted − sent."""
    lag: Quantiles
    """sent − intended."""
    server_time: Quantiles
    """Close event − start event, of the completed."""


class Window(_Document, frozen=True, kw_only=True):
    """What was carried in one stretch of the schedule."""

    name: str
    kind: Literal["ramp", "steady", "stage", "drain"]
    start_s: float
    end_s: float
    target_per_s: float
    """Mean scheduled rate."""
    offered_per_s: float
    """Sent."""
    started_per_s: float
    """Accepted."""
    completed_per_s: float
    state_transitions_per_s: float | None = None
    latency: Quantiles
    """Of the starts intended in the window."""


class Series(_Document, frozen=True, kw_only=True):
    """Per second of the run, columns of equal length. Counts are of events in that second."""

    t_s: list[int]
    target_per_s: list[float]
    intended: list[int]
    sent: list[int]
    accepted: list[int]
    completed: list[int]
    failed: list[int]
    """Failed, timed out, terminated, canceled."""
    rejected: list[int]
    dropped: list[int]
    in_flight: list[int]
    """Accepted and not yet closed, at the end of the second."""
    latency_p50_ms: list[float | None]
    """Of the starts intended in that second; null: did not complete, or none."""
    latency_p99_ms: list[float | None]
    latency_max_ms: list[float | None]
    lag_p99_ms: list[float | None]


class CurvePoint(_Document, frozen=True, kw_only=True):
    """One point of the latency percentile curve."""

    percentile: float
    latency_ms: float | None
    """Null: did not complete."""


class CauseCount(_Document, frozen=True, kw_only=True):
    """How many ended in one outcome for one cause."""

    outcome: str
    cause: str
    count: int


class Interactions(_Document, frozen=True, kw_only=True):
    """Signals, updates and queries that the client sent to running workflows."""

    kind: InteractionKind
    sent: int
    failed: int
    causes: dict[str, int]
    time: Quantiles


class Observed(_Document, frozen=True, kw_only=True):
    """How closes were seen."""

    watched: int
    swept: int
    refused_waits: int
    """Long polls that the server refused; they were retried or left to the sweep."""
    resolved_starts: int
    """Starts whose acknowledgement was lost and whose request id told what had become of them."""


class Reconciliation(_Document, frozen=True, kw_only=True):
    """Our counts against the server's own, of this run's root executions."""

    status: Literal["agreed", "disagreed", "unavailable"]
    settled_after_s: float
    """How long visibility took until it agreed or was stable."""
    ours: dict[str, int]
    server: dict[str, int]
    detail: str = ""


class Cleanup(_Document, frozen=True, kw_only=True):
    """What was left open and what became of it."""

    left_open: int
    terminated_directly: int
    terminated_by_batch: int
    remaining: int | None
    """Still open afterwards; null: unknown."""
    failure: str = ""
    commands: list[str] = []
    """By hand, where it failed."""


class ProcessUsage(_Document, frozen=True, kw_only=True):
    """What one process of ours used over the run."""

    name: str
    cpu_s: float
    max_rss_bytes: int
    lost: bool = False
    """Whether it ended when it should not have."""
    detail: str = ""
    transport: Transport | None = None
    """What a generator drove the API with; null: it is none, or an older version did not say."""


class WorkerSeen(_Document, frozen=True, kw_only=True):
    """A worker process that polled before the schedule began, by what it says of itself."""

    where: str
    """`<pid>@<host>`."""
    auroral_version: str
    manifest_digest: str
    """Of the manifest that it was started with; `-`: none, it serves any run."""
    workflow_task_slots: int
    activity_slots: int
    local_activity_slots: int


class SpreadGenerator(_Document, frozen=True, kw_only=True):
    """A generator on a machine of its own, by what it says of itself."""

    name: str
    """`generator-<number>`."""
    where: str
    """`<pid>@<host>`."""
    auroral_version: str
    cores: int
    memory_bytes: int
    instance_type: str | None = None
    availability_zone: str | None = None
    container: str | None = None
    transport: Transport | None = None
    """What it drives the API with."""
    control_offset_ms: float
    """Clock of the control cluster − its own, estimated: by it the generators start together."""
    control_error_ms: float
    """Half the width of the interval that this must lie in."""
    target_offset_ms: float
    """Clock of the cluster under test − its own, estimated."""
    target_error_ms: float


class Workers(_Document, frozen=True, kw_only=True):
    """The workers' options as chosen, so that two results can be compared."""

    processes: int
    """Started by this run; 0: they run elsewhere."""
    options: dict[str, int | float | bool | str]
    """Of each process. Where they run elsewhere, only those that they tell, and sums over all of them in `all_…`."""
    seen: list[WorkerSeen] = []
    notes: list[str] = []


class ThresholdResult(_Document, frozen=True, kw_only=True):
    """One threshold and what was measured."""

    expression: str
    observed: str
    """With its unit; "did not complete" where the quantile is censored."""
    passed: bool


class Verdict(_Document, frozen=True, kw_only=True):
    """Pass, fail or inconclusive, and why."""

    status: Literal["pass", "fail", "inconclusive"]
    reasons: list[str]


class Result(_Document, frozen=True, kw_only=True):
    """Everything that is kept of one run."""

    schema: str = SCHEMA_ID
    manifest: Manifest
    started_at: str
    """UTC, ISO 8601: the epoch."""
    duration_s: float
    """Length of the schedule as driven."""
    drain_s: float
    interrupted: bool
    configuration: list[ConfigValue]
    environment: Environment
    scheduled: int
    """Intended starts; the sum of `outcomes`."""
    outcomes: dict[str, int]
    causes: list[CauseCount]
    times: Times
    windows: list[Window]
    series: Series
    percentile_curve: list[CurvePoint]
    observed: Observed
    interactions: list[Interactions]
    readings: list[Reading]
    limits: LimitReport
    workers: Workers
    processes: list[ProcessUsage]
    spread: list[SpreadGenerator] = []
    """The generators of a run over several machines; empty: they ran beside the coordinator."""
    reconciliation: Reconciliation
    cleanup: Cleanup
    thresholds: list[ThresholdResult]
    verdict: Verdict
    notes: list[str] = []
    """What a reader must know to judge the numbers."""

    @property
    def steady(self) -> Window | None:
        """The window that rates are quoted from: the steady one; with stages, the one with the highest target."""
        chosen = [window for window in self.windows if window.kind in ("steady", "stage")]
        return max(chosen, key=lambda window: window.target_per_s, default=None)


def encode(result: Result) -> bytes:
    """Write the document as indented JSON."""
    return json_file(result)


def decode(data: bytes) -> Result:
    """Read a document. Raises `ValueError` naming what is wrong with it."""
    return decode_as(Result, data, schema_id=SCHEMA_ID, name="a result document")


def schema() -> dict[str, Any]:
    """The JSON Schema of the result document."""
    return msgspec.json.schema(Result)
