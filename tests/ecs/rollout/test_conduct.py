"""A rollout from its mark to its end, interrupted and gone on with."""

from __future__ import annotations

from datetime import timedelta

import pytest

from auroral.ecs.drive import HaltedError
from auroral.ecs.operation import Operation, TakenOverError, parse, set_mark
from auroral.ecs.rollout import waves
from auroral.ecs.rollout.conduct import Clock, Interrupted
from auroral.errors import ExitCode, InterruptedRunError
from tests.support.fake_ecs import Behaviour
from tests.support.rollouts import Site


def test_the_mark_is_there_from_the_first_change_to_the_last() -> None:
    site = Site()
    site.up()
    made = [one.operation for one in site.aws.changes()]
    assert made[0] == "tag_resource"
    assert made[-1] == "untag_resource"
    assert set(made[1:-1]) == {"update_service"}
    assert site.seen().mark == ""


def test_an_interrupt_says_how_it_stands_and_what_goes_on() -> None:
    site = Site()
    site.clock.interrupt_at(60)
    with pytest.raises(InterruptedRunError) as raised:
        site.up()
    error = raised.value
    assert error.exit_code == ExitCode.INTERRUPTED
    assert error.message.startswith("interrupted in wave 2 of 5: history: ")
    assert error.message.endswith("; ECS goes on with what it was asked")
    assert error.hint == (
        "`auroral cluster status --outputs o.json` says how it stands; go on: auroral cluster up --outputs o.json"
    )
    found = parse(site.seen().mark)
    assert found is not None
    assert (found.name, found.state) == ("up", "interrupted")
    assert site.up().say.startswith("done: ")
    assert site.seen().mark == ""
    assert [key for key, _ in site.updates()].count("history") == 1


def test_an_interrupt_before_the_first_wave() -> None:
    site = Site()

    def interrupt(**_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    conductor, planned = site.conductor(), waves.up(site.fleet, site.seen())
    site.aws.add("ecs", "tag_resource", interrupt)
    with pytest.raises(InterruptedRunError, match=r"^interrupted before the first wave; ECS goes on"):
        conductor.conduct(planned, name="up", cluster_arn="arn")


def test_a_second_interrupt_does_not_lose_what_was_under_way() -> None:
    site = Site()
    conductor, seen = site.conductor(), site.seen()
    planned = waves.up(site.fleet, seen)

    def again() -> None:
        def interrupt(**_: object) -> dict[str, object]:
            raise KeyboardInterrupt

        site.aws.add("ecs", "tag_resource", interrupt)

    site.clock.at(30, again)
    site.clock.interrupt_at(31)
    with pytest.raises(InterruptedRunError, match=r"^interrupted in wave 1 of 5: frontend"):
        conductor.conduct(planned, name="up", cluster_arn=seen.arn)


def test_without_a_mark_the_interrupt_is_passed_on_with_what_was_under_way() -> None:
    site = Site()
    site.clock.interrupt_at(10)
    with pytest.raises(Interrupted) as raised:
        site.conductor().carry_out(waves.up(site.fleet, site.seen()))
    assert raised.value.where.startswith("wave 1 of 5: frontend")
    assert site.seen().mark == ""


def test_a_halt_leaves_the_mark_of_a_failure() -> None:
    site = Site()
    site.aws.behaviour("frontend", Behaviour(crash_after_s=2))
    with pytest.raises(HaltedError):
        site.up()
    found = parse(site.seen().mark)
    assert found is not None
    assert (found.name, found.state, found.facts) == ("up", "failed", {"by": "jane.doe"})


def test_without_lines_no_log_is_read() -> None:
    site = Site()
    site.up()
    read = sum(one.operation == "filter_log_events" for one in site.aws.calls)
    assert read
    quiet = Site()
    quiet.drive(waves.up, lines=False)
    assert not any(one.service == "logs" for one in quiet.aws.calls)
    assert quiet.running() == site.running()


def test_the_real_clock_passes() -> None:
    clock = Clock()
    began_s, began = clock.now_s(), clock.utc()
    clock.sleep(0)
    assert clock.now_s() >= began_s
    assert clock.utc() >= began
    assert began.tzinfo is not None


def test_an_interrupt_whose_mark_stays_says_that_it_is_taken_over() -> None:
    site = Site()
    site.aws.faults.expire(from_s=60)
    site.clock.interrupt_at(60)
    with pytest.raises(InterruptedRunError) as raised:
        site.up()
    assert raised.value.hint.endswith("go on: auroral cluster up --outputs o.json --take-over")
    site.aws.faults.clear()
    found = parse(site.seen().mark)
    assert found is not None
    assert found.state == "begun"


def test_who_is_taken_over_stops_and_leaves_the_others_mark() -> None:
    site = Site()
    other = Operation(name="down", state="begun", at=site.clock.utc() + timedelta(seconds=60), facts={"by": "joe"})
    arn = site.seen().arn
    site.clock.at(60, lambda: site.aws.call("ecs", "tag_resource", **set_mark(arn, other).arguments) and None)
    with pytest.raises(TakenOverError, match="`auroral cluster down` by joe began on this cluster") as raised:
        site.up()
    assert raised.value.exit_code == ExitCode.USAGE
    assert raised.value.hint.endswith("then go on: auroral cluster up --outputs o.json")
    assert parse(site.seen().mark) == other
    assert [key for key, _ in site.updates()] == ["frontend", "history"]
