"""`auroral dsql` as a user runs it, against the double."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.cli.dsql_probe import exit_code
from auroral.dsql.errors import UnreachableError
from auroral.dsql.probe_plan import ProbeOutcome
from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended
from tests.dsql.running import Cluster
from tests.support.double import running_double

QUICK = ("--rate", "20/s", "--duration", "300ms", "--connections", "2", "--writers", "2")


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


@pytest.fixture
def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    yield running_cluster
    running_cluster.clean()


@pytest.fixture
def dsql(cli: Cli, cluster: Cluster) -> Any:
    """`dsql("probe", …)` as admin."""

    def call(command: str, *arguments: str, **changed: str) -> Ended:
        return cli("dsql", command, *arguments, environ={**cluster.environ(), "DSQL_USER": "admin", **changed})

    return call


def test_probe(dsql: Any, cluster: Cluster) -> None:
    ended = dsql("probe", *QUICK)
    assert ended.code == ExitCode.OK, ended.err
    assert "round trip, SELECT 1" in ended.out
    assert re.search(r"check +the table counts \d", ended.out)
    assert "dropping auroral_probe.probe_" in ended.err
    assert cluster.probe_tables() == []
    assert max(len(line) for line in ended.out.splitlines()) <= 100


def test_probe_json(dsql: Any) -> None:
    ended = dsql("probe", *QUICK, "--writers", "0", "--json")
    assert ended.code == ExitCode.OK, ended.err
    found = json.loads(ended.out)
    assert (found["schema_version"], found["user"], found["contention"]) == (1, "admin", None)
    assert found["times"]["commit"]["count"] == found["commits"] > 0
    assert "X-Amz" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rate", "100/s"), "expected --rate: from 0.1 to 20"),
        (("--rate", "fast"), "--rate: expected a rate such as"),
        (("--duration", "-1s"), "--duration: expected a duration such as"),
        (("--writers", "9"), "expected --writers: from 0 to the number of connections, 5, not 9"),
        (("--connections", "x"), "'x' is not a valid integer"),
        (("--port", "0"), "expected a port from 1 to 65535"),
        (("--region", "eu-west-1"), "which the endpoint names"),
        (("--outputs", "none.json"), "cannot be read"),
        (("--outputs", " "), "expected a file after --outputs"),
    ],
)
def test_wrong_usage(dsql: Any, cluster: Cluster, arguments: tuple[str, ...], told: str) -> None:
    ended = dsql("probe", *arguments)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert cluster.control.statistics().opened == 0


def test_what_cannot_be_reached(dsql: Any, cluster: Cluster) -> None:
    ended = dsql("probe", *QUICK, DSQL_PORT="1")
    assert ended.code == ExitCode.UNREACHABLE
    assert "cannot be reached: Connection refused" in ended.err
    ended = dsql("connections", DSQL_USER="temporal_operator")
    assert ended.code == ExitCode.UNREACHABLE
    assert "auroral schema roles makes temporal_operator" in ended.err
    cluster.control.change(max_connections=0)
    ended = dsql("connections")
    assert (ended.code, "(53300)" in ended.err) == (ExitCode.UNREACHABLE, True)
    assert "Traceback" not in ended.err


def test_no_credentials(dsql: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    ended = dsql("connections")
    assert ended.code == ExitCode.USAGE
    assert "no token for" in ended.err


def test_a_deployments_outputs(cli: Cli, cluster: Cluster, tmp_path: Path) -> None:
    one = cluster.announcement
    outputs = {
        "dsql_endpoint": {"value": one.endpoint},
        "dsql_host_address": {"value": one.host},
        "region": {"value": one.region},
    }
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))
    flags = ("--outputs", "outputs.json", "--user", "admin", "--port", str(one.port), "--tls-ca-file", one.ca_file)
    ended = cli("dsql", "connections", *flags)
    assert ended.code == ExitCode.OK, ended.err
    ended = cli("dsql", "connections")
    assert ended.code == ExitCode.USAGE
    assert "--endpoint, DSQL_ENDPOINT, or --outputs" in ended.err


async def test_connections(dsql: Any, cluster: Cluster) -> None:
    from auroral.dsql.session import Session

    async with await Session.open(cluster.target, application="history"):
        ended = await asyncio.to_thread(dsql, "connections")
        document = json.loads((await asyncio.to_thread(dsql, "connections", "--json")).out)
    assert ended.code == ExitCode.OK
    assert re.search(r"^ +1  admin +history:\S+ +– +idle$", ended.out, re.MULTILINE)
    assert "of 10,000" in ended.out
    assert document["connections"]["seen"] == document["total"] >= 2


def test_cloudwatch_that_does_not_answer(dsql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    ended = dsql("connections", "--cloudwatch")
    assert ended.code == ExitCode.UNREACHABLE
    assert "cloudwatch:GetMetricStatistics" in ended.err


@pytest.mark.parametrize("interrupts", [1, 2, 3])
def test_an_interrupted_probe_drops_its_table(cluster: Cluster, interrupts: int) -> None:
    """A second one does not wait for an answer; one that comes while the table is dropped ends nothing."""
    command = [sys.executable, "-m", "auroral", "dsql", "probe", *QUICK, "--json", "--duration"]
    command.append("60s" if interrupts < 3 else "300ms")
    environ = {**os.environ, **cluster.environ(), "DSQL_USER": "admin"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        awaited = "round trips" if interrupts < 3 else "contention"
        for line in process.stderr:
            if line.startswith(awaited):
                break
        if interrupts > 1:
            cluster.control.stall(2)  # so that the first one waits for an answer, and the table's end too
            process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        if interrupts == 3:
            for line in process.stderr:
                if line.startswith("dropping"):
                    break
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert cluster.probe_tables() == []
    assert "Traceback" not in err
    if interrupts == 1:
        found = json.loads(out)
        assert found["interrupted"]
        assert found["round_trips"] >= 0


def test_exit_codes() -> None:
    assert exit_code(ProbeOutcome()) == ExitCode.OK
    assert exit_code(ProbeOutcome(left_out=["x"])) == ExitCode.OK
    assert exit_code(ProbeOutcome(left_behind="t")) == ExitCode.UNREACHABLE
    assert exit_code(ProbeOutcome(error=UnreachableError("x"))) == ExitCode.UNREACHABLE
    assert exit_code(ProbeOutcome(interrupted=True, left_behind="t")) == ExitCode.INTERRUPTED
    assert exit_code(ProbeOutcome(interrupted=True, commits=2, counted=1)) == ExitCode.FAILED


def test_help(cli: Cli) -> None:
    for command in ("probe", "connections"):
        ended = cli("dsql", command, "--help")
        assert ended.code == ExitCode.OK
        assert "DSQL_ENDPOINT" in ended.out
        assert "Aurora DSQL:" in ended.out
