"""The proofs of `test_dsql_cluster`, longer and harsher, with both shard fences: docs/dsql-proofs.md."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.support.dsql_cluster import ConnectSettings, Load, watched_cluster, within_bound
from tests.support.dsql_faults import break_at_random, pause_an_owner
from tests.support.shard_audit import ShardAudit
from tests.support.simulated_start import like_simulated

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = ConnectSettings(rate_per_s=4, burst=4, pool_size=10)
REFILL_S = SETTINGS.refill_s + 20
FENCES = ("for-update", "key-share")
REGION = "us-east-1"


@pytest.mark.parametrize("fence", FENCES)
async def test_a_paused_owner_is_fenced_off_again_and_again(fence: str, tmp_path: Path) -> None:
    environment = {"DSQL_SHARD_FENCE": fence}
    async with watched_cluster(tmp_path / "cluster", SETTINGS, conflicts=0.1, environment=environment) as watched:
        audit = ShardAudit(watched.cluster)
        watched.control.reset_statistics()
        for number in range(3):
            directory = tmp_path / f"run-{number}"
            print(fence, await pause_an_owner(watched, audit, directory, within_s=REFILL_S, name=f"paused{number}"))
        locks = watched.control.statistics(openings=False).locks
        audit.close()
    # The key-share fence alone takes that lock, at each write of a shard.
    assert (locks.get("for key share", 0) > 1_000) == (fence == "key-share"), locks
    print(fence, locks)


@pytest.mark.parametrize(("fence", "seed"), [("for-update", 1), ("key-share", 2), ("for-update", 3)])
async def test_minutes_of_everything_at_once_lose_no_workflow(fence: str, seed: int, tmp_path: Path) -> None:
    environment = {"DSQL_SHARD_FENCE": fence}
    cluster = watched_cluster(
        tmp_path / "cluster",
        SETTINGS,
        conflicts=0.1,
        seed=seed,
        environment=environment,
        double={"connect_burst": SETTINGS.most(0) + SETTINGS.under_way},  # which knock together after a stall
    )
    async with cluster as watched:
        audit = ShardAudit(watched.cluster)
        watched.control.reset_statistics()
        async with Load(watched, "everything", tmp_path / "run", rate_per_s=6, seconds=200) as load:
            await load.under_way()
            done = await break_at_random(watched, load, seed, seconds=170)
            result = await load.proven(300, rejected=40)
        await watched.pools_full(REFILL_S)
        left = within_bound(watched.openings(), SETTINGS, done["kill"])
        counted = watched.control.statistics(openings=False)
        writes, takeovers = audit.clean()
        audit.close()
    assert set(counted.refused) <= {"57P03"}, "the door held shut, and never rate or number"
    print(
        f"{fence}, seed {seed}: {result.outcomes['completed']} completed, "
        f"{result.outcomes['rejected']} starts rejected, "
        f"{dict(done)}, {counted.conflicts} conflicts, {counted.unknown_outcomes} unknown outcomes, "
        f"{counted.opened} openings, {left:.1f} below the bound, {writes} fenced writes, {takeovers} take-overs"
    )


async def test_pools_of_fifty_outlive_their_sessions(tmp_path: Path) -> None:
    settings = ConnectSettings(rate_per_s=10, burst=10, pool_size=50, histories=1)
    refill_s = settings.refill_s + 20
    whole = settings.processes * settings.pool_size
    environment = {"TEMPORAL_SQL_MAX_CONN_LIFETIME": "40s", "DSQL_LIFETIME_JITTER": "0.5"}
    double = {"session_lifetime_s": 60.0}
    cluster = watched_cluster(tmp_path / "cluster", settings, conflicts=0.1, environment=environment, double=double)
    async with cluster as watched:
        print(like_simulated(watched, watched.openings()))
        await watched.pools_full(refill_s)
        began_s = time.monotonic()
        fewest, expired = whole, 0.0
        async with Load(watched, "expiry", tmp_path / "run", rate_per_s=6, seconds=90) as load:
            # Every session reaches the end of its life once, by the pool's own doing: none is missed meanwhile.
            while expired < whole:
                now = await asyncio.to_thread(watched.control.statistics, openings=False)
                fewest = min(fewest, now.open)
                expired = await asyncio.to_thread(watched.total, "dsql_pool_closed", reason="expired")
                assert time.monotonic() - began_s < 80, f"{expired:g} of {whole} sessions reached their end"
                await asyncio.sleep(0.2)
            assert fewest >= whole
            assert await asyncio.to_thread(watched.control.expire) >= whole
            took_s = await watched.pools_full(refill_s)
            assert not load.over, "all of it happened under load"
            result = await load.proven()
        openings = watched.openings()
        left = within_bound(openings, settings)
        assert watched.refused() == {}
        assert watched.total("dsql_pool_closed", reason="lost") + watched.total("dsql_pool_closed", reason="stale") > 0
    print(
        f"{result.scheduled} workflows; {expired:g} sessions expired one by one, never fewer than {fewest} open; "
        f"{whole} at once, full after {took_s:.1f} s; {len(openings)} openings, {left:.1f} below the bound"
    )


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A DynamoDB that answers one request after the other: its UpdateItem is atomic, which moto's threads are not."""
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()


async def test_a_start_is_limited_by_the_counter_all_processes_share(dynamodb: str, tmp_path: Path) -> None:
    limit_per_s = 5
    settings = ConnectSettings(rate_per_s=100, burst=100, pool_size=10, histories=1)
    table = boto3.client("dynamodb", endpoint_url=dynamodb, region_name=REGION)
    table.create_table(
        TableName="connects",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    environment = {
        "DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED": "true",
        "DSQL_DISTRIBUTED_RATE_LIMITER_TABLE": "connects",
        "DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT": str(limit_per_s),
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
    }
    async with watched_cluster(tmp_path / "cluster", settings, environment=environment) as watched:
        await watched.pools_full(60)
        openings = watched.openings()
        uncounted = watched.total("dsql_limiter_failures")
        items = table.scan(TableName="connects")["Items"]
    assert uncounted == 0
    counted = [int(item["taken"]["N"]) for item in items]
    assert max(counted) <= limit_per_s
    assert sum(counted) >= len(openings) >= settings.processes * settings.pool_size
    # A counter per second bounds any stretch of a second by twice the limit: the end of one, the beginning of the next.
    times = [one.at_s for one in openings]
    most = max(sum(begins <= at_s < begins + 1 for at_s in times) for begins in times)
    assert most <= 2 * limit_per_s
    print(f"{len(openings)} openings in {max(times) - min(times):.1f} s, at most {most} in one second")
