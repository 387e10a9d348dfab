"""A worker process of either engine, as the live tests run it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auroral.bench.exposition import samples
from auroral.bench.protocol import Hello, Ready, WorkerOrder, decode_from_child, encode
from auroral.bench.scrape import fetch
from auroral.bench.settings import WorkerSettings
from auroral.temporal.spec import ConnectionSpec

_LABELS = ("worker_type", "poller_type", "operation")


class Worker:
    """A worker process of either engine, on a task queue of its own."""

    def __init__(self, address: str, engine: str, *, task_queue: str = "", slots: int = 50, **settings: Any) -> None:
        self.task_queue = task_queue or f"wire-{engine}-{uuid.uuid4().hex[:8]}"
        order = WorkerOrder(
            connection=ConnectionSpec(address=address, namespace="benchmark"),
            task_queues=[self.task_queue],
            settings=WorkerSettings(**settings),
            max_concurrent_activities=slots,
            engine=engine,
            name="worker-0",
            metrics=True,
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "auroral.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(encode(order))
        self.process.stdin.flush()
        hello = decode_from_child(self.process.stdout.readline())
        assert isinstance(hello, Hello)
        self.metrics_url = f"http://127.0.0.1:{hello.metrics_port}/metrics"
        assert isinstance(decode_from_child(self.process.stdout.readline()), Ready)

    def readings(self, *prefixes: str) -> dict[str, float]:
        """Metrics by name and by their last label's value."""
        found = samples(fetch(self.metrics_url, 5.0), prefixes)
        return {
            "/".join([name, *(labels[key] for key in _LABELS if key in labels)]): value for name, labels, value in found
        }

    def end(self) -> tuple[int, str]:
        """End it in good order; its status and what it wrote."""
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors.decode()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(address: str, engine: str = "wire", **options: Any) -> Iterator[Worker]:
    """A worker that ends by itself, silently and with status 0, or is killed by the test."""
    worker = Worker(address, engine, **options)
    try:
        yield worker
        if worker.process.poll() is None:
            assert worker.end() == (0, "")
    finally:
        if worker.process.poll() is None:
            worker.kill()
