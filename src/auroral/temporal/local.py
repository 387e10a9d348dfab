"""Start a Temporal development server on this machine, and end it whatever happens to this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from auroral.errors import TargetError
from auroral.temporal.build import obtain_cli
from auroral.temporal.spec import ConnectionSpec

START_TIMEOUT_S = 30.0
_DYNAMIC_CONFIG: Mapping[str, Any] = {
    "system.enableActivityEagerExecution": True,
    # How long DescribeTaskQueue repeats its numbers, 5 s by default: a benchmark reads them each second.
    "matching.TaskQueueInfoByBuildIdTTL": "1s",
}
_STOP_TIMEOUT_S = 15.0  # the guard kills the server after 10
_POLL_S = 0.02


class LocalServer:
    """A running development server. `async with` stops it at the end."""

    def __init__(
        self,
        executable: Path,
        *,
        namespace: str,
        directory: Path,
        log_path: Path,
        db_filename: Path | None,
        dynamic_config: Mapping[str, Any],
        port: int | None,
    ) -> None:
        self.namespace = namespace
        self.log_path = log_path
        self.port = port or 0
        self.metrics_port = 0
        self.pid = 0
        """Of the server itself; it changes with a restart."""
        self._fixed_port = port is not None
        self._executable = executable
        self._directory = directory
        self._db_filename = db_filename
        self._dynamic_config = {**_DYNAMIC_CONFIG, **dynamic_config}
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Of the frontend, `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where the server's own Prometheus metrics are."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._guard is not None and self._guard.poll() is None

    async def __aenter__(self) -> LocalServer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the server's process and wait until it serves. Raises `TargetError` with the end of its log."""
        for attempt in range(3):
            self._launch()
            try:
                await self._until_serving(timeout_s)
            except TargetError:
                await self.stop()
                taken = "address already in use" in self._log_tail().lower()
                if attempt == 2 or self._fixed_port or not taken:
                    raise
            except BaseException:
                await self.stop()
                raise
            else:
                # A restart takes the same port: clients keep their address.
                self._fixed_port = True
                return

    async def stop(self) -> None:
        """End the server's process and wait for that. Harmless where it has ended."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        assert guard.stdin is not None
        with contextlib.suppress(OSError):
            guard.stdin.close()
        if not await _ended(guard, _STOP_TIMEOUT_S):
            self._signal(signal.SIGKILL)
            guard.kill()
            await _ended(guard, _STOP_TIMEOUT_S)

    async def kill(self) -> None:
        """Kill the server's process as a crash would, and wait for that."""
        self._signal(signal.SIGKILL)
        if self._guard is not None:
            await _ended(self._guard, _STOP_TIMEOUT_S)
        await self.stop()

    async def restart(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start again on the same port and database file, ending what still runs."""
        await self.stop()
        await self.start(timeout_s=timeout_s)

    def pause(self) -> None:
        """Stop the server's process in its tracks (SIGSTOP)."""
        import psutil

        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + 1.0
        # Its threads run on for a moment: the signal stops them one by one.
        while self.running and psutil.Process(self.pid).status() != psutil.STATUS_STOPPED:
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:  # else the id may be another process's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _launch(self) -> None:
        ports = _free_ports(3)
        if not self._fixed_port:
            self.port = ports[0]
        self.metrics_port = self.metrics_port if self._fixed_port and self.metrics_port else ports[1]
        command = [str(self._executable), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
        command += ["--port", str(self.port), "--metrics-port", str(self.metrics_port), "--http-port", str(ports[2])]
        command += ["--namespace", self.namespace, "--log-level", "warn"]
        if self._db_filename is not None:
            command += ["--db-filename", str(self._db_filename)]
        for key, value in self._dynamic_config.items():
            command += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
        self._directory.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "auroral.temporal.guard", "--", *command],
                cwd=self._directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for us: the server is needed for the drain
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as announced:
            self.pid = int(announced.readline() or 0)

    async def _until_serving(self, timeout_s: float) -> None:
        from auroral.temporal.connect import connect

        deadline = time.monotonic() + timeout_s
        connection = ConnectionSpec(address=self.address, namespace=self.namespace, connect_timeout_s=timeout_s)
        reason = "it does not listen"
        while time.monotonic() < deadline:
            if not self.running:
                raise TargetError(
                    f"the local Temporal server ended while starting:\n{self._log_tail()}",
                    hint=f"its whole log is {self.log_path}",
                )
            if not _listens(self.pid, self.port):
                await asyncio.sleep(_POLL_S)
                continue
            try:
                client = await connect(connection, retry=False)
                reason = await _why_not_serving(client, self.namespace)
            except TargetError as error:
                reason = error.message
            if not reason:
                return
            await asyncio.sleep(_POLL_S)
        raise TargetError(
            f"the local Temporal server does not serve after {timeout_s:g} s: {reason}\n{self._log_tail()}",
            hint=f"its whole log is {self.log_path}",
        )

    def _log_tail(self, lines: int = 15) -> str:
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error.strerror})"
        return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])


async def start_local(
    *,
    namespace: str,
    directory: Path,
    log_path: Path,
    report: Callable[[str], None],
    db_filename: Path | None = None,
    dynamic_config: Mapping[str, Any] | None = None,
    port: int | None = None,
    executable: str | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
) -> LocalServer:
    """Start a development server with `namespace`, finding or building it first; `report` gets each step.

    It keeps its data in memory unless `db_filename` is given. `dynamic_config` values are written as JSON.
    `executable` names a Temporal CLI to use instead of looking for one. Raises `TargetError`.
    """
    found = await obtain_cli(report=report, given=executable or None)
    server = LocalServer(
        found,
        namespace=namespace,
        directory=directory,
        log_path=log_path,
        db_filename=db_filename,
        dynamic_config=dynamic_config or {},
        port=port,
    )
    report(f"starting a local Temporal server ({found})")
    await server.start(timeout_s=start_timeout_s)
    report(f"a local Temporal server serves at {server.address}")
    return server


async def _why_not_serving(client: Any, namespace: str) -> str:
    from datetime import timedelta

    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError

    second = timedelta(seconds=1)
    try:
        if not await client.service_client.check_health(timeout=second):
            return "its health is NOT_SERVING"
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace), timeout=second)
    except RPCError as error:
        return f"{error.status.name}: {error.message}"
    return ""


def _listens(pid: int, port: int) -> bool:
    """Whether that very process listens: an answer on the port may come from another server."""
    import psutil

    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


async def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for a process without a thread and without belonging to one event loop."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
