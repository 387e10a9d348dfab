"""The mark of an operation: what is written is read again, within what a tag holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from auroral.ecs.operation import MARK, MAX_LENGTH, Operation, clear_mark, parse, set_mark, text

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
