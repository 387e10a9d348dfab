"""The mark of an operation, from its begin to its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from auroral.aws_account import AwsError
from auroral.ecs.operation import MAX_LENGTH, Operation, parse, text
from auroral.ecs.underway import begun, refuse_other, under_way
from auroral.errors import TargetError, UsageError
from tests.support.rollouts import Site

ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/dev"


def mark(site: Site) -> Operation | None:
    return parse(site.seen().mark)


def ends(error: BaseException) -> Callable[[], None]:
    """What ends an operation while time passes."""

    def end() -> None:
        raise error

    return end


def test_it_is_there_while_it_lasts_and_says_who() -> None:
    site = Site()
    operation = begun(site.aws, "up", site.clock.utc(), {"history": "4"})
    with under_way(site.aws, site.seen().arn, operation, site.said.append, now=site.clock.utc):
        found = mark(site)
        assert found is not None
        assert (found.name, found.state, found.facts) == ("up", "begun", {"by": "jane.doe", "history": "4"})
    assert mark(site) is None
    assert site.said == []


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), "interrupted"), (TargetError("x"), "failed"), (ValueError("y"), "failed")],
)
def test_how_it_ended_stays(error: BaseException, state: str) -> None:
    site = Site()
    operation = begun(site.aws, "down", site.clock.utc())
    site.clock.at(90, ends(error))
    with pytest.raises(type(error)), under_way(site.aws, ARN, operation, site.said.append, now=site.clock.utc):
        site.clock.advance(600)
    found = mark(site)
    assert found is not None
    assert (found.name, found.state) == ("down", state)
    assert found.at == operation.at + timedelta(seconds=90)


def test_who_may_not_tag_is_told_and_goes_on() -> None:
    site = Site()
    site.aws.faults.deny("ecs:TagResource")
    done = []
    with under_way(site.aws, ARN, begun(site.aws, "up", site.clock.utc()), site.said.append):
        done.append(1)
    assert done == [1]
    assert site.said == [
        "the cluster is not marked (ecs:TagResource: AccessDeniedException): nobody else is kept from it"
    ]


def test_another_failure_of_the_first_mark_begins_nothing() -> None:
    site = Site()
    site.aws.faults.expire()
    operation = Operation(name="up", state="begun", at=site.clock.utc())
    with pytest.raises(AwsError), under_way(site.aws, ARN, operation, site.said.append):
        pytest.fail("it has begun")


def test_a_mark_that_cannot_be_changed_at_the_end_is_told() -> None:
    site = Site()
    with under_way(site.aws, ARN, begun(site.aws, "up", site.clock.utc()), site.said.append):
        site.aws.faults.deny("ecs:UntagResource")
    assert site.said[0].startswith("all is done, and the mark of up stays on the cluster: ecs:UntagResource failed")
    site.said.clear()
    operation = begun(site.aws, "up", site.clock.utc())
    site.aws.faults.expire(from_s=10)
    site.clock.at(20, ends(TargetError("over")))
    with pytest.raises(TargetError), under_way(site.aws, ARN, operation, site.said.append):
        site.clock.advance(600)
    assert site.said[0].startswith("the cluster's mark still says that up is under way: ecs:TagResource failed")


def test_who_is_not_known_is_left_out() -> None:
    site = Site()
    site.aws.faults.deny("sts:GetCallerIdentity")
    assert begun(site.aws, "up", site.clock.utc()).facts == {}


def test_facts_that_do_not_fit_are_left_out() -> None:
    site = Site()
    many = {f"service-{number}": "1" * 10 for number in range(20)}
    operation = begun(site.aws, "scale", site.clock.utc(), many)
    assert operation.facts == {"by": "jane.doe"}
    assert len(text(operation)) <= MAX_LENGTH


def test_another_operation_is_not_disturbed() -> None:
    site = Site()
    now = site.clock.utc()
    other = text(begun(site.aws, "roll", now - timedelta(minutes=12)))
    with pytest.raises(UsageError) as raised:
        refuse_other(other, now, take_over=False)
    assert "`auroral cluster roll` by jane.doe has been under way since 2026-11-26 07:48:00 UTC (12 min ago)" in str(
        raised.value
    )
    assert "--take-over" in raised.value.hint
    refuse_other(other, now, take_over=True)


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_what_has_ended_keeps_nobody_back(state: str) -> None:
    site = Site()
    ended = text(Operation(name="up", state=state, at=site.clock.utc()))
    refuse_other(ended, site.clock.utc(), take_over=False)
    refuse_other("", site.clock.utc(), take_over=False)
    refuse_other("nothing of ours", site.clock.utc(), take_over=False)


def test_whether_a_mark_stays_is_told_to_whoever_went_on() -> None:
    site = Site()
    with under_way(site.aws, ARN, begun(site.aws, "up", site.clock.utc()), site.said.append) as marked:
        assert not marked.stays
    site.aws.faults.expire(from_s=10)
    site.clock.at(20, ends(TargetError("over")))
    operation = begun(site.aws, "up", site.clock.utc())
    with pytest.raises(TargetError), under_way(site.aws, ARN, operation, site.said.append) as marked:
        site.clock.advance(600)
    assert marked.stays
    site.aws.faults.clear()
    site.clock.after(20, ends(TargetError("over")))
    with pytest.raises(TargetError), under_way(site.aws, ARN, operation, site.said.append) as marked:
        site.clock.advance(600)
    assert not marked.stays
