"""Workflows on a local cluster on the double of DSQL, while everything goes wrong that DSQL and machines do to it.

One cluster for the module, a tenth of its commits always in conflict. Each test leaves it whole.
What was measured stands in docs/dsql-proofs.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from auroral.local.double.statistics import Snapshot
from auroral.local.health import why_unhealthy
from tests.support.dsql_cluster import (
    SERVER_ROLE,
    STARTUP_CONNECTIONS,
    ConnectSettings,
    Load,
    Watched,
    until,
    watched_cluster,
    within_bound,
)
from tests.support.dsql_faults import pause_an_owner
from tests.support.shard_audit import ShardAudit
from tests.support.simulated_start import like_simulated

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

SETTINGS = ConnectSettings(rate_per_s=4, burst=4, pool_size=10)
REFILL_S = SETTINGS.refill_s + 80
"""How long pools may take to be full again: by their limiter, by the minute after which an idle
connection is asked whether it still lives, and for a machine that is busy."""
CONFLICTS = 0.1
UNKNOWN = 15
"""Commits whose answer is lost."""


@dataclass(frozen=True)
class Proof:
    """What the tests of this module share."""

    watched: Watched
    audit: ShardAudit
    cold: Snapshot
    """The double's counters when the cluster had started."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proof(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proof]:
    directory = tmp_path_factory.mktemp("dsql-cluster")
    async with watched_cluster(directory, SETTINGS, conflicts=CONFLICTS) as watched:
        cold = watched.control.statistics()
        audit = ShardAudit(watched.cluster)
        yield Proof(watched, audit, cold)
        audit.close()


async def test_a_cold_start_opens_its_pools_and_no_more(proof: Proof) -> None:
    openings = [one for one in proof.cold.openings if one.role == SERVER_ROLE]
    left = within_bound(openings, SETTINGS)
    assert proof.cold.refused == {}
    pools = SETTINGS.processes * SETTINGS.pool_size
    assert pools <= len(openings) <= pools + SETTINGS.processes * STARTUP_CONNECTIONS * 2
    assert proof.cold.open_by_role == {"temporal_server": pools}
    print(f"{len(openings)} openings, {left:.1f} below the bound")


async def test_a_simulated_cold_start_is_like_the_real_one(proof: Proof) -> None:
    """The same pools and limits from the same moments: warm-ups as long, and as many openings by each second."""
    print(like_simulated(proof.watched, [one for one in proof.cold.openings if one.role == SERVER_ROLE]))


@pytest.mark.whole
async def test_conflicts_are_replayed_and_move_no_shard(proof: Proof, tmp_path: Path) -> None:
    watched = proof.watched
    marks = watched.marks()
    before = {name: watched.total(name) for name in REPLAY_METRICS}
    fenced_out = watched.fenced_out()
    async with Load(watched, "conflicts", tmp_path / "run", rate_per_s=10, seconds=8) as load:
        result = await load.proven()
    met, replayed, exhausted = (watched.total(name) - before[name] for name in REPLAY_METRICS)
    assert met > result.scheduled, "a workflow commits about 20 times"
    assert replayed > 0.9 * met
    # Six conflicts in a row at a tenth each, and answers that changed.
    assert exhausted <= 0.01 * met
    assert watched.acquired(marks) == {}
    assert watched.fenced_out() == fenced_out
    assert watched.refused() == {}
    writes, takeovers = proof.audit.clean()
    assert writes > result.scheduled
    assert takeovers == 0
    print(
        f"{result.scheduled} workflows, {met:g} conflicts, {replayed:g} replays, "
        f"{exhausted:g} exhausted, {writes} fenced writes"
    )


REPLAY_METRICS = ("dsql_transaction_conflicts", "dsql_transaction_replays", "dsql_transaction_replays_exhausted")


@pytest.mark.slow
async def test_cut_and_expired_sessions_lose_no_workflow(proof: Proof, tmp_path: Path) -> None:
    watched = proof.watched
    await watched.pools_full(REFILL_S)
    watched.control.reset_statistics()
    marks = watched.marks()
    took = []
    async with Load(watched, "cuts", tmp_path / "run", rate_per_s=8, seconds=200) as load:
        await load.under_way()
        cut = 0
        for _ in range(3):
            cut += watched.control.cut(count=25)  # or as many as are open again
            await asyncio.sleep(1)  # of load on what is left
        assert cut > 50
        took.append(await watched.pools_full(REFILL_S))
        assert watched.control.expire() == 50
        took.append(await watched.pools_full(REFILL_S))
        assert not load.over, "all of it happened under load"
        result = await load.proven(within_s=400)
    openings = watched.openings()
    assert len(openings) >= cut + 50
    left = within_bound(openings, SETTINGS)
    assert watched.refused() == {}
    proof.audit.clean()
    print(
        f"{result.scheduled} workflows; pools full after {took} s; {len(openings)} openings, {left:.1f} below the bound"
    )
    print(f"shards acquired anew after commits of unknown outcome: {watched.acquired(marks)}")


@pytest.mark.slow
async def test_commits_whose_answer_is_lost_are_done_once(proof: Proof, tmp_path: Path) -> None:
    watched = proof.watched
    await watched.pools_full(REFILL_S)
    watched.control.reset_statistics()
    marks = watched.marks()
    async with Load(watched, "unknown", tmp_path / "run", rate_per_s=8, seconds=10) as load:
        await load.under_way()
        # One by one: where the answers to two acquisitions of a shard in a row are lost, Temporal lets those who wait
        # for that shard wait until their deadlines.
        for count in range(1, UNKNOWN + 1):
            watched.control.cut_next_commits(1)
            await until(partial(unknown_outcomes, watched, count), 10, f"{count} commits whose answer was lost")
            await asyncio.sleep(0.2)  # in which the shard has acquired itself anew
        assert not load.over, "all of it happened under load"
        result = await load.proven()
    unknown = UNKNOWN
    acquired = watched.acquired(marks)
    # An unknown outcome makes its shard acquire itself anew, and nothing else does.
    assert sum(acquired.values()) <= unknown
    proof.audit.clean()
    print(f"{result.scheduled} workflows, {unknown} unknown outcomes, shards acquired anew {acquired}")


async def unknown_outcomes(watched: Watched, count: int) -> bool:
    now = await asyncio.to_thread(watched.control.statistics, openings=False)
    return now.unknown_outcomes >= count


@pytest.mark.slow
async def test_a_killed_history_loses_no_workflow(proof: Proof, tmp_path: Path) -> None:
    watched = proof.watched
    await watched.pools_full(REFILL_S)
    marks = watched.marks()
    owned = {shard for shard, owner in watched.owners().items() if owner == "history-1"}
    assert owned, "the ring gives each of two histories some of sixteen shards"
    async with Load(watched, "killed", tmp_path / "run", rate_per_s=8, seconds=15) as load:
        await load.under_way()
        killed_s = time.monotonic()
        await watched.cluster.kill("history-1")

        async def taken_over() -> bool:
            return owned <= set(watched.acquired(marks, ["history-2"]))

        await until(taken_over, 30, f"shards {owned} in history-2")
        took_s = time.monotonic() - killed_s
        await watched.cluster.restart("history-1")
        assert not load.over, "all of it happened under load"
        result = await load.proven()
    await watched.pools_full(REFILL_S)
    _, takeovers = proof.audit.clean()
    print(f"{result.scheduled} workflows, {len(owned)} shards taken over within {took_s:.1f} s, {takeovers} take-overs")


@pytest.mark.whole
async def test_a_paused_owner_cannot_write_once_it_was_replaced(proof: Proof, tmp_path: Path) -> None:
    # A workflow costs 0.2 s of CPU here: at four a second some eighty commits a second are there to be stopped in.
    print(await pause_an_owner(proof.watched, proof.audit, tmp_path / "run", within_s=REFILL_S, rate_per_s=4))


@pytest.mark.whole
async def test_a_rolling_restart_warms_each_pool_before_it_serves(proof: Proof) -> None:
    watched = proof.watched
    await watched.pools_full(REFILL_S)
    watched.control.reset_statistics()
    for one in watched.cluster.plan:
        marks = watched.marks()
        await watched.cluster.restart(one.name, wait=False)

        async def serves(one=one) -> bool:
            return not await why_unhealthy(one)

        await until(serves, 60, f"{one.name} serving")
        # At the first answer SERVING its pool was whole, or the line was not there.
        (began,) = watched.said("Starting DSQL pool warmup", marks, [one.name])
        (ended,) = watched.said("DSQL pool warmup complete", marks, [one.name])
        assert began["target_connections"] == SETTINGS.pool_size
        assert (ended["connections_created"], ended["connections_failed"]) == (SETTINGS.pool_size, 0)
    restarts = len(watched.cluster.plan)
    openings = watched.openings()
    left = within_bound(openings, SETTINGS, restarts)
    most = SETTINGS.pool_size + 2 * STARTUP_CONNECTIONS
    assert restarts * SETTINGS.pool_size <= len(openings) <= restarts * most
    assert watched.refused() == {}
    await watched.pools_full(REFILL_S)
    proof.audit.clean()
    print(f"{restarts} processes restarted, {len(openings)} openings, {left:.1f} below the bound")
