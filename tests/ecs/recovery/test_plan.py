"""Where a recovery begins, and what its mark tells another machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.operation import BEGUN, INTERRUPTED, MAX_LENGTH, Operation, parse, text
from auroral.ecs.recovery import plan as recovery_plan
from auroral.ecs.recovery.plan import Phase, Plan, begin, go_on, mark
from tests.support.observed import deployed, look

AT = datetime(2026, 11, 26, 8, tzinfo=UTC)
PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2}


def _left(name: str = "recover", **facts: str) -> Operation:
    return Operation(name=name, state=INTERRUPTED, at=AT, facts=facts)


def test_it_comes_back_to_the_counts_that_were() -> None:
    aws = deployed()
    aws.settle({"history": 6, "worker": 0})
    plan = begin(aws.fleet, look(aws).cluster, {"matching": 5}, by="jane")
    assert plan.counts == {**PLANNED, "history": 6, "matching": 5}, "what is at 0 has its planned count"
    assert (plan.phase, plan.by, plan.resumed) == (Phase.DOWN, "jane", False)
    assert recovery_plan.unknown(plan) == ()


def test_counts_of_another_operation_that_ended_half_way_are_better_than_the_plans() -> None:
    aws = deployed(settled=False)
    seen = look(aws).cluster
    assert begin(aws.fleet, seen, {}, left=_left("up", history="7", worker="0")).counts == {**PLANNED, "history": 7}


def test_names_alone_know_no_counts_of_what_is_at_0() -> None:
    aws = deployed(settled=False)
    services = {key: msgspec.structs.replace(one, planned=0) for key, one in aws.fleet.services.items()}
    fleet = msgspec.structs.replace(aws.fleet, services=services)
    plan = begin(fleet, look(aws).cluster, {"history": 4})
    assert recovery_plan.unknown(plan) == ("frontend", "matching", "worker")


def test_another_machine_goes_on_with_the_phase_and_the_counts_of_the_mark() -> None:
    aws = deployed()
    seen = look(aws).cluster
    plan = begin(aws.fleet, seen, {"history": 9}, by="jane")
    found = parse(text(mark(plan, Phase.CLEAN, BEGUN, AT + timedelta(minutes=3))))
    assert found is not None
    assert found.facts["by"] == "jane"
    later = go_on(aws.fleet, seen, {}, found, "joe")
    assert later == msgspec.structs.replace(plan, phase=Phase.CLEAN, by="joe", resumed=True)
    assert go_on(aws.fleet, seen, {"worker": 1}, found).counts == {**plan.counts, "worker": 1}


@pytest.mark.parametrize("facts", [{}, {"phase": "sideways", "since": "long ago", "history": "many"}])
def test_a_mark_that_tells_nothing_begins_with_down(facts: dict[str, str]) -> None:
    aws = deployed()
    plan = go_on(aws.fleet, look(aws).cluster, {}, _left(**facts))
    assert (plan.phase, plan.since, plan.counts) == (Phase.DOWN, AT, PLANNED)


@given(
    counts=st.dictionaries(st.sampled_from(TEMPORAL), st.integers(1, 5_000)),
    by=st.text("abcdefghij.@-_", max_size=64),
    phase=st.sampled_from(Phase),
    state=st.sampled_from([BEGUN, INTERRUPTED]),
)
def test_every_mark_fits_and_is_read_again(counts: dict[str, int], by: str, phase: Phase, state: str) -> None:
    plan = Plan(phase=Phase.DOWN, counts=counts, since=AT, by=by)
    made = mark(plan, phase, state, AT + timedelta(hours=1))
    assert len(text(made)) <= MAX_LENGTH
    found = parse(text(made))
    assert found is not None
    assert {key: int(found.facts[key]) for key in TEMPORAL if key in found.facts} == counts
    assert (found.facts["phase"], found.facts["since"]) == (phase, AT.isoformat(timespec="seconds"))


def test_a_mark_too_long_for_a_tag_leaves_out_who_it_was() -> None:
    plan = Plan(phase=Phase.DOWN, counts=dict.fromkeys(TEMPORAL, 10**20), since=AT, by="j" * 64)
    assert "by" not in mark(plan, Phase.DOWN, INTERRUPTED, AT).facts


def test_only_the_ring_and_the_benchmarks_workers_stop() -> None:
    aws = deployed()
    aws.settle({"benchmark-worker": 2})
    seen = look(aws).cluster
    keys = [step.key for wave in recovery_plan.down(aws.fleet, seen) for step in wave]
    assert keys == ["benchmark-worker", "worker", "matching", "history", "frontend"]
    ups = recovery_plan.up(begin(aws.fleet, seen, {}))
    assert [[(step.key, step.count, step.task_definition) for step in wave] for wave in ups] == [
        [(key, PLANNED[key], "")] for key in TEMPORAL
    ]
    assert recovery_plan.there(seen) == (*TEMPORAL, "benchmark-worker")
    aws.settle(dict.fromkeys((*TEMPORAL, "benchmark-worker"), 0))
    aws.clock.advance(30)
    assert recovery_plan.there(look(aws).cluster) == ()
