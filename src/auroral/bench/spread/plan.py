"""What coordinator, control workflow and agents agree on: names, time limits, sizes, messages. Pure.

Everything here travels as JSON in the history of the control workflow: no secrets, no samples.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from auroral.bench.manifest import ENGINES, LANGUAGE_VERSION, Manifest
from auroral.bench.result import SpreadGenerator
from auroral.units import format_duration

PROTOCOL = 1
"""Raise it when an older agent would misread what it is told: the queues of the two are then apart."""
WORKFLOW_TYPE = "auroral.spread"
WORKFLOW_QUEUE = f"auroral-spread-{PROTOCOL}"
CLAIM_QUEUE = f"{WORKFLOW_QUEUE}-claims"
CONTROL_NAMESPACE = "auroral-control"

PRESENCE, CLAIM, GENERATE, RELEASE = "auroral.presence", "auroral.claim", "auroral.generate", "auroral.release"
"""Types of the activities; the ids of the last three end in `-` and the generator's number."""
COORDINATOR = "coordinator"
"""Id of the activity that says that the coordinator lives."""
BEGIN, STOP, LET_GO = "begin", "stop", "release"
"""Signals of the control workflow."""

REFUSED, UNABLE = "Refused", "Unable"
"""Types of the failure of an agent that does not match the run, and of one whose generator does not come about: the run
must hear of either rather than try another agent."""

MOST_GENERATORS = 64
HEARTBEAT_S = 1.0
HEARTBEAT_TIMEOUT_S = 15.0
"""A generator, or the coordinator, that says nothing for so long is lost."""
LEAD_S = 3.0
"""Between the order to begin and the first start: one workflow task and an activity task for each generator."""
PREPARE_S = 60.0
"""How long an agent may take to start its generator beyond the time that connecting may take."""
TAKE_UP_S = 20.0
"""An agent that has claimed a part and does not take up a task of it within this time is lost."""
SLACK_S = 300.0
BRIEF_DRAIN_S = 5.0
"""Drain of a generator that is stopped."""
RELEASE_S = 30.0
"""How long an agent may take to let go, beside its clean-up."""
FORGOTTEN_CLEANUP_S = 60.0
"""Where the coordinator is gone: how long agents terminate what they hold."""
CLAIM_ATTEMPTS = 3

CLOCK_NOTED_US = 50_000
"""An agent whose offset to the control cluster's clock is known no better than this is named in the notes."""
CLOCK_DOUBT_US = 1_000_000
"""Beyond this its part did not run when it was asked to: the measurement is in doubt."""

_MOST_ORDER_BYTES = 1_000_000
_MOST_ORDERS_BYTES = 3_500_000
_ALL_BYTES = 4 * 1024 * 1024
_LEAST_BYTES, _MOST_BYTES = 64 * 1024, 256 * 1024

T = TypeVar("T")


class ClaimOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What every agent of a run must match, and all but its own number of what its generator is to do."""

    auroral_version: str
    target_address: str
    manifest: Manifest
    """Its `generator_processes` are the parts."""
    max_in_flight: int
    """Of all generators together, as `max_watchers`."""
    max_watchers: int
    max_lag_s: float
    start_timeout_s: float
    drain_timeout_s: float


class SpreadOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the control workflow is started with."""

    claim: ClaimOrder
    coordinator_queue: str
    claim_s: float
    """How long one claim may take."""
    generate_s: float
    """How long a generator may take at most."""
    whole_s: float
    """How long all of it may take at most."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that has taken a part and whose generator is ready."""

    generator: int
    queue: str
    """Its own."""
    seen: SpreadGenerator
    note: str = ""
    """What the generator said of itself when it was ready."""


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """Start the schedule at this instant of the control cluster's clock, in µs since 1970."""

    epoch_control_us: int


class LetGo(msgspec.Struct, frozen=True, kw_only=True):
    """Terminate what the generator holds within this time, if that is above 0, and be free for the next run."""

    cleanup_s: float


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `LetGo`."""

    terminated: int
    failed: int


def plain(value: msgspec.Struct) -> Any:
    """What stands for a value in a payload."""
    return msgspec.to_builtins(value)


def read(value: Any, kind: type[T]) -> T:
    """Read what `plain` gave. Raises `ValueError`."""
    return msgspec.convert(value, kind)


def text_of(data: bytes) -> str:
    """The text that a JSON payload holds; empty where it holds none."""
    try:
        return msgspec.json.decode(data, type=str)
    except msgspec.DecodeError:
        return ""


def workflow_id(run_id: str) -> str:
    """Name the control workflow of a run."""
    return f"{WORKFLOW_TYPE}-{run_id}"


def coordinator_queue(run_id: str) -> str:
    """Where the coordinator alone takes tasks: the one that says that it lives."""
    return f"{WORKFLOW_QUEUE}-coordinator-{run_id}"


def agent_queue(where: str, nonce: str) -> str:
    """Where one agent alone takes tasks."""
    return f"{WORKFLOW_QUEUE}-agent-{where}-{nonce}"


def activity_id(kind: str, generator: int) -> str:
    """Name one generator's activity of a kind."""
    return f"{kind}-{generator}"


def parse_activity_id(text: str) -> tuple[str, int] | None:
    """The kind and the generator of an activity; None where it is nobody's."""
    kind, _, number = text.rpartition("-")
    return (kind, int(number)) if kind in (CLAIM, GENERATE, RELEASE) and number.isdigit() else None


def heartbeat_bytes(generators: int) -> int:
    """How large one generator's heartbeat is to be at most.

    All heartbeats of a run stand in one workflow's mutable state, which a server refuses beyond 8 MiB
    (`limit.mutableStateSize.error`); each is one blob, refused beyond 2 MiB (`limit.blobSize.error`) and by Aurora
    DSQL beyond 1 MiB (its limit for a column).
    """
    return min(_MOST_BYTES, max(_LEAST_BYTES, _ALL_BYTES // generators))


def oversize(claim: ClaimOrder) -> str:
    """Why a run's claims cannot travel; empty: they can.

    All of them are commands in one answer to a workflow task, and a frontend refuses a message beyond 4 MiB.
    """
    size_bytes, parts = len(msgspec.json.encode(claim)), claim.manifest.generator_processes
    most_bytes = min(_MOST_ORDER_BYTES, _MOST_ORDERS_BYTES // parts)
    if size_bytes <= most_bytes:
        return ""
    return (
        f"each of the {parts} generators is told all of the run, workloads and stages included: expected at most "
        f"{most_bytes:,} bytes, not {size_bytes:,}"
    )


def order_of(
    claim: ClaimOrder, *, connect_s: float, schedule_s: float, drain_timeout_s: float, others_s: float
) -> SpreadOrder:
    """The workflow's order for a run; `others_s` is how long all that is not the schedule and its drain may take."""
    claim_s = connect_s + PREPARE_S
    generate_s = LEAD_S + schedule_s + drain_timeout_s + SLACK_S
    return SpreadOrder(
        claim=claim,
        coordinator_queue=coordinator_queue(claim.manifest.run_id),
        claim_s=claim_s,
        generate_s=generate_s,
        whole_s=CLAIM_ATTEMPTS * claim_s + generate_s + others_s + SLACK_S,
    )


def refusal(order: ClaimOrder, *, auroral_version: str, address: str, namespace: str) -> str:
    """Why an agent cannot generate for a run; empty: it can."""
    manifest = order.manifest
    differences = []
    if order.auroral_version != auroral_version:
        differences.append(f"it is auroral {auroral_version}, and the run is of {order.auroral_version}")
    if manifest.language_version != LANGUAGE_VERSION:
        differences.append(f"it speaks step language {LANGUAGE_VERSION}, not {manifest.language_version}")
    if manifest.engine not in ENGINES:
        differences.append(f"it runs the engines {' and '.join(ENGINES)}, not {manifest.engine}")
    if order.target_address != address:
        differences.append(f"it loads the cluster at {address}, and the run the one at {order.target_address}")
    if manifest.namespace != namespace:
        differences.append(f"it loads the namespace {namespace}, and the run {manifest.namespace}")
    return "; ".join(differences)


def agent_command(*, address: str, namespace: str, control_address: str, control_namespace: str) -> str:
    """The command that starts an agent, to be completed by credentials."""
    command = ["auroral", "bench", "generator", "--address", address]
    if namespace != "benchmark":
        command += ["--namespace", namespace]
    if control_address != address:
        command += ["--control-address", control_address]
    if control_namespace != CONTROL_NAMESPACE:
        command += ["--control-namespace", control_namespace]
    return shlex.join(command)


def too_few(came: Sequence[SpreadGenerator], wanted: int, waited_s: float) -> str:
    """What to say where not enough agents took part."""
    who = f" ({', '.join(one.where for one in came)})" if came else ""
    number = f"{wanted} generators" if wanted > 1 else "1 generator"
    return f"expected {number} to claim a part of the run, but {len(came)} did within {format_duration(waited_s)}{who}"


def clock_remarks(seen: Sequence[SpreadGenerator]) -> tuple[list[str], list[str]]:
    """What to note of the generators' clocks, and what puts the measurement in doubt."""
    notes, doubts = [], []
    for one in seen:
        words = (
            f"{one.name} on {one.where}: its offset to the control cluster's clock is known to "
            f"±{format_duration(one.control_error_ms / 1e3)} only"
        )
        if one.control_error_ms * 1e3 > CLOCK_DOUBT_US:
            doubts.append(f"{words}, so that its part of the schedule may have run at another time")
        elif one.control_error_ms * 1e3 > CLOCK_NOTED_US:
            notes.append(f"{words}: seconds of different generators may be that much apart")
    return notes, doubts
