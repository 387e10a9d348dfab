"""The mark of an operation: what is written is read again, within what a tag holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from auroral.ecs.operation import (
    BEGUN,
    FAILED,
    MARK,
    MAX_LENGTH,
    Operation,
    Own,
    TakenOverError,
    clear_mark,
    parse,
    set_mark,
    text,
)

AT = datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)
UP = Operation(name="recover", state="begun", at=AT, facts={"phase": "down", "history": "4"})


def test_it_is_read_as_it_was_written() -> None:
    assert parse(text(UP)) == UP
    assert parse(text(Operation(name="up", state="interrupted", at=AT))) == Operation(
        name="up", state="interrupted", at=AT
    )


def test_it_is_a_tag_that_ecs_takes() -> None:
    assert re.fullmatch(r"[\w\s./=+\-:@]{1,256}", text(UP))
    assert not MARK.startswith("aws:")


@pytest.mark.parametrize("value", ["", "up", "up begun", "up begun yesterday"])
def test_what_is_no_mark_of_ours_is_none(value: str) -> None:
    assert parse(value) is None


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_LENGTH}"):
        text(Operation(name="up", state="begun", at=AT, facts={"x": "y" * 300}))


def test_the_calls() -> None:
    assert set_mark("arn", UP).arguments["tags"] == [{"key": MARK, "value": text(UP)}]
    assert clear_mark("arn").arguments == {"resourceArn": "arn", "tagKeys": [MARK]}


def begun_at(minute: int, name: str = "roll", state: str = BEGUN) -> Operation:
    at = datetime(2026, 11, 26, 9, minute, tzinfo=UTC)
    return Operation(name=name, state=state, at=at, facts={"by": f"{name}.by"})


def test_the_mark_of_another_that_began_meanwhile_is_told_apart() -> None:
    ours, younger, older = begun_at(5), begun_at(6, "up"), begun_at(4, "up")
    own = Own(ours)
    for mark in ("", "nonsense", text(older), text(begun_at(6, "up", FAILED))):  # ECS may not show ours at once
        own.hold(mark, "again")
    with pytest.raises(TakenOverError, match=r"^`auroral cluster up` by up\.by began on this cluster at 09:06:00 UTC"):
        own.hold(text(younger), "again")
    own.hold(text(ours), "again")
    with pytest.raises(TakenOverError) as raised:  # a clock that is late
        own.hold(text(older), "again")
    assert raised.value.hint.endswith("then go on: again")


def test_each_phase_of_an_operation_is_its_own() -> None:
    own = Own()
    own.hold(text(begun_at(1)), "again")
    own.add(begun_at(2))
    own.add(begun_at(3))
    own.hold(text(begun_at(3)), "again")
    own.hold(text(begun_at(2)), "again")
