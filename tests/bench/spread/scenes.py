"""A schedule in four parts, and what a generator says of its part."""

from __future__ import annotations

import msgspec

from auroral.bench.manifest import Manifest, ManifestArrival
from auroral.bench.protocol import Tick
from auroral.bench.result import SpreadGenerator
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.spread.plan import ClaimOrder

PART, PARTS = 1, 4


def arrival(rate_per_s: float = 40.0, duration_s: float = 20.0) -> ManifestArrival:
    return ManifestArrival(
        process="constant",
        segments=[(duration_s, rate_per_s, rate_per_s)],
        ramp_s=0.0,
        count=None,
        seed=1,
        staged=False,
    )


SCHEDULE = Schedule(arrival())


def start(place: int, **changes: object) -> Sample:
    """The start at a place of the part: 1 ms late, accepted after 2 ms, closed after 50 ms."""
    intended_us = 25_000 * (place * PARTS + PART)
    values: dict[str, object] = {
        "outcome": Outcome.COMPLETED,
        "sent_us": intended_us + 1_000,
        "accepted_us": intended_us + 3_000,
        "closed_us": intended_us + 50_000 + place,
        "observation": Observation.WATCHED,
    }
    return Sample(index=place * PARTS + PART, workload=0, intended_us=intended_us, **(values | changes))  # type: ignore[arg-type]


def unresolved(place: int) -> Sample:
    """One of which nobody could tell whether it arrived."""
    return start(
        place,
        outcome=Outcome.REJECTED,
        accepted_us=None,
        closed_us=None,
        observation=Observation.NONE,
        sends=17,
        cause="UNAVAILABLE/unresolved",
    )


def tick(t_s: float = 1.0, *, generator: int = PART, **changes: object) -> Tick:
    plain = Tick(
        generator=generator,
        t_s=t_s,
        sent=10,
        accepted=10,
        in_flight=3,
        watchers=2,
        unresolved=0,
        refusals={"RESOURCE_EXHAUSTED/RPS_LIMIT/NAMESPACE": 1},
        refused_waits=1,
        back_pressured=1,
        generator_limited=1,
        lag_p99_us=1_000,
    )
    return msgspec.structs.replace(plain, **changes)


def seen(number: int = 0, **changes: object) -> SpreadGenerator:
    plain = SpreadGenerator(
        name=f"generator-{number}",
        where=f"{number + 1}@host",
        auroral_version="9.9",
        cores=4,
        memory_bytes=2**33,
        control_offset_ms=1.0,
        control_error_ms=0.5,
        target_offset_ms=1.0,
        target_error_ms=0.5,
    )
    return msgspec.structs.replace(plain, **changes)


def order(**changes: object) -> ClaimOrder:
    """Of a run in `PARTS` parts; changes of its manifest by their names."""
    manifest = Manifest(
        run_id="run",
        namespace="benchmark",
        task_queues=["queue"],
        workloads=[],
        arrival=arrival(),
        engine="sdk",
        observe="watch",
        generator_processes=PARTS,
    )
    own = ClaimOrder.__struct_fields__
    of_manifest = {name: changes.pop(name) for name in list(changes) if name not in own}
    plain = ClaimOrder(
        auroral_version="9.9",
        target_address="cluster:7233",
        manifest=msgspec.structs.replace(manifest, **of_manifest),
        max_in_flight=1000,
        max_watchers=100,
        max_lag_s=1.0,
        start_timeout_s=10.0,
        drain_timeout_s=60.0,
    )
    return msgspec.structs.replace(plain, **changes)
