"""Rows read and deleted in a double of DSQL: from here, and by the very command that the deployment's task runs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import msgspec
import pytest

from auroral import marked
from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.dsql.errors import AccessDeniedError
from auroral.ecs.recovery import ring
from auroral.ecs.recovery.rows import Ring, RingHere, RingInCluster
from auroral.errors import TargetError, UsageError
from tests.dsql.running import Cluster
from tests.support.double import running_double
from tests.support.fake_ecs import FakeAws, Outcome, Run
from tests.support.observed import deployed

AHEAD_S = -3_600


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    asyncio.run(running_cluster.make_membership())
    yield running_cluster
    running_cluster.clean()


def _aws(cluster: Cluster, *, changed: str = "") -> FakeAws:
    """A deployment whose task `operator` is this auroral, in reach of the database."""
    aws = deployed(settled=False)

    def program(task: Run) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        environ = {**cluster.environ(), "DSQL_USER": "admin"}
        code = run(Process(list(task.command), environ, out, err))
        lines = [
            line
            for stream, text in ((marked.ERR, err.getvalue()), (marked.OUT, out.getvalue() + changed))
            for text_line in text.splitlines()
            for line in marked.marked(stream, text_line)
        ]
        return Outcome(lines=[(1.0, line) for line in [*lines, marked.end(code)]], exit_code=code)

    aws.program("dev-operator", program)
    return aws


def _in_cluster(aws: FakeAws, said: list[str] | None = None) -> RingInCluster:
    say = (said if said is not None else []).append
    return RingInCluster(aws, aws.fleet, say, sleep=aws.clock.sleep, now_s=aws.clock.now_s)


@pytest.fixture(params=["here", "cluster"])
def rows(request: pytest.FixtureRequest, cluster: Cluster) -> Ring:
    return RingHere(cluster.target) if request.param == "here" else _in_cluster(_aws(cluster))


def test_the_whole_table_is_read_with_the_databases_time(rows: Ring, cluster: Cluster) -> None:
    ids = cluster.add_hosts(1, 19, 21, 4_000, AHEAD_S)
    found = rows.read()
    assert {one.host_id for one in found.rows} == set(ids)
    silent = {one.host_id: one.silent_s for one in found.rows}
    assert [round(silent[id], -2) for id in ids[3:]] == [4_000, AHEAD_S]
    assert all(abs((found.read_at - one.last_heartbeat).total_seconds() - one.silent_s) < 0.01 for one in found.rows), (
        "of the same clock"
    )


def test_what_is_gone_goes_and_what_is_heard_of_stays(rows: Ring, cluster: Cluster) -> None:
    live, *_ = cluster.add_hosts(3, 21, 4_000)
    found = rows.read()
    gone = ring.silence(found, found).gone
    assert rows.delete(gone) == 2
    assert cluster.hosts() == {live}


def test_rows_that_lie_ahead_go_and_are_no_leave_for_others(cluster: Cluster) -> None:
    """One that is heard of between list and deletion keeps its row, whatever time another tells."""
    rows = RingHere(cluster.target)
    back, _, _ = cluster.add_hosts(300, 4_000, AHEAD_S)
    found = rows.read()
    cluster.query(
        f"UPDATE public.cluster_membership SET last_heartbeat = now() AT TIME ZONE 'UTC' WHERE host_id = '{back}'"
    )
    assert rows.delete(found.rows) == 2
    assert cluster.hosts() == {back}


def test_a_row_that_was_not_listed_keeps_the_task_from_deleting(cluster: Cluster) -> None:
    cluster.add_hosts(4_000, 5_000)
    said: list[str] = []
    rows = _in_cluster(_aws(cluster), said)
    found = rows.read()
    cluster.add_hosts(6_000)
    with pytest.raises(TargetError, match="ended with 1: its lines are above"):
        rows.delete(found.rows)
    assert len(cluster.hosts()) == 3
    assert any("3 rows could be deleted now, and 2 were confirmed" in line for line in said)


def test_lists_that_cannot_be_read(cluster: Cluster) -> None:
    with pytest.raises(TargetError, match="the task's list of rows cannot be read"):
        _in_cluster(_aws(cluster, changed="and so on")).read()


def test_a_database_that_lets_nobody_in(cluster: Cluster) -> None:
    with pytest.raises(AccessDeniedError):
        RingHere(cluster.but(user="nobody")).read()
    cluster.query("DROP TABLE public.cluster_membership")
    with pytest.raises(TargetError, match="the task operator ended with 3"):
        _in_cluster(_aws(cluster)).read()


def test_names_alone_name_no_task(cluster: Cluster) -> None:
    aws = _aws(cluster)
    bare = msgspec.structs.replace(aws.fleet, contract=None)
    with pytest.raises(UsageError, match="known from a deployment's outputs alone"):
        RingInCluster(aws, bare, print).read()


def test_what_it_would_do(cluster: Cluster) -> None:
    cluster.add_hosts(4_000)
    here, there = RingHere(cluster.target), _in_cluster(_aws(cluster))
    found = here.read()
    head, listed, deleted = here.preview(found.rows)
    assert head == f"# SQL, from here, as admin at {cluster.target.endpoint}:"
    assert listed.startswith("#   SELECT host_id")
    assert found.rows[0].host_id in deleted
    statement = deleted.removeprefix("#   ").rstrip(";")
    cluster.query(f"SET search_path = public; EXPLAIN {statement}")
    assert "#   auroral cluster clean-membership --older-than 20s --list" in there.preview(())
    assert there.where == "by the task operator of the cluster dev"
    assert len(cluster.hosts()) == 1
