"""Rows of hosts that are gone go; rows of hosts that live stay, whatever happens in between."""

from __future__ import annotations

import asyncio

import msgspec
import psycopg
import pytest

from auroral.dsql.clean import delete, members
from auroral.dsql.errors import ConflictsError, LostConnectionError, NoPrivilegeError
from auroral.dsql.membership import silent
from auroral.dsql.session import Session
from tests.dsql.running import Cluster


async def clean(cluster: Cluster, session: Session, *, between: str = "") -> int:
    found, read_at = await members(session)
    gone = silent(found, 60)
    if between:
        cluster.query(between)
    return await delete(session, gone, read_at=read_at, older_than_s=60)


@pytest.mark.parametrize("conflict_rate", [0.0, 0.1, 0.5])
async def test_the_silent_go_and_the_others_stay(cluster: Cluster, conflict_rate: float) -> None:
    await cluster.make_membership()
    live = cluster.add_hosts(0, 5, 19, 59)
    cluster.add_hosts(61, 600, 86_400)
    cluster.control.change(conflict_rate=conflict_rate, conflict_seed=5)
    async with await Session.open(cluster.target) as session:
        assert await clean(cluster, session) == 3
        assert await clean(cluster, session) == 0
    assert cluster.hosts() == set(live)


async def test_a_host_heard_of_in_between_stays(cluster: Cluster) -> None:
    """Its heartbeat comes after the rows were read, and before they are deleted."""
    await cluster.make_membership()
    back, _ = cluster.add_hosts(90, 91)
    async with await Session.open(cluster.target) as session:
        assert (
            await clean(
                cluster,
                session,
                between="UPDATE public.cluster_membership SET last_heartbeat = now() AT TIME ZONE 'UTC' "
                f"WHERE host_id = '{back}'",
            )
            == 1
        )
    assert cluster.hosts() == {back}


async def test_hundreds_go_in_chunks(cluster: Cluster) -> None:
    await cluster.make_membership()
    cluster.query(
        "INSERT INTO public.cluster_membership SELECT 0, gen_random_uuid(), '10.0.0.1', 6933, 1, "
        "now(), now() - interval '1 day', now() FROM generate_series(1, 1001)"
    )
    cluster.control.reset_statistics()
    async with await Session.open(cluster.target) as session:
        assert await clean(cluster, session) == 1001
    assert cluster.control.statistics().commits == 3
    assert cluster.hosts() == set()


async def test_what_was_done_before_an_error_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await cluster.make_membership()
    cluster.add_hosts(90, 91, 92)
    monkeypatch.setattr("auroral.dsql.clean.chunks", lambda gone: ([one.host_id] for one in gone))
    told: list[int] = []

    def deleted(count: int) -> None:
        told.append(count)
        if count == 2:
            cluster.control.cut()

    async with await Session.open(cluster.target) as session:
        found, read_at = await members(session)
        with pytest.raises(LostConnectionError):
            await delete(session, silent(found, 60), read_at=read_at, older_than_s=60, deleted=deleted)
    assert told == [1, 2]
    assert len(cluster.hosts()) == 1


async def test_it_gives_up_where_all_is_conflict(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from auroral.dsql import backoff

    await cluster.make_membership()
    cluster.add_hosts(90)
    cluster.control.change(conflict_rate=1.0)
    quick = msgspec.structs.replace(backoff.CONFLICTS, first_s=0.0, largest_s=0.0)
    monkeypatch.setattr("auroral.dsql.retry.retry_conflicts.__kwdefaults__", {**_defaults(), "backoff": quick})
    async with await Session.open(cluster.target) as session:
        with pytest.raises(ConflictsError, match="8 attempts"):
            await clean(cluster, session)
    assert len(cluster.hosts()) == 1


def _defaults() -> dict[str, object]:
    from auroral.dsql.retry import retry_conflicts

    return dict(retry_conflicts.__kwdefaults__ or {})


async def test_the_operators_role_may(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await cluster.make_membership()
    cluster.add_hosts(90)
    credentials = await cluster.make_operator()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
    async with await Session.open(cluster.but(user="temporal_operator")) as session:
        assert await clean(cluster, session) == 1
        cluster.query("REVOKE ALL ON public.cluster_membership FROM temporal_operator")
        with pytest.raises(NoPrivilegeError, match="lacks a grant"):
            await clean(cluster, session)


async def test_a_heartbeat_at_the_very_moment_keeps_its_row(cluster: Cluster) -> None:
    """The DELETE has begun when the heartbeat commits: it conflicts, looks again, and finds the host alive."""
    await cluster.make_membership()
    back, _ = cluster.add_hosts(90, 91)
    url = cluster.announcement.postgres_url
    async with await Session.open(cluster.target) as session, await psycopg.AsyncConnection.connect(url) as heart:
        found, read_at = await members(session)
        await heart.execute(
            "UPDATE public.cluster_membership SET last_heartbeat = now() AT TIME ZONE 'UTC' WHERE host_id = %s", (back,)
        )
        cleaning = asyncio.ensure_future(delete(session, silent(found, 60), read_at=read_at, older_than_s=60))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%'"
        while not cluster.query(waiting)[0][0]:
            await asyncio.sleep(0.02)
        await heart.commit()
        assert await cleaning == 1
    assert cluster.hosts() == {back}
