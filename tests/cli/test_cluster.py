"""`auroral cluster clean-membership` as a user runs it, against the double."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended, Terminal
from tests.dsql.running import Cluster
from tests.support.double import running_double


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


@pytest.fixture
async def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With the table, and in the environment the operator's credentials."""
    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    await running_cluster.make_membership()
    credentials = await running_cluster.make_operator()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
    yield running_cluster
    running_cluster.clean()


@pytest.fixture
def clean(cli: Cli, cluster: Cluster) -> Any:
    """`clean("--yes")` by the default role, temporal_operator."""

    def call(*arguments: str, **environ: str) -> Ended:
        return cli("cluster", "clean-membership", *arguments, environ={**cluster.environ(), **environ})

    return call


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))


def test_nothing_to_do(clean: Any, cluster: Cluster) -> None:
    cluster.add_hosts(0, 30)
    ended = clean()
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out.splitlines() == [
        "2 rows in cluster_membership: 2 of hosts heard of within 60 s, 0 of hosts that were not",
        "nothing to do",
    ]


def test_it_deletes_what_is_confirmed(clean: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    live, *gone = cluster.add_hosts(0, 90, 7_200)
    answer(monkeypatch, "n\n")
    ended = clean()
    assert ended.code == ExitCode.USAGE
    assert ended.err.endswith("error: not confirmed: nothing was deleted\n")
    assert "Delete 2 rows? [y/N]" in ended.err
    assert cluster.hosts() == {live, *gone}
    answer(monkeypatch, "y\n")
    ended = clean()
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.OK, "2 rows deleted")
    table = ended.out.split("\n\n")[1].splitlines()
    assert table[0].split() == ["role", "address", "last", "heartbeat", "silent", "for", "host", "id"]
    assert "2 h" in table[1]
    assert gone[1] in table[1]  # the longest silent first
    assert cluster.hosts() == {live}


def test_nobody_is_asked_without_a_terminal(clean: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = cluster.add_hosts(90)
    for stream in (io.StringIO("y\n"), None):
        monkeypatch.setattr(sys, "stdin", stream)
        ended = clean()
        assert ended.code == ExitCode.USAGE
        assert "--yes deletes without asking" in ended.err
        assert gone[0] in ended.out
    answer(monkeypatch, "")  # end of file: nobody answered
    assert clean().code == ExitCode.INTERRUPTED
    assert cluster.hosts() == set(gone)


@pytest.mark.parametrize("conflict_rate", [0.0, 0.5])
def test_yes(clean: Any, cluster: Cluster, conflict_rate: float) -> None:
    live, *_ = cluster.add_hosts(50, 70, 80)
    cluster.control.change(conflict_rate=conflict_rate, conflict_seed=4)
    ended = clean("--yes")
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.OK, "2 rows deleted"), ended.err
    assert cluster.hosts() == {live}


def test_json(clean: Any, cluster: Cluster) -> None:
    live, gone = cluster.add_hosts(0, 90)
    ended = clean("--json")
    found = json.loads(ended.out)
    assert (ended.code, found["schema_version"], found["rows"], found["deleted"]) == (ExitCode.OK, 1, 2, None)
    assert [one["host_id"] for one in found["silent"]] == [gone]
    assert cluster.hosts() == {live, gone}
    found = json.loads(clean("--json", "--yes").out)
    assert found["deleted"] == 1
    assert json.loads(clean("--json", "--yes").out)["silent"] == []
    assert cluster.hosts() == {live}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--older-than", "5s"), "at least 20 s, for so long Temporal takes a host for alive"),
        (("--older-than", "soon"), "--older-than: expected a duration such as"),
        (("--endpoint", "a b"), "expected a host name such as"),
        (("--yess",), "No such option"),
    ],
)
def test_wrong_usage(clean: Any, cluster: Cluster, arguments: tuple[str, ...], told: str) -> None:
    gone = cluster.add_hosts(90)
    ended = clean("--yes", *arguments)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert cluster.hosts() == set(gone)


def test_older_than(clean: Any, cluster: Cluster) -> None:
    live = cluster.add_hosts(30, 500)
    cluster.add_hosts(900)
    assert clean("--older-than", "10m", "--yes").out.splitlines()[-1] == "1 row deleted"
    assert cluster.hosts() == set(live)


def test_what_the_role_or_the_database_lacks(clean: Any, cluster: Cluster) -> None:
    cluster.add_hosts(90)
    cluster.query("REVOKE DELETE ON public.cluster_membership FROM temporal_operator")
    ended = clean("--yes")
    assert ended.code == ExitCode.UNREACHABLE
    assert "lacks a grant" in ended.err
    assert "auroral schema roles" in ended.err
    cluster.query("DROP TABLE public.cluster_membership")
    ended = clean("--yes")
    assert ended.code == ExitCode.UNREACHABLE
    assert "auroral schema setup" in ended.err
    cluster.control.change(connect_burst=0, connect_rate_per_s=0)
    ended = clean("--yes")
    assert (ended.code, "(53400)" in ended.err) == (ExitCode.UNREACHABLE, True)
