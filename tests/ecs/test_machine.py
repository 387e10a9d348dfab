"""What every machine answers to a failure of AWS that is not its own affair."""

from __future__ import annotations

import pytest

from auroral.aws_calls import Failure, Kind
from auroral.ecs.machine import Await, Halted, after


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_answered(kind: Kind) -> None:
    failure = Failure(kind=kind, code="Code", words="words", call="ecs:UpdateService")
    answer = after(failure, doing="starting history", again="auroral cluster up")
    if failure.passes:
        assert isinstance(answer, Await)
        assert "ecs:UpdateService" in answer.say
    else:
        assert isinstance(answer, Halted)
        assert answer.reason == "starting history: ecs:UpdateService failed: Code: words"
        assert "auroral cluster up" in answer.hint


def test_denied_names_the_action() -> None:
    failure = Failure(kind=Kind.DENIED, code="AccessDenied", words="no", call="ecs:UpdateService")
    answer = after(failure, doing="x", again="y")
    assert isinstance(answer, Halted)
    assert "the caller needs ecs:UpdateService" in answer.hint
