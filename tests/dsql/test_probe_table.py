"""A probe's table is made where the role may, and leaves nothing."""

from __future__ import annotations

import pytest

from auroral.dsql.errors import LostConnectionError
from auroral.dsql.probe_plan import ProbeTable
from auroral.dsql.probe_table import OwnTable
from auroral.dsql.session import Session
from tests.dsql.running import Cluster


async def test_admin_makes_the_schema_too_and_drops_both(cluster: Cluster) -> None:
    table = OwnTable(ProbeTable("a"))
    cluster.control.change(conflict_rate=0.3, conflict_seed=2)
    async with await Session.open(cluster.target) as session:
        assert await table.make(session, 3) == ""
        assert table.made
        assert cluster.query("SELECT id, n FROM auroral_probe.probe_a ORDER BY 1") == [(0, 0), (1, 0), (2, 0), (3, 0)]
        await table.drop(session)
    assert not table.made
    assert cluster.query("SELECT 1 FROM pg_namespace WHERE nspname = 'auroral_probe'") == []


async def test_another_probes_schema_stays(cluster: Cluster) -> None:
    first, second = OwnTable(ProbeTable("a")), OwnTable(ProbeTable("b"))
    async with await Session.open(cluster.target) as session:
        await first.make(session, 1)
        await second.make(session, 1)
        await first.drop(session)  # made the schema, and cannot drop it
        assert cluster.probe_tables() == ["probe_b"]
        await second.drop(session)
    assert cluster.probe_tables() == []


@pytest.mark.parametrize("may_probe", [True, False])
async def test_the_operator(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, may_probe: bool) -> None:
    credentials = await cluster.make_operator(may_probe=may_probe, may_clean=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
    table = OwnTable(ProbeTable("a"))
    async with await Session.open(cluster.but(user="temporal_operator")) as session:
        told = await table.make(session, 1)
        assert table.made is may_probe
        assert ("auroral schema roles" in told) is not may_probe
        if may_probe:
            await table.drop(session)


async def test_an_answer_that_is_lost_leaves_a_table_to_drop(cluster: Cluster) -> None:
    await cluster.as_admin("CREATE SCHEMA auroral_probe")
    table = OwnTable(ProbeTable("a"))
    async with await Session.open(cluster.target) as session:
        cluster.control.cut()
        with pytest.raises(LostConnectionError):
            await table.make(session, 1)
    assert table.made
    async with await Session.open(cluster.target) as session:
        await table.drop(session)
    assert not table.made
