"""Whole runs through the HTTP/2 proxies that stand in front of clusters: peers that are no gRPC library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benchmark import bench
from tests.support.proxies import PROGRAMS, proxy

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("engine", ["sdk", "wire"])
@pytest.mark.parametrize("kind", PROGRAMS)
def test_every_start_and_close_comes_through(temporal_server, tmp_path: Path, kind: str, engine: str) -> None:
    """Some 160 polls at a time, more than either takes on one connection, and more than 1,000 calls in all."""
    with proxy(kind, temporal_server.address, tmp_path / kind) as (address, environ):
        finished = bench(
            "--address", address, "--tls", "--engine", engine, "--workload", "timer", "--timer-duration", "8s",
            "--target-rate", "20", "--duration", "30s", "--worker-count", "1", "--settle-timeout", "20s",
            directory=tmp_path / "run", environ=environ, timeout_s=180,
        )  # fmt: skip
    result = finished.result
    assert finished.status == 0, finished.stderr + finished.logs
    assert result.outcomes["completed"] == result.scheduled == 600, result.causes
    assert result.reconciliation.status == "agreed"
    assert result.observed.watched == 600
    assert not [note for note in result.notes if "own transport" in note]
