"""Runs over several agents, each a process of its own as it would be a machine of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench.compare_files import read_run
from auroral.bench.histogram import Histogram
from auroral.bench.result import Result
from auroral.bench.result import decode as decode_result
from auroral.bench.search.files import read_search
from auroral.bench.spread.plan import HEARTBEAT_TIMEOUT_S, workflow_id
from tests.bench.wire.processes import running
from tests.conftest import MakeTemporalServer
from tests.support.benchmark import Benchmark, Finished

pytestmark = pytest.mark.live

WAITS = "wait: for a run"
"""What an agent says when it is free."""


def agent(address: str, directory: Path, *arguments: str) -> Benchmark:
    return Benchmark(
        "generator", "--address", address, "--metrics-port", "0", "--output", str(directory), *arguments,
        directory=directory,
    )  # fmt: skip


@contextlib.contextmanager
def agents(count: int, address: str, directory: Path, *arguments: str) -> Iterator[list[Benchmark]]:
    """Agents that wait for runs, ended as a user ends them."""
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(agent(address, directory / f"agent-{number}", *arguments)) for number in range(count)
        ]
        for one in started:
            one.wait_for(WAITS)
        yield started
        alive = [one for one in started if one.process.poll() is None]
        for one in alive:
            one.interrupt(signal.SIGTERM)
        for one in alive:
            assert one.finish(30).status == 0, one.stderr


def _waits(agent: Benchmark) -> bool:
    """Whether it waits for a run after the one that it had last."""
    return agent.stderr.rfind(WAITS) > agent.stderr.rfind("done: part") >= 0


def run_of(address: str, directory: Path, *arguments: str, workers: str = "") -> Benchmark:
    """A run with a worker of its own, or with those of a task queue."""
    served = ("--generator-only", "--task-queue", workers) if workers else ("--worker-count", "1")
    return Benchmark(
        "run", "--address", address, *served, "--metrics-port", "0", "--output", str(directory),
        "--settle-timeout", "10s", "--cleanup-timeout", "20s", *arguments, directory=directory,
    )  # fmt: skip


@pytest.fixture(scope="module")
def control() -> str:
    """A control namespace that no other test uses."""
    return f"control-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def pool(temporal_server, control, tmp_path_factory) -> Iterator[tuple[list[Benchmark], Path]]:
    """Two agents that most tests use, one after the other."""
    directory = tmp_path_factory.mktemp("agents")
    with agents(2, temporal_server.address, directory, "--control-namespace", control) as started:
        yield started, directory


@pytest.fixture(scope="module")
def workers(temporal_server) -> Iterator[str]:
    """The task queue of a worker process that serves all runs which look at something else."""
    with running(temporal_server.address, "sdk") as worker:
        yield worker.task_queue


@pytest.fixture(scope="module")
def whole(temporal_server, control, pool, tmp_path_factory) -> Finished:
    """One run over both that several tests read."""
    directory = tmp_path_factory.mktemp("spread") / "run"
    with run_of(
        temporal_server.address, directory, "--control-namespace", control, "--spread", "2", "--target-rate", "20",
        "--duration", "5s", "--ramp-up", "2s", "--arrival", "poisson", "--seed", "3", "--threshold", "latency.p99<20s",
    ) as run:  # fmt: skip
        return run.finish()


def account(result: Result) -> str:
    return f"{result.outcomes} {result.verdict} {result.reconciliation} {result.causes} {result.processes}"


def test_every_start_of_the_schedule_is_accounted_for(whole: Finished) -> None:
    result = whole.result
    assert whole.status == 0, whole.stderr + whole.logs
    assert result.verdict.status == "pass", account(result)
    assert result.manifest.generator_processes == 2
    assert result.outcomes["completed"] == result.scheduled > 50
    assert result.reconciliation.status == "agreed"
    assert sum(result.series.intended) == sum(result.series.sent) == sum(result.series.completed) == result.scheduled
    assert [window.kind for window in result.windows][:2] == ["ramp", "steady"]
    assert len({one.where for one in result.spread}) == 2
    assert all(abs(one.control_offset_ms) < 500 for one in result.spread)
    assert {process.name for process in result.processes} >= {"coordinator", "generator-0", "generator-1", "worker-0"}
    assert all(process.cpu_s > 0 for process in result.processes)
    assert {"generator-0", "generator-1-agent"} <= {name for reading in result.readings for name in reading.cpu}


def test_quantiles_are_those_of_all_samples_together(whole: Finished, pool: tuple[list[Benchmark], Path]) -> None:
    result, (_, directory) = whole.result, pool
    latency, lag, indices = Histogram(), Histogram(), []
    for path in sorted(directory.glob(f"*/{result.manifest.run_id}/generator-*/samples.parquet")):
        table = pq.read_table(path).to_pydict()
        indices += table["index"]
        for intended, sent, closed in zip(table["intended_us"], table["sent_us"], table["closed_us"], strict=True):
            latency.record_us(closed - intended)
            lag.record_us(sent - intended)
    assert sorted(indices) == list(range(result.scheduled)), "each start belongs to one generator"
    assert result.times.latency == latency.quantiles()
    assert result.times.lag == lag.quantiles()


def test_samples_stay_with_the_agents_and_readers_cope(whole: Finished) -> None:
    assert not (whole.directory / "samples.parquet").exists()
    assert not (whole.directory / "samples.parts").exists()
    assert any("samples stay with them" in note for note in whole.result.notes)
    with Benchmark("report", str(whole.directory), directory=whole.directory) as report:
        assert report.finish().status == 0
    compared = read_run(str(whole.directory))
    assert compared.source == "histograms"
    assert compared.seconds.latencies is not None
    assert sum(map(len, compared.seconds.latencies)) > 20


async def test_the_control_workflow_has_ended_and_the_agents_are_free(
    whole: Finished, pool: tuple[list[Benchmark], Path], temporal_server, control: str
) -> None:
    client = await Client.connect(temporal_server.address, namespace=control)
    description = await client.get_workflow_handle(workflow_id(whole.result.manifest.run_id)).describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED
    history = await client.get_workflow_handle(workflow_id(whole.result.manifest.run_id)).fetch_history()
    assert len(history.events) < 150
    for one in pool[0]:
        await asyncio.to_thread(one.wait_until, functools.partial(_waits, one), 10, "waiting")
        assert not [child for child in psutil.Process(one.process.pid).children() if child.is_running()]


@pytest.mark.whole
def test_an_interrupt_stops_every_generator_and_leaves_a_result(
    temporal_server, control: str, pool: tuple[list[Benchmark], Path], workers: str, tmp_path: Path
) -> None:
    with run_of(
        temporal_server.address, tmp_path / "run", "--control-namespace", control, "--spread", "2",
        "--workload", "timer", "--timer-duration", "20s", "--target-rate", "10", "--duration", "60s",
        workers=workers,
    ) as run:  # fmt: skip
        run.wait_for("drive:")
        time.sleep(4)
        run.interrupt()
        ended = run.finish(60)
    result = ended.result
    assert ended.status == 4, ended.stderr
    assert result.interrupted
    assert result.cleanup.left_open == result.outcomes["unfinished"] > 10, account(result)
    assert result.cleanup.terminated_directly == result.cleanup.left_open, result.cleanup
    assert result.cleanup.remaining == 0
    assert result.outcomes["generator_limited"] == 0, account(result)
    assert result.reconciliation.status == "agreed", account(result)
    assert not any(process.lost for process in result.processes), account(result)
    assert result.windows[0].end_s == pytest.approx(result.duration_s)


@pytest.mark.whole
def test_a_second_interrupt_stops_at_once_and_sets_the_agents_free(
    temporal_server, control: str, pool: tuple[list[Benchmark], Path], workers: str, tmp_path: Path
) -> None:
    with run_of(
        temporal_server.address, tmp_path / "run", "--control-namespace", control, "--spread", "2",
        "--workload", "timer", "--timer-duration", "10s", "--target-rate", "10", "--duration", "60s",
        workers=workers,
    ) as run:  # fmt: skip
        run.wait_for("drive:")
        waits = [one.stderr.count(WAITS) for one in pool[0]]
        time.sleep(3)
        run.interrupt()
        run.wait_for("stopping")
        run.interrupt()
        ended = run.finish(20)
    assert ended.status == 4, ended.stderr
    assert ended.result.cleanup.commands
    assert not any(process.lost for process in ended.result.processes)
    for one, before in zip(pool[0], waits, strict=True):
        one.wait_until(lambda one=one, before=before: one.stderr.count(WAITS) > before, 15, "waiting again")
        assert "Traceback" not in one.stderr


def test_an_agent_of_another_target_is_refused_in_words(
    temporal_server, unique: str, workers: str, tmp_path: Path
) -> None:
    with (
        agents(1, temporal_server.address, tmp_path, "--namespace", "benchmark-other", "--control-namespace", unique),
        run_of(
            temporal_server.address, tmp_path / "run", "--control-namespace", unique, "--spread", "1", "--duration",
            "2s", workers=workers,
        ) as run,
    ):  # fmt: skip
        ended = run.finish(60)
    assert ended.status == 2, ended.stderr
    assert "in the namespace benchmark, but --namespace names benchmark-other" in ended.stderr
    assert not (ended.directory / "result.json").exists()


@pytest.mark.whole
def test_too_few_agents_end_the_run_before_it_begins(temporal_server, control, pool, workers, tmp_path: Path) -> None:
    """And wait for the next run, as those of the tests that follow."""
    waited = [one.stderr.count(WAITS) for one in pool[0]]
    with run_of(
        temporal_server.address, tmp_path / "run", "--control-namespace", control, "--spread", "3",
        "--worker-wait", "12s", "--duration", "2s", workers=workers,
    ) as run:  # fmt: skip
        ended = run.finish(60)
    assert ended.status == 3, ended.stderr
    assert "expected 3 generators to claim a part of the run, but 2 did within 12 s" in ended.stderr
    assert f"auroral bench generator --address {temporal_server.address}" in ended.stderr
    assert f"--control-namespace {control}" in ended.stderr
    assert not (ended.directory / "result.json").exists()
    for one, before in zip(pool[0], waited, strict=True):
        one.wait_until(lambda one=one, before=before: one.stderr.count(WAITS) > before, 15, "waiting again")


LEAVES = {
    signal.SIGTERM: (15.0, 0, "was stopped"),
    signal.SIGKILL: (HEARTBEAT_TIMEOUT_S + 8, -signal.SIGKILL, "nothing was heard of it for 15 s"),
}
"""How an agent goes: within how many seconds it is missed, its status, and what the verdict says of it."""


@pytest.mark.whole
@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL], ids=["stopped", "killed"]
)
def test_an_agent_that_goes_is_seen_and_its_share_dropped(
    temporal_server, control: str, workers: str, tmp_path: Path, how: signal.Signals
) -> None:
    """One agent more than the pool's, which goes about two seconds into the schedule, at 5/s."""
    within_s, status, reason = LEAVES[how]
    with (
        agents(1, temporal_server.address, tmp_path, "--control-namespace", control) as (leaving,),
        run_of(
            temporal_server.address, tmp_path / "run", "--control-namespace", control, "--spread", "3",
            "--target-rate", "15", "--duration", "10s", workers=workers,
        ) as run,
    ):  # fmt: skip
        run.wait_for("drive:")
        time.sleep(5)
        gone_s = time.monotonic()
        leaving.interrupt(how)
        run.wait_for("was lost", within_s + 2)
        assert time.monotonic() - gone_s < within_s
        ended = run.finish(60)
        assert leaving.process.wait(15) == status
    result = ended.result
    assert ended.status == 5, ended.stderr
    assert result.verdict.status == "inconclusive"
    assert result.scheduled == 150, account(result)
    assert [process.lost for process in result.processes if process.name.startswith("generator-")].count(True) == 1
    assert any(reason in given for given in result.verdict.reasons), result.verdict
    assert 20 <= result.outcomes["generator_limited"] <= 48, account(result)
    assert result.outcomes["completed"] + result.outcomes["generator_limited"] == 150, account(result)
    assert result.reconciliation.status == "agreed", account(result)
    assert {count.cause for count in result.causes} == {"its generator was lost"}


@pytest.mark.whole
def test_a_search_over_agents_drives_each_step_with_all_of_them(
    temporal_server, control: str, pool: tuple[list[Benchmark], Path], tmp_path: Path
) -> None:
    directory, (_, samples) = tmp_path / "search", pool
    with Benchmark(
        "search", "--address", temporal_server.address, "--worker-count", "1", "--metrics-port", "0", "--output",
        str(directory), "--control-namespace", control, "--spread", "2", "--slo", "latency.p99<10s", "--start-rate",
        "10", "--most-rate", "10", "--step", "5s", "--ramp", "0s", "--confirm", "5s", "--budget", "20s",
        directory=directory,
    ) as run:  # fmt: skip
        ended = run.finish()
    assert ended.status == 0, ended.stderr + ended.logs
    document = read_search(directory)
    assert document.answer is not None
    assert (document.answer.status, document.answer.rate_per_s) == ("above-most", 10)
    assert [step.measured.step.kind for step in document.steps] == ["bracket", "confirm"]
    agents_seen, workers_seen = [], set()
    for step in document.steps:
        result = decode_result((directory / step.directory / "result.json").read_bytes())
        assert result.verdict.status == "pass", account(result)
        assert result.outcomes["completed"] == result.scheduled == 50, account(result)
        assert result.manifest.run_id == step.run_id
        agents_seen.append({one.where for one in result.spread})
        workers_seen.add(result.workers.seen[0].where)
        kept = sorted(samples.glob(f"*/{step.run_id}/generator-*/samples.parquet"))
        assert [pq.read_metadata(path).num_rows for path in kept] == [25, 25]
    assert len(agents_seen[0]) == 2
    assert agents_seen[0] == agents_seen[1], "the same agents, which were free in between"
    assert len(workers_seen) == 1, "the same worker"


@pytest.mark.whole
async def test_a_control_cluster_of_its_own_and_the_other_engine(
    temporal_server, make_temporal_server: MakeTemporalServer, tmp_path: Path
) -> None:
    conducting = await make_temporal_server()
    there = ("--control-address", conducting.address, "--control-namespace", "conducting")

    def play() -> Finished:
        with (
            agents(1, temporal_server.address, tmp_path, *there, "--once", "--generator-processes", "2") as (one,),
            run_of(
                temporal_server.address, tmp_path / "run", *there, "--spread", "2", "--target-rate", "10",
                "--duration", "3s", "--engine", "wire",
            ) as run,
        ):  # fmt: skip
            ended = run.finish(60)
            assert one.finish(20).status == 0, "after one run it is done"
            return ended

    ended = await asyncio.to_thread(play)
    assert ended.status == 0, ended.stderr
    assert ended.result.outcomes["completed"] == 30
    assert ended.result.manifest.engine == "wire"
    assert f"conducted by {conducting.address}" in " ".join(ended.result.notes)
    target = await Client.connect(temporal_server.address)
    with pytest.raises(RPCError) as unseen:
        await target.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="conducting"))
    assert unseen.value.status is RPCStatusCode.NOT_FOUND


@pytest.mark.slow
async def test_generators_whose_coordinator_was_killed_stop_and_clean_up(
    temporal_server, unique: str, tmp_path: Path
) -> None:
    def play() -> None:
        with (
            agents(2, temporal_server.address, tmp_path, "--control-namespace", unique) as started,
            run_of(
                temporal_server.address, tmp_path / "run", "--control-namespace", unique, "--spread", "2",
                "--namespace", f"benchmark-{unique}", "--workload", "timer", "--timer-duration", "10m",
                "--target-rate", "5", "--duration", "5m",
            ) as run,
        ):  # fmt: skip
            run.wait_for("drive:")
            time.sleep(4)
            run.process.kill()
            for one in started:
                one.wait_until(
                    lambda one=one: one.stderr.rstrip().endswith("to claim a part of"), HEARTBEAT_TIMEOUT_S + 40, "free"
                )

    await asyncio.to_thread(play)
    client = await Client.connect(temporal_server.address, namespace=f"benchmark-{unique}")
    for _ in range(50):
        counted = await client.count_workflows("ExecutionStatus = 'Running'")
        if counted.count == 0:
            break
        await asyncio.sleep(0.2)
    assert counted.count == 0
    assert (
        await client.count_workflows("ExecutionStatus = 'Terminated' AND WorkflowType = 'auroral.workload'")
    ).count > 5


@pytest.mark.slow
def test_generators_that_gave_their_coordinator_up_are_lost_to_it(temporal_server, unique: str, tmp_path: Path) -> None:
    """A machine that slept, a network that was away: the coordinator lives, and its generators have stopped."""
    with (
        agents(2, temporal_server.address, tmp_path, "--control-namespace", unique) as started,
        run_of(
            temporal_server.address, tmp_path / "run", "--control-namespace", unique, "--spread", "2",
            "--target-rate", "10", "--duration", "60s",
        ) as run,
    ):  # fmt: skip
        run.wait_for("drive:")
        time.sleep(5)
        run.interrupt(signal.SIGSTOP)
        for one in started:
            one.wait_for("stopping: no further starts", HEARTBEAT_TIMEOUT_S + 15)
        run.interrupt(signal.SIGCONT)
        ended = run.finish(60)
    result = ended.result
    assert ended.status == 5, f"{ended.stderr} {account(result)}"
    assert [process.lost for process in result.processes if process.name.startswith("generator-")] == [True, True]
    assert any("nothing was heard of the coordinator for 15 s" in reason for reason in result.verdict.reasons)
    assert result.outcomes["completed"] > 50, account(result)
    assert result.reconciliation.status == "agreed", account(result)
