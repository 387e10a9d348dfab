from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.manifest import LANGUAGE_VERSION, WorkerIdentity
from auroral.bench.protocol import ChildFailed, FromChild, Hello, WorkerOrder, decode_from_child, encode
from auroral.bench.settings import WorkerSettings
from auroral.bench.worker import identity_of, options_for
from auroral.temporal.spec import ConnectionSpec


def order(*, port: int = 1, timeout_s: float = 1.0, queues: int = 1, metrics: bool = False) -> WorkerOrder:
    return WorkerOrder(
        connection=ConnectionSpec(address=f"127.0.0.1:{port}", namespace="benchmark", connect_timeout_s=timeout_s),
        task_queues=[f"q-{number}" for number in range(queues)],
        settings=WorkerSettings(),
        max_concurrent_activities=1_000,
        engine="sdk",
        name="worker-0",
        metrics=metrics,
    )


def test_one_queue_gets_the_settings() -> None:
    (options,) = options_for(order())
    assert msgspec.structs.asdict(options) == {
        "workflow_tasks": 200,
        "activities": 1_000,
        "local_activities": 200,
        "workflow_pollers": 32,
        "activity_pollers": 32,
        "cached_workflows": 2_000,
    }


@given(st.integers(1, 16))
def test_several_queues_share_so_that_the_sum_is_the_setting(queues: int) -> None:
    options = options_for(order(queues=queues))
    assert len(options) == queues
    assert sum(one.workflow_tasks for one in options) == 200
    assert sum(one.activities for one in options) == 1_000
    assert sum(one.local_activities for one in options) == 200
    assert sum(one.workflow_pollers for one in options) == 32
    assert sum(one.activity_pollers for one in options) == 32
    assert sum(one.cached_workflows for one in options) == 2_000
    assert max(one.activities for one in options) - min(one.activities for one in options) <= 1


def test_no_queue_gets_less_than_the_sdk_needs() -> None:
    options = options_for(order(queues=300))
    assert {one.workflow_tasks for one in options} == {2}
    assert {one.workflow_pollers for one in options} == {2}
    assert min(one.local_activities for one in options) == 1


def test_a_cache_that_is_switched_off_stays_so() -> None:
    without = msgspec.structs.replace(order(queues=3), settings=WorkerSettings(max_cached_workflows=0))
    assert {one.cached_workflows for one in options_for(without)} == {0}


def test_the_identity_says_what_the_preflight_compares() -> None:
    identity = identity_of(order(), pid=17, host="here")
    assert WorkerIdentity.parse(str(identity)) == identity
    assert identity.language_version == LANGUAGE_VERSION
    assert identity.slots == (200, 1_000, 200)
    assert (identity.pollers, identity.nonsticky_ratio, identity.eager_activities) == ((32, 32), 0.5, 100)
    assert identity.manifest_digest == "-"
    assert identity.where == "17@here"


def test_the_identity_names_the_manifest_that_the_worker_was_given() -> None:
    of_a_run = msgspec.structs.replace(
        order(), manifest_digest="0123456789ab", settings=WorkerSettings(eager_activities=False)
    )
    identity = identity_of(of_a_run, pid=17, host="here")
    assert ";manifest=0123456789ab;" in str(identity)
    assert identity.eager_activities == 0


class Worker:
    """A worker process, seen from its parent."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "auroral.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def tell(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self) -> FromChild:
        assert self.process.stdout is not None
        return decode_from_child(self.process.stdout.readline())

    def end_of_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self) -> tuple[int, list[FromChild], str]:
        """Status, what it said last, and its stderr."""
        stdin, self.process.stdin = self.process.stdin, None
        stdout, stderr = self.process.communicate(timeout=20)
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.close()
        return self.process.returncode, [decode_from_child(line) for line in stdout.splitlines()], stderr.decode()


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else gets it, and refusing connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_target_that_refuses_is_told_with_status_3_and_no_traceback(worker: Worker, closed_port: int) -> None:
    worker.tell(encode(order(port=closed_port)))
    status, frames, stderr = worker.ended()
    assert status == 3
    assert isinstance(frames[0], Hello)
    assert frames[0].metrics_port is None
    (failed,) = frames[1:]
    assert isinstance(failed, ChildFailed)
    assert f"127.0.0.1:{closed_port}" in failed.error
    assert failed.hint
    assert failed.exit_code == 3
    assert stderr == ""


def test_metrics_are_served_from_the_first_word_on(worker: Worker, closed_port: int) -> None:
    worker.tell(encode(order(port=closed_port, timeout_s=30, metrics=True)))
    hello = worker.hear()
    assert isinstance(hello, Hello)
    assert hello.pid == worker.process.pid
    assert hello.metrics_port is not None
    with socket.create_connection(("127.0.0.1", hello.metrics_port), timeout=5):
        pass
    worker.end_of_input()
    assert worker.ended()[0] == 0


def test_the_end_of_input_ends_it_while_it_connects(worker: Worker, closed_port: int) -> None:
    worker.tell(encode(order(port=closed_port, timeout_s=600)))
    worker.hear()
    worker.end_of_input()
    began = time.monotonic()
    status, frames, stderr = worker.ended()
    assert (status, frames, stderr) == (0, [], "")
    assert time.monotonic() - began < 5


def test_it_keeps_trying_until_the_target_comes_up(worker: Worker) -> None:
    """A listener that comes late and then hangs up: it is asked at least twice."""

    async def listen() -> int:
        called = 0
        enough = asyncio.Event()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal called
            called += 1
            writer.close()
            if called >= 2:
                enough.set()

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            worker.tell(encode(order(port=port, timeout_s=30)))
            await asyncio.to_thread(worker.hear)
        async with await asyncio.start_server(hang_up, "127.0.0.1", port):
            await asyncio.wait_for(enough.wait(), 20)
        return called

    assert asyncio.run(listen()) >= 2
    worker.end_of_input()
    assert worker.ended()[0] == 0


def test_interrupts_are_the_parents_business_and_sigterm_ends_it(worker: Worker, closed_port: int) -> None:
    worker.tell(encode(order(port=closed_port, timeout_s=600)))
    worker.hear()
    os.kill(worker.process.pid, 2)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(timeout=0.3)
    worker.process.terminate()
    status, _, stderr = worker.ended()
    assert (status, stderr) == (0, "")


def test_an_order_that_cannot_be_read(worker: Worker) -> None:
    worker.tell(b"{}\n")
    status, (failed,), stderr = worker.ended()
    assert status == 2
    assert isinstance(failed, ChildFailed)
    assert "expected a worker's order" in failed.error
    assert stderr == ""


def test_no_order_at_all(worker: Worker) -> None:
    worker.end_of_input()
    assert worker.ended() == (0, [], "")
