"""What is done to a local cluster on the double of DSQL while it is under load."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

from tests.support.dsql_cluster import POLL_S, Load, Watched, until
from tests.support.shard_audit import ShardAudit


async def pause_an_owner(
    watched: Watched,
    audit: ShardAudit,
    directory: Path,
    *,
    within_s: float,
    name: str = "paused",
    seconds: int = 30,
    rate_per_s: int = 8,
) -> str:
    """Stop a history in the midst of fenced transactions, let its peer take its shards over, and let it go on.

    Asserts that it was refused and wrote nothing; the pools have `within_s` to fill. Return what was measured.
    """
    await watched.pools_full(within_s)
    marks = watched.marks()
    owners = watched.owners()
    # The one that owns most shards: some are to be taken over while others are in the midst of a transaction.
    paused = max(watched.histories, key=list(owners.values()).count)
    (peer,) = set(watched.histories) - {paused}
    owned = {shard for shard, owner in owners.items() if owner == paused}
    async with Load(watched, name, directory, rate_per_s=rate_per_s, seconds=seconds) as load:
        await load.under_way()
        refused_before = watched.fenced_out(paused)
        caught = await pause_in_a_transaction(watched, audit, paused, fewer_than=len(owned))

        # What it has locked stays so until it goes on: PostgreSQL makes the take-over wait. The others are taken over.
        async def taken_over() -> bool:
            return len(owned & set(watched.acquired(marks, [peer]))) >= len(owned) - caught

        took_s = await until(taken_over, 40, lambda: f"{owned} of {paused} in {peer}: {watched.acquired(marks)}")
        watched.cluster.resume(paused)

        async def refused() -> bool:
            return await asyncio.to_thread(watched.fenced_out, paused) > refused_before

        await until(refused, 30, "a request of the old owner that was refused")
        assert not load.over, "all of it happened under load"
        result = await load.proven()
    lost = watched.fenced_out(paused) - refused_before
    await watched.pools_full(within_s)
    writes, takeovers = audit.clean()
    assert takeovers >= len(owned) - caught
    return (
        f"{result.scheduled} workflows, stopped in {caught} fenced transactions, "
        f"{len(owned) - caught} shards taken over within {took_s:.1f} s, "
        f"{lost:g} requests of the old owner refused, {writes} fenced writes, {takeovers} take-overs, none out of order"
    )


async def pause_in_a_transaction(watched: Watched, audit: ShardAudit, name: str, fewer_than: int) -> int:
    """Stop a history between a read of a shard's range id and its commit; return how many such transactions it has."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if not audit.fenced_transactions():
            continue
        watched.cluster.pause(name)
        await asyncio.sleep(0.3)  # what its peer had open has ended by then
        if 0 < (caught := audit.fenced_transactions(older_than_s=0.25)) < fewer_than:
            return caught
        watched.cluster.resume(name)
        await asyncio.sleep(POLL_S)
    raise AssertionError(f"{name} was not stopped in the midst of a transaction within 20 s")


async def break_at_random(watched: Watched, load: Load, seed: int, seconds: float) -> Counter[str]:
    """Do to the cluster, for so long, whatever the seed says, one thing after the other; return how often each."""
    chance = random.Random(seed)
    control, cluster = watched.control, watched.cluster
    done: Counter[str] = Counter()
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        assert not load.over, f"all of it happens under load: {done}"
        fault = chance.choice(("cut", "cut", "expire", "unknown", "unknown", "refuse", "stall", "kill", "pause"))
        history = chance.choice(watched.histories)
        done[fault] += 1
        match fault:
            case "cut":
                await asyncio.to_thread(control.cut, count=chance.randint(1, 40))
            case "expire":
                await asyncio.to_thread(control.expire)
            case "unknown":
                await asyncio.to_thread(control.cut_next_commits, 1)
            case "refuse":
                await asyncio.to_thread(control.refuse, chance.uniform(0.5, 3))
            case "stall":
                await asyncio.to_thread(control.stall, chance.uniform(0.5, 3))
            case "kill":
                await cluster.kill(history)
                await asyncio.sleep(chance.uniform(0, 8))
                await cluster.restart(history)
            case "pause":
                cluster.pause(history)
                await asyncio.sleep(chance.uniform(1, 12))
                cluster.resume(history)
        await asyncio.sleep(chance.uniform(1, 5))
    return done
