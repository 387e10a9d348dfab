"""The SDK's own metrics of one process: a runtime whose Prometheus endpoint has a port of its own."""

from __future__ import annotations

import logging
import os
import socket

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from auroral.errors import TargetError

_ATTEMPTS = 20
_CORE_THREADS = "TOKIO_WORKER_THREADS"
"""How many threads the SDK's core runs its tasks on: by itself as many as there are cores."""
# By itself the SDK's core logs to stdout, in colour.
_LOGGING = LoggingConfig(
    filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
    forwarding=LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, prepend_target_on_message=False
    ),
)


def runtime_with_metrics(*, enabled: bool) -> tuple[Runtime, int | None]:
    """Make an SDK runtime; return it with the port of its metrics on the loopback address, or None.

    The SDK cannot be asked which port it got, so a free one is chosen first; where another process takes it in
    between, the next is tried. Raises `TargetError` when none can be bound.
    """
    # One keeps up with all that a Python process can ask of it, and wakes no other: 5 % of the CPU at 40 workflows/s.
    os.environ.setdefault(_CORE_THREADS, "1")
    if not enabled:
        return Runtime(telemetry=TelemetryConfig(logging=_LOGGING)), None
    failure = ""
    for _ in range(_ATTEMPTS):
        port = _free_port()
        telemetry = TelemetryConfig(
            logging=_LOGGING,
            metrics=PrometheusConfig(
                bind_address=f"127.0.0.1:{port}",
                # The names that Prometheus' conventions and the Go SDK give these metrics.
                counters_total_suffix=True,
                unit_suffix=True,
                durations_as_seconds=True,
            ),
        )
        try:
            return Runtime(telemetry=telemetry), port
        except (RuntimeError, ValueError) as error:
            failure = str(error)
    raise TargetError(f"no port for the SDK's metrics could be bound in {_ATTEMPTS} attempts: {failure}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
