"""Settling with a server that the test makes up at our own seam."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from auroral.bench.manifest import ManifestArrival
from auroral.bench.samples import Observation, Outcome, Sample
from auroral.bench.schedule import Schedule
from auroral.bench.settle import Settlement, settle
from auroral.bench.tally import Tally
from auroral.errors import TargetError

EPOCH_US = 1_700_000_000_000_000
OFFSET_US = 3_000


@dataclass
class Row:
    index: int | None
    status: str = "completed"
    started_us: int = 0
    closed_us: int | None = 50_000
    root: bool = True
    state_transitions: int = 5

    @property
    def started_unix_us(self) -> int:
        return EPOCH_US + self.started_us

    @property
    def closed_unix_us(self) -> int | None:
        return None if self.closed_us is None else EPOCH_US + self.closed_us


def completed(index: int) -> Sample:
    return Sample(
        index=index,
        workload=0,
        outcome=Outcome.COMPLETED,
        intended_us=index * 100_000,
        sent_us=index * 100_000,
        accepted_us=index * 100_000 + 1_000,
        closed_us=index * 100_000 + 60_000,
        observation=Observation.WATCHED,
    )


def schedule(count: int) -> Schedule:
    return Schedule(
        ManifestArrival(
            process="constant", segments=[(count / 10, 10.0, 10.0)], ramp_s=0.0, count=None, seed=1, staged=False
        )
    )


async def run_settle(
    samples: Sequence[Sample],
    rows: Sequence[Row],
    counts: dict[str, int] | TargetError,
    *,
    of: int,
    unresolved: Sequence[Sample] = (),
    lost: Sequence[int] = (),
    generators: int = 1,
    end_s: float | None = None,
) -> tuple[Settlement, Tally]:
    plan = schedule(of)
    tally = Tally(plan.windows())
    for sample in samples:
        tally.add(sample)
    known = {sample.index for sample in (*samples, *unresolved)}

    async def count() -> dict[str, int]:
        if isinstance(counts, TargetError):
            raise counts
        return counts

    async def listing() -> AsyncIterator[Sequence[Row]]:
        for row in rows:
            yield [row]

    settlement = await settle(
        count=count,
        listing=listing,
        tally=tally,
        schedule=plan,
        end_s=plan.duration_s if end_s is None else end_s,
        epoch_unix_us=EPOCH_US,
        clock_offset_us=OFFSET_US,
        unresolved=unresolved,
        lost_generators=lost,
        generator_processes=generators,
        received=known.__contains__,
        choose_workload=lambda _: 0,
        deadline_s=0.0,
        hurry=lambda: False,
        report=lambda _: None,
    )
    return settlement, tally


async def test_counts_that_agree_settle_and_server_times_are_kept() -> None:
    settlement, tally = await run_settle(
        [completed(index) for index in range(3)], [Row(index) for index in range(3)], {"completed": 3}, of=3
    )
    assert settlement.reconciliation.status == "agreed"
    assert settlement.server_times.get(1) == (0, 50_000, 5)
    assert tally.times().server_time.count == 3


async def test_counts_that_differ_are_a_disagreement() -> None:
    settlement, _ = await run_settle([completed(0), completed(1)], [Row(0)], {"completed": 1}, of=2)
    assert settlement.reconciliation.status == "disagreed"
    assert "completed" in settlement.reconciliation.detail


async def test_a_server_that_does_not_answer_leaves_it_open() -> None:
    settlement, _ = await run_settle([completed(0)], [], TargetError("gone"), of=1)
    assert settlement.reconciliation.status == "unavailable"
    assert "gone" in settlement.reconciliation.detail


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (Row(0), Outcome.COMPLETED),
        (Row(0, status="failed"), Outcome.FAILED),
        (Row(0, status="running", closed_us=None), Outcome.UNFINISHED),
        (None, Outcome.REJECTED),
    ],
)
async def test_an_unresolved_start_is_what_visibility_says(row: Row | None, outcome: Outcome) -> None:
    question = Sample(
        index=0, workload=0, outcome=Outcome.REJECTED, intended_us=0, sent_us=10, cause="UNAVAILABLE/unresolved"
    )
    settlement, tally = await run_settle([], [row] if row else [], {}, of=1, unresolved=[question])
    (sample,) = settlement.late
    assert sample.outcome is outcome
    assert tally.outcomes[outcome] == 1
    if outcome is Outcome.COMPLETED:
        assert sample.closed_us == 50_000 - OFFSET_US
        assert sample.observation is Observation.SWEPT


async def test_a_lost_generators_share_is_found_or_was_never_sent() -> None:
    """Of ten starts, generator 1 had the odd ones; it reported 1, and 3 had reached the server."""
    ours = [completed(index) for index in (0, 1, 2, 4, 6, 8)]
    settlement, tally = await run_settle(
        ours, [Row(index) for index in (0, 1, 2, 3, 4, 6, 8)], {"completed": 7}, of=10, lost=[1], generators=2
    )
    assert {sample.index: sample.outcome for sample in settlement.late} == {
        3: Outcome.COMPLETED,
        5: Outcome.GENERATOR_LIMITED,
        7: Outcome.GENERATOR_LIMITED,
        9: Outcome.GENERATOR_LIMITED,
    }
    assert tally.scheduled == 10
    assert settlement.reconciliation.status == "agreed"
    assert "generator-1" in settlement.notes[0]


async def test_what_was_never_to_be_sent_after_a_stop_is_not_a_loss() -> None:
    settlement, tally = await run_settle([completed(0)], [Row(0)], {"completed": 1}, of=10, lost=[0], end_s=0.25)
    assert [sample.index for sample in settlement.late] == [1, 2]
    assert tally.scheduled == 3


async def test_a_chain_of_runs_is_one_workflow() -> None:
    rows = [
        Row(0, status="completed", started_us=40_000, closed_us=90_000, state_transitions=4),
        Row(0, status="continued_as_new", started_us=0, closed_us=40_000, state_transitions=6),
        Row(None, root=False),
    ]
    settlement, tally = await run_settle([completed(0)], rows, {"completed": 1, "continued_as_new": 1}, of=1)
    assert settlement.server_times.get(0) == (0, 90_000, 10)
    assert settlement.reconciliation.status == "agreed"
    server_time = tally.times().server_time
    assert (server_time.count, round(server_time.max_ms or 0)) == (1, 90)
