"""A whole probe at the double, in peace and with connections killed, refused, stalled and commits left unanswered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from auroral.dsql import door
from auroral.dsql.errors import AccessDeniedError, Conflict, UnreachableError
from auroral.dsql.probe import Probe
from auroral.dsql.probe_plan import Measure, ProbeOptions, ProbeOutcome
from auroral.dsql.target import DsqlTarget
from tests.dsql.running import Cluster

OPTIONS = ProbeOptions(connections=3, rate_per_s=20, duration_s=0.4, writers=3, keys=2, timeout_s=2)


@dataclass
class Probing:
    """One probe, and what is done to the cluster when it says something."""

    target: DsqlTarget
    options: ProbeOptions = OPTIONS
    when: dict[str, Callable[[Probe], Any]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    heard: Counter[Measure] = field(default_factory=Counter)

    async def run(self) -> ProbeOutcome:
        def say(line: str) -> None:
            self.said.append(line)
            for start, act in self.when.items():
                if line.startswith(start):
                    act(probe)

        def record(measure: Measure, seconds: float) -> None:
            assert seconds >= 0
            self.heard[measure] += 1

        probe = Probe(self.target, self.options, run_id="test", record=record, say=say)
        return await probe.run()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REFUSED", msgspec.structs.replace(door.REFUSED, attempts=2, first_s=0.05, largest_s=0.1))


def soon(seconds: float, act: Callable[[], Any]) -> None:
    """In the middle of what has just begun; in a thread, since the control endpoint blocks."""
    loop = asyncio.get_running_loop()
    loop.call_later(seconds, lambda: loop.run_in_executor(None, act))


async def test_everything_is_measured_and_nothing_is_left(cluster: Cluster) -> None:
    cluster.control.change(conflict_rate=0.2, conflict_seed=1)
    probing = Probing(cluster.target)
    outcome = await probing.run()
    assert set(probing.heard) == set(Measure)
    assert (probing.heard[Measure.TCP], probing.heard[Measure.SESSION], outcome.opened) == (3, 3, 3)
    assert probing.heard[Measure.ROUND_TRIP] == outcome.round_trips > 10
    assert probing.heard[Measure.COMMIT] == outcome.commits > 10
    assert outcome.commit_conflicts[Conflict.DATA] > 0
    assert outcome.contention is not None
    assert probing.heard[Measure.CONTENDED_COMMIT] == outcome.contention.committed > 10
    assert 0.05 < (outcome.contention.conflict_rate or 0) < 0.95
    assert outcome.consistent is True
    assert (outcome.left_out, outcome.left_behind, outcome.interrupted, outcome.error) == ([], "", False, None)
    assert cluster.probe_tables() == []
    assert cluster.control.statistics().open == 0


async def test_contention_of_its_own(cluster: Cluster) -> None:
    """Without any that the double makes up: three writers on one row."""
    outcome = await Probing(cluster.target, msgspec.structs.replace(OPTIONS, keys=1)).run()
    assert outcome.contention is not None
    assert sum(outcome.contention.conflicts.values()) > 0
    assert outcome.consistent is True


async def test_an_operator_without_a_schema_measures_the_rest(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = await cluster.make_operator(may_probe=False, may_clean=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
    probing = Probing(cluster.but(user="temporal_operator"))
    outcome = await probing.run()
    assert outcome.round_trips > 0
    assert outcome.left_out[0].startswith("commit time and conflicts: role temporal_operator")
    assert (outcome.commits, outcome.contention, outcome.consistent, outcome.error) == (0, None, None, None)


@pytest.mark.whole
async def test_killed_connections_are_replaced(cluster: Cluster) -> None:
    cut = lambda _: soon(0.1, cluster.control.cut)  # noqa: E731
    probing = Probing(
        cluster.target,
        msgspec.structs.replace(OPTIONS, duration_s=1.0),
        when={"round trips": cut, "commits": cut, "contention": cut},
    )
    outcome = await probing.run()
    assert outcome.lost >= 4
    assert outcome.opened == outcome.lost + 3
    assert outcome.consistent is True
    assert (outcome.left_behind, outcome.error) == ("", None)
    assert cluster.probe_tables() == []


async def test_commits_without_an_answer_are_neither_done_nor_not(cluster: Cluster) -> None:
    probing = Probing(
        cluster.target,
        when={
            "commits": lambda _: soon(0.1, lambda: cluster.control.cut_next_commits(2)),
            "contention": lambda _: soon(0.1, lambda: cluster.control.cut_next_commits(2)),
        },
    )
    outcome = await probing.run()
    assert outcome.contention is not None
    assert outcome.commit_unknown + outcome.contention.unknown == 4
    assert outcome.counted == outcome.commits + outcome.contention.committed + 4
    assert outcome.consistent is True


@pytest.mark.whole
async def test_a_cluster_that_stalls_is_given_up_and_found_again(cluster: Cluster) -> None:
    probing = Probing(
        cluster.target,
        msgspec.structs.replace(OPTIONS, duration_s=1.5, timeout_s=0.3),
        when={"round trips": lambda _: soon(0.2, lambda: cluster.control.stall(0.6))},
    )
    outcome = await asyncio.wait_for(probing.run(), 20)
    assert outcome.no_answer == 1
    assert outcome.round_trips > 10
    assert outcome.error is None


async def test_fewer_connections_than_asked_for(cluster: Cluster) -> None:
    cluster.control.change(max_connections=2)
    outcome = await Probing(cluster.target).run()
    assert outcome.opened == 2
    assert outcome.too_many == 2
    assert outcome.left_out[0].startswith("1 of 3 connections: ")
    assert "53300" in outcome.left_out[0]
    assert outcome.contention is not None
    assert outcome.consistent is True


async def test_not_even_one_connection(cluster: Cluster) -> None:
    with pytest.raises(UnreachableError):
        await Probing(cluster.but(port=1)).run()
    with pytest.raises(AccessDeniedError):
        await Probing(cluster.but(user="nobody")).run()


async def test_a_cluster_that_is_gone_in_between_keeps_the_table_and_says_so(cluster: Cluster) -> None:
    def end() -> None:
        cluster.control.refuse(60)
        cluster.control.cut()

    probing = Probing(cluster.target, when={"contention": lambda _: soon(0.1, end)})
    outcome = await probing.run()
    assert isinstance(outcome.error, UnreachableError)
    assert outcome.commits > 0
    assert outcome.left_behind == "auroral_probe.probe_test"
    assert any(line.startswith("not dropped: ") for line in probing.said)
    assert "left behind; drop it with: DROP TABLE IF EXISTS auroral_probe.probe_test" in probing.said
    assert cluster.probe_tables() == ["probe_test"]


async def test_it_stops_where_it_is_and_cleans_up(cluster: Cluster) -> None:
    for begun in ("opening", "round trips", "commits", "contention"):
        probing = Probing(
            cluster.target,
            msgspec.structs.replace(OPTIONS, duration_s=60 if begun != "contention" else 0.2),
            when={begun: lambda probe: asyncio.get_running_loop().call_later(0.2, probe.stop)},
        )
        if begun == "commits":
            probing.options = msgspec.structs.replace(OPTIONS, duration_s=0.3)
        outcome = await asyncio.wait_for(probing.run(), 10)
        assert outcome.interrupted or begun == "contention"
        assert outcome.left_behind == ""
        assert cluster.probe_tables() == []


async def test_even_a_cancelled_one_drops_its_table(cluster: Cluster) -> None:
    task: asyncio.Task[ProbeOutcome]
    probing = Probing(
        cluster.target,
        msgspec.structs.replace(OPTIONS, duration_s=0.5),
        when={"contention": lambda _: asyncio.get_running_loop().call_later(0.1, task.cancel)},
    )
    task = asyncio.ensure_future(probing.run())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cluster.probe_tables() == []
