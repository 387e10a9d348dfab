"""From the readings of each second to the limits that were reached, and whose they are. Pure.

Each detector is a rule that has to hold for some seconds in a row. A field that could not be read neither counts
nor breaks the row. `docs/limits.md` lists the rules. Dynamic-config keys and their defaults are those of Temporal
server 1.29.1, `common/dynamicconfig/constants.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from auroral.bench.detector import (
    FREE_SLOTS,
    MACHINE_CPU,
    WORKER_CPU,
    Detector,
    any_cpu,
    exhausted,
    held_in,
    machine_busy,
)
from auroral.bench.limits import LimitFinding, LimitReport, Reading, SlotsReading
from auroral.bench.queue_rules import IN_A_ROW, QUEUE_DETECTORS
from auroral.bench.refusals import SWEEP, advice_on, is_of_wait
from auroral.units import format_duration, format_number

GENERATOR_CPU = 0.85
COORDINATOR_CPU = 0.9
LAG_MS = 50.0
PERSISTENCE_LATENCY_S = 0.1
_TOO_SHORT_S = 2 * IN_A_ROW
_SLOT_SETTINGS = {
    "WorkflowWorker": "--max-concurrent-workflow-tasks",
    "ActivityWorker": "--max-concurrent-activities",
    "LocalActivityWorker": "--max-concurrent-local-activities",
}


def find_limits(readings: Sequence[Reading], *, unread: Sequence[str] = (), local_server: bool = False) -> LimitReport:
    """Find the limits reached, in order of first appearance; at the same second, causes before effects.

    `unread` says what could not be sampled; `local_server`: the server runs on the same cores as the load.
    """
    findings = []
    answered = any(reading.workflow_queue or reading.activity_queue for reading in readings)
    for detector in (*_refusal_detectors(readings), *DETECTORS):
        if detector is _SERVER_SILENT and not answered:
            # It may be that this target does not let us ask.
            continue
        held = held_in(detector, readings)
        if held:
            advice = detector.advice
            if detector.whose == "machine" and local_server:
                advice += " The server and the load share these cores: what it could carry alone is not shown here."
            findings.append(
                LimitFinding(
                    name=detector.name,
                    whose=detector.whose,
                    since_s=held[0].t_s,
                    seconds=len(held),
                    evidence=detector.evidence(held),
                    advice=advice,
                )
            )
    return LimitReport(findings=sorted(findings, key=lambda finding: finding.since_s), unread=list(unread))


def wait_notes(readings: Sequence[Reading]) -> list[str]:
    """What a reader should know of the readings, and of how closes were seen. These are no limits."""
    notes = []
    if 0 < len(readings) < _TOO_SHORT_S:
        notes.append(
            f"{len(readings)} s of readings are too few to tell limits by: the rules look at 3 to {IN_A_ROW} seconds "
            "in a row"
        )
    polls = _refused_waits(readings, sweeps=False)
    if polls:
        notes.append(
            f"{polls:,} waits for a close were refused and retried or left to the sweep: long polls are limited by "
            "frontend.namespaceCount (1,200 per frontend by default)"
        )
    sweeps = _refused_waits(readings, sweeps=True)
    if sweeps:
        notes.append(f"{sweeps:,} sweeps through visibility failed and were made again")
    full = sum(1 for reading in readings if reading.watcher_limit and reading.watchers >= reading.watcher_limit)
    if full:
        limit = max(reading.watcher_limit for reading in readings)
        notes.append(
            f"all {limit:,} watchers were busy in {full:,} s: others waited for one, or were found closed by the sweep"
        )
    return notes


def _refused_waits(readings: Sequence[Reading], *, sweeps: bool) -> int:
    return sum(
        count
        for reading in readings
        for cause, count in reading.refusals.items()
        if is_of_wait(cause) and cause.startswith(SWEEP) is sweeps
    )


# Refusals


def _refusal_detectors(readings: Sequence[Reading]) -> Iterable[Detector]:
    causes = dict.fromkeys(cause for reading in readings for cause in reading.refusals if not is_of_wait(cause))
    for cause in causes:
        yield Detector(
            name="server-refusals" if cause.startswith("RESOURCE_EXHAUSTED") else "server-errors",
            whose="server",
            rule="",
            holds=_refused_by(cause),
            evidence=_refusal_evidence(cause),
            advice=advice_on(cause),
            in_a_row=1,
        )


def _refused_by(cause: str) -> Callable[[Reading], bool]:
    return lambda reading: reading.refusals.get(cause, 0) > 0


def _refusal_evidence(cause: str) -> Callable[[Sequence[Reading]], str]:
    def evidence(held: Sequence[Reading]) -> str:
        counts = [reading.refusals[cause] for reading in held]
        requests = "1 request" if sum(counts) == 1 else f"{sum(counts):,} requests"
        return f"{requests} ended with {cause}, at most {max(counts):,} in one second"

    return evidence


# Processors


def _cpu_evidence(prefix: str) -> Callable[[Sequence[Reading]], str]:
    def evidence(held: Sequence[Reading]) -> str:
        used, name = max((used, name) for each in held for name, used in each.cpu.items() if name.startswith(prefix))
        return f"{name} used up to {used:.2f} cores; Python runs on one core at a time"

    return evidence


def _machine_evidence(held: Sequence[Reading]) -> str:
    used = sum(reading.machine_cpu or 0.0 for reading in held) / len(held)
    return f"on average {used:.0%} of all cores of this machine were busy"


# The generator


def _lag_evidence(held: Sequence[Reading]) -> str:
    worst_ms = max(reading.lag_p99_ms or 0.0 for reading in held)
    return f"starts were sent up to {format_duration(worst_ms / 1e3)} late (P99 of one second)"


def _generator_limited_evidence(held: Sequence[Reading]) -> str:
    return f"{sum(reading.generator_limited for reading in held):,} starts were never sent: they were too late"


def _in_flight_evidence(held: Sequence[Reading]) -> str:
    dropped = sum(reading.back_pressured for reading in held)
    most, limit = max((reading.in_flight, reading.in_flight_limit) for reading in held)
    return f"{dropped:,} starts were not sent while {most:,} of {limit:,} workflows were in flight"


# Slots, pollers and queues


def _slots_exhausted(reading: Reading) -> bool | None:
    return any(exhausted(slots) for slots in reading.slots.values()) if reading.slots else None


def _slots_evidence(held: Sequence[Reading]) -> str:
    kinds: dict[str, SlotsReading] = {}
    for reading in held:
        kinds.update({kind: slots for kind, slots in reading.slots.items() if exhausted(slots)})
    return "; ".join(
        f"{kind}: {slots.used:,} of {slots.used + slots.available:,} slots in use ({_SLOT_SETTINGS.get(kind, kind)})"
        for kind, slots in sorted(kinds.items())
    )


# What the server says of itself


def _server_value(name: str, least: float) -> Callable[[Reading], bool | None]:
    return lambda reading: reading.server[name] >= least if name in reading.server else None


def _server_positive(name: str) -> Callable[[Reading], bool | None]:
    return lambda reading: reading.server[name] > 0 if name in reading.server else None


def _server_rate_evidence(name: str, what: str) -> Callable[[Sequence[Reading]], str]:
    def evidence(held: Sequence[Reading]) -> str:
        return f"up to {format_number(max(reading.server[name] for reading in held))} {what} a second"

    return evidence


def _persistence_evidence(held: Sequence[Reading]) -> str:
    worst_s = max(reading.server["persistence_latency_mean_s"] for reading in held)
    return f"a persistence request took up to {format_duration(worst_s)} on average"


def _server_silent(reading: Reading) -> bool:
    return reading.workflow_queue is None and reading.activity_queue is None and reading.in_flight > 0


def _silent_evidence(held: Sequence[Reading]) -> str:
    most = max(reading.in_flight for reading in held)
    return f"DescribeTaskQueue was not answered in time in {len(held):,} s, with up to {most:,} workflows in flight"


_SERVER_SILENT = Detector(
    name="server-silent",
    whose="server",
    rule="the server, which has answered DescribeTaskQueue at another time, does not while workflows are in flight",
    holds=_server_silent,
    evidence=_silent_evidence,
    advice="Look at the server's own logs, CPU and database at that time: it was down, paused or overloaded.",
)

_MORE_GENERATORS = "Take more generators (--generator-processes, or --spread over machines)"

DETECTORS: tuple[Detector, ...] = (
    _SERVER_SILENT,
    Detector(
        name="server-throttling",
        whose="server",
        rule="the server's metrics count refused requests of the namespace, those of workers included",
        holds=_server_positive("service_errors_resource_exhausted_per_s"),
        evidence=_server_rate_evidence(
            "service_errors_resource_exhausted_per_s", "requests of this namespace were refused by the server"
        ),
        advice=advice_on("RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE"),
    ),
    Detector(
        name="persistence-refusals",
        whose="server",
        rule="the server's metrics count persistence requests that were refused",
        holds=_server_positive("persistence_errors_resource_exhausted_per_s"),
        evidence=_server_rate_evidence(
            "persistence_errors_resource_exhausted_per_s", "persistence requests were refused"
        ),
        advice=advice_on("RESOURCE_EXHAUSTED/PERSISTENCE_LIMIT/SYSTEM"),
        in_a_row=1,
    ),
    Detector(
        name="persistence-errors",
        whose="server",
        rule="the server's metrics count persistence errors, not-found and failed conditions excepted",
        holds=_server_positive("persistence_errors_per_s"),
        evidence=_server_rate_evidence("persistence_errors_per_s", "persistence requests failed"),
        advice="Look at the database: connections, conflicts, capacity; the server's logs name the operation.",
    ),
    Detector(
        name="persistence-latency",
        whose="server",
        rule=f"a persistence request takes {format_duration(PERSISTENCE_LATENCY_S)} or longer on average",
        holds=_server_value("persistence_latency_mean_s", PERSISTENCE_LATENCY_S),
        evidence=_persistence_evidence,
        advice="Look at the database: its CPU, its connections and its distance from the server.",
    ),
    Detector(
        name="machine-cpu",
        whose="machine",
        rule=f"{MACHINE_CPU:.0%} of all cores of the machine are busy",
        holds=machine_busy,
        evidence=_machine_evidence,
        advice="Use a machine with more cores, or move workers or server to others.",
    ),
    Detector(
        name="generator-cpu",
        whose="generator",
        rule=f"a generator process uses {GENERATOR_CPU} cores",
        holds=any_cpu("generator-", GENERATOR_CPU),
        evidence=_cpu_evidence("generator-"),
        advice=f"{_MORE_GENERATORS}; --observe visibility spares the long polls.",
    ),
    Detector(
        name="coordinator-cpu",
        whose="generator",
        rule=f"the coordinator uses {COORDINATOR_CPU} cores",
        holds=any_cpu("coordinator", COORDINATOR_CPU),
        evidence=_cpu_evidence("coordinator"),
        advice="Take --spread N, whose generators tally their own parts, or lower the rate: all comes together here.",
    ),
    Detector(
        name="generator-lag",
        whose="generator",
        rule=f"the P99 of a second's lag is above {format_duration(LAG_MS / 1e3)}",
        holds=lambda reading: None if reading.lag_p99_ms is None else reading.lag_p99_ms > LAG_MS,
        evidence=_lag_evidence,
        advice=f"{_MORE_GENERATORS}, or give them cores of their own.",
    ),
    Detector(
        name="generator-limited",
        whose="generator",
        rule="a start is dropped because it would be later than --max-lag",
        holds=lambda reading: reading.generator_limited > 0,
        evidence=_generator_limited_evidence,
        advice=f"{_MORE_GENERATORS} or lower the rate; --max-lag says how late a start may be.",
        in_a_row=1,
    ),
    Detector(
        name="worker-cpu",
        whose="workers",
        rule=f"a worker process uses {WORKER_CPU} cores",
        holds=any_cpu("worker-", WORKER_CPU),
        evidence=_cpu_evidence("worker-"),
        advice="Raise --worker-count where cores are free, or run `auroral bench worker` on other machines.",
    ),
    Detector(
        name="worker-slots",
        whose="workers",
        rule=f"at most {FREE_SLOTS:.0%} of the slots of one kind are free, over all worker processes",
        holds=_slots_exhausted,
        evidence=_slots_evidence,
        advice="Raise the setting named, or --worker-count.",
    ),
    *QUEUE_DETECTORS,
    Detector(
        name="in-flight-limit",
        whose="server",
        rule="a start is dropped because --max-in-flight workflows are in flight",
        holds=lambda reading: reading.back_pressured > 0,
        evidence=_in_flight_evidence,
        advice=(
            "Workflows came faster than they closed. Where they simply last that long, raise --max-in-flight above "
            "rate × duration of a workflow; otherwise the server or its workers are behind: see the other limits."
        ),
        in_a_row=1,
    ),
)
"""Every rule but those of refusals, causes before effects."""
