"""Connections are opened at their pace, refusals are waited out, and counted."""

from __future__ import annotations

import asyncio
import itertools
import time

import msgspec
import pytest

from auroral.dsql import door as doors
from auroral.dsql.door import Door
from auroral.dsql.errors import AccessDeniedError, LostConnectionError, TooFastError, TooManyConnectionsError
from auroral.dsql.probe_plan import Measure, ProbeOutcome
from auroral.dsql.target import DsqlTarget
from tests.dsql.running import Cluster


def make(target: DsqlTarget, *, rate_per_s: float = 20.0) -> tuple[Door, ProbeOutcome, list[Measure]]:
    outcome, heard = ProbeOutcome(), list[Measure]()
    door = Door(
        target, outcome, lambda measure, _: heard.append(measure), rate_per_s=rate_per_s, timeout_s=5, application="t"
    )
    return door, outcome, heard


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = msgspec.structs.replace(doors.REFUSED, attempts=3, first_s=0.05, largest_s=0.1)
    monkeypatch.setattr(doors, "REFUSED", quick)


async def test_never_faster_than_asked(cluster: Cluster) -> None:
    door, outcome, heard = make(cluster.target, rate_per_s=10)
    opened = await asyncio.gather(*[door.open() for _ in range(5)])
    for session in opened:
        await session.close()
    times_s = [one.at_s for one in cluster.control.statistics().openings]
    assert len(times_s) == outcome.opened == 5
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    assert sum(gaps_s) > 0.39
    assert min(gaps_s) > 0.05  # a tenth of a second but for how long each takes to be let in
    assert heard.count(Measure.TOKEN) == heard.count(Measure.SESSION) == 5


async def test_refusals_are_counted_by_kind(cluster: Cluster) -> None:
    cluster.control.change(max_connections=0)
    door, outcome, _ = make(cluster.target)
    with pytest.raises(TooManyConnectionsError):
        await door.open()
    cluster.control.change(max_connections=10, connect_burst=0, connect_rate_per_s=0)
    with pytest.raises(TooFastError):
        await door.open()
    assert (outcome.too_many, outcome.too_fast, outcome.opened) == (3, 3, 0)
    refused = cluster.control.statistics().refused
    assert (refused["53300"], refused["53400"]) == (3, 3)


async def test_a_refusal_that_ends_is_waited_out(cluster: Cluster) -> None:
    cluster.control.change(max_connections=0)
    door, outcome, _ = make(cluster.target)
    opening = asyncio.ensure_future(door.open())
    while not outcome.too_many:
        await asyncio.sleep(0.01)
    cluster.control.change(max_connections=10)
    await (await opening).close()
    assert outcome.opened == 1


async def test_no_refusal_of_the_token_is_tried_again(cluster: Cluster) -> None:
    door, _, _ = make(cluster.but(user="nobody"))
    began_s = time.monotonic()
    with pytest.raises(AccessDeniedError):
        await door.open()
    assert cluster.control.statistics().refused == {"08006": 1}
    assert time.monotonic() - began_s < 2


async def test_a_lost_connection_is_replaced(cluster: Cluster) -> None:
    door, outcome, _ = make(cluster.target)
    session = await door.open()
    cluster.control.cut()
    with pytest.raises(LostConnectionError) as caught:
        await session.rows("SELECT 1")
    async with await door.reopen(session, caught.value) as another:
        assert await another.rows("SELECT 1") == [(1,)]
    assert (outcome.lost, outcome.no_answer, outcome.opened) == (1, 0, 2)
