"""What a run says when something breaks under it: the outcomes still sum, no false pass, and it ends by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from auroral.bench.result import Result
from tests.conftest import MakeTemporalServer
from tests.support.benchmark import Benchmark, Finished, bench

pytestmark = pytest.mark.live


def started(address: str, directory: Path, *arguments: str) -> Benchmark:
    """A run of 20/s for six seconds, to break something under."""
    return Benchmark(
        "run", "--address", address, "--target-rate", "20", "--duration", "6s", "--completion-timeout", "20s",
        "--settle-timeout", "4s", "--cleanup-timeout", "10s", "--metrics-port", "0", "--output", str(directory),
        *arguments, directory=directory,
    )  # fmt: skip


async def under_way(run: Benchmark, after_s: float = 2.5) -> None:
    """Return so long after the run has said that its schedule begins: half a second later it does."""
    await asyncio.to_thread(run.wait_for, "drive:")
    await asyncio.sleep(after_s)


async def ended(run: Benchmark, timeout_s: float = 120.0) -> Finished:
    return await asyncio.to_thread(run.finish, timeout_s)


def account(result: Result) -> str:
    return f"{result.outcomes} {result.verdict} {result.reconciliation} {result.causes}"


async def test_a_pause_of_the_server_shows_in_every_workflow_it_delayed(
    make_temporal_server: MakeTemporalServer, tmp_path: Path
) -> None:
    server = await make_temporal_server()
    with started(server.address, tmp_path / "run", "--duration", "5s", "--max-lag", "10s") as run:
        await under_way(run, after_s=1.5)
        server.pause()
        await asyncio.sleep(3)
        server.resume()
        finished = await ended(run)
    result = finished.result
    assert result.outcomes["completed"] == result.scheduled == 100, account(result)
    latency = result.times.latency
    # 60 of 100 starts fell into the pause; they waited between 0 and 3 s, evenly.
    assert latency.p99_ms is not None
    assert latency.p99_ms > 2_700
    assert latency.p90_ms is not None
    assert latency.p90_ms > 2_000
    assert latency.p50_ms is not None
    assert latency.p50_ms > 100
    lag = result.times.lag.p99_ms
    assert lag is not None
    assert lag < 500, "the schedule did not wait for the server"


@pytest.mark.slow
async def test_a_server_restarted_on_its_database_loses_nothing(
    make_temporal_server: MakeTemporalServer, tmp_path: Path
) -> None:
    server = await make_temporal_server(db_filename=tmp_path / "temporal.db")
    with started(server.address, tmp_path / "run", "--workload", "timer", "--timer-duration", "1s") as run:
        await under_way(run)
        await server.kill()
        await asyncio.sleep(1)
        await server.restart()
        finished = await ended(run)
    result = finished.result
    assert result.outcomes["generator_limited"] == 0, account(result)
    assert result.outcomes["completed"] + result.outcomes["rejected"] == result.scheduled, account(result)
    assert result.outcomes["completed"] >= result.scheduled * 0.9, account(result)
    assert result.reconciliation.status == "agreed", account(result)


@pytest.mark.slow
async def test_a_server_killed_for_good_fails_the_run(make_temporal_server: MakeTemporalServer, tmp_path: Path) -> None:
    server = await make_temporal_server()
    with started(server.address, tmp_path / "run") as run:
        await under_way(run)
        await server.kill()
        finished = await ended(run)
    result = finished.result
    assert result.verdict.status == "fail", account(result)
    assert finished.status == 1
    assert result.outcomes["rejected"] + result.outcomes["unfinished"] > 40, account(result)
    assert result.reconciliation.status == "unavailable"
    assert result.cleanup.commands, "what could not be cleaned up is named with the command that does it"


@pytest.mark.whole
async def test_a_killed_worker_leaves_the_run_inconclusive(temporal_server, tmp_path: Path) -> None:
    with started(temporal_server.address, tmp_path / "run", "--worker-count", "2") as run:
        await under_way(run)
        run.child("auroral.bench.worker").kill()
        finished = await ended(run)
    result = finished.result
    assert result.verdict.status == "inconclusive", account(result)
    assert finished.status == 5
    assert [process.name for process in result.processes if process.lost]
    assert result.scheduled == 120


@pytest.mark.whole
async def test_a_killed_generator_has_its_share_settled_from_the_server(temporal_server, tmp_path: Path) -> None:
    with started(temporal_server.address, tmp_path / "run", "--generator-processes", "2") as run:
        await under_way(run)
        run.child("auroral.bench.generator").kill()
        finished = await ended(run)
    result = finished.result
    assert result.scheduled == 120, account(result)
    assert result.verdict.status == "inconclusive", account(result)
    assert 30 <= result.outcomes["generator_limited"] <= 50, account(result)
    assert result.outcomes["completed"] + result.outcomes["generator_limited"] == 120, account(result)


@pytest.mark.whole
async def test_refusals_are_counted_by_cause_and_named_as_the_limit(
    make_temporal_server: MakeTemporalServer, tmp_path: Path
) -> None:
    server = await make_temporal_server(
        dynamic_config={"frontend.namespaceRPS": 30, "frontend.namespaceBurstRatio": 1.0}
    )
    with started(server.address, tmp_path / "run", "--target-rate", "60") as run:
        finished = await ended(run, 180)
    result = finished.result
    assert result.outcomes["rejected"] > 20, account(result)
    causes = {count.cause for count in result.causes if count.outcome == "rejected"}
    assert any(cause.startswith("RESOURCE_EXHAUSTED/RPS_LIMIT/") for cause in causes), causes
    assert result.verdict.status in ("fail", "inconclusive"), account(result)
    assert result.limits.first is not None
    assert result.limits.first.whose == "server"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_thousand_open_timers_are_all_accounted_for(temporal_server, tmp_path: Path) -> None:
    """A frontend refuses more than 1,200 long polls of a namespace; what no poll watches is found by sweeps."""
    workload = tmp_path / "timers.toml"
    # Open for as long as it takes to have 5,000 of them open at once, and closing in another order than they began.
    workload.write_text('name = "timers"\n[[steps]]\ntimer = { duration = "100s..160s" }\n')
    finished = bench(
        "--address", temporal_server.address, "--workload", str(workload),
        "--target-rate", "50", "--count", "5000", "--duration", "110s", "--completion-timeout", "4m",
        directory=tmp_path / "run", timeout_s=560,
    )  # fmt: skip
    result = finished.result
    assert result.outcomes["completed"] == 5_000, account(result)
    assert max(reading.in_flight for reading in result.readings) > 4_900
    assert result.observed.swept + result.observed.watched == 5_000
    assert result.observed.swept > 500
    assert max(reading.watchers for reading in result.readings) <= 1_000
    assert result.verdict.status == "pass", account(result)
