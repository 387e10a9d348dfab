from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request

from auroral.bench.telemetry import runtime_with_metrics


def test_each_runtime_has_a_metrics_port_of_its_own() -> None:
    first, first_port = runtime_with_metrics(enabled=True)
    second, second_port = runtime_with_metrics(enabled=True)
    assert first is not second
    assert first_port
    assert second_port
    assert first_port != second_port
    with urllib.request.urlopen(f"http://127.0.0.1:{first_port}/metrics", timeout=5) as response:
        assert response.status == 200


def test_without_metrics_there_is_no_port() -> None:
    _, port = runtime_with_metrics(enabled=False)
    assert port is None


def test_the_endpoint_is_not_open_to_the_network() -> None:
    _, port = runtime_with_metrics(enabled=True)
    assert port is not None
    with socket.socket() as other:
        # The same port on another loopback address is free: the endpoint listens on 127.0.0.1 alone.
        other.bind(("127.0.0.2", port))


def threads_of_a_runtime(**given: str) -> int:
    program = """
import os
from auroral.bench.telemetry import runtime_with_metrics
before = len(os.listdir("/proc/self/task"))
runtime, _ = runtime_with_metrics(enabled=False)
print(len(os.listdir("/proc/self/task")) - before)
"""
    environ = {name: value for name, value in os.environ.items() if name != "TOKIO_WORKER_THREADS"} | given
    ended = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, timeout=30, check=True)
    return int(ended.stdout)


def test_the_core_has_one_thread_unless_told_otherwise() -> None:
    one = threads_of_a_runtime(TOKIO_WORKER_THREADS="1")
    assert threads_of_a_runtime() == one
    assert threads_of_a_runtime(TOKIO_WORKER_THREADS="4") == one + 3
