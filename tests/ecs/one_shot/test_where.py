"""Here, or in the cluster: who decides."""

from __future__ import annotations

import pytest

from auroral.ecs.one_shot.where import Choice, Looked, Where, after_looking, without_looking


@pytest.mark.parametrize("asked", list(Where))
@pytest.mark.parametrize("possible", [True, False])
def test_who_asks_gets_it(asked: Where, possible: bool) -> None:
    assert without_looking(asked, possible=possible, named_by="--endpoint") == Choice(where=asked)


def test_without_a_task_there_is_nothing_to_choose() -> None:
    assert without_looking(None, possible=False, named_by="") == Choice(where=Where.HERE)


def test_a_target_of_the_callers_own_is_no_task_s() -> None:
    choice = without_looking(None, possible=True, named_by="DSQL_ENDPOINT")
    assert choice is not None
    assert (choice.where, choice.why.startswith("runs here: DSQL_ENDPOINT names the target")) == (Where.HERE, True)


def test_here_when_it_can() -> None:
    assert without_looking(None, possible=True, named_by="") is None
    here = after_looking(Looked(address="x:5432"), task="operator")
    assert here == Choice(where=Where.HERE, why="runs here: x:5432 answers; --where cluster chooses the task operator")
    there = after_looking(Looked(address="x:5432", failure="x does not resolve here"), task="operator")
    assert there == Choice(where=Where.CLUSTER, why="runs as the task operator of the cluster: x does not resolve here")
