"""Start, see and end a cluster that outlives the command: what `auroral local` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from auroral.errors import OutputError, TargetError, UsageError
from auroral.local.announce import Failed, Progress, Ready, decode, error_of
from auroral.local.health import why_unhealthy
from auroral.local.plan import ClusterOptions
from auroral.local.processes import alive, end_all, log_tail
from auroral.local.state import ClusterState, read_state
from auroral.local.supervisor import clear_remains
from auroral.temporal.toolchain import Report

DOWN_TIMEOUT_S = 90.0
"""The workers have 30 s to drain, then the other processes, the databases come after; then everything is killed."""
SUPERVISOR_LOG = "supervisor.log"
_POLL_S = 0.05


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster that should run is doing."""

    state: ClusterState
    unhealthy: dict[str, str]
    """What is wrong, by process; empty: all is well."""


async def up(directory: Path, options: ClusterOptions, *, report: Report, environ: Mapping[str, str]) -> ClusterState:
    """Start a cluster that outlives this process, and wait until it is ready; an interrupt ends it again.

    Raises `UsageError` where one runs in that directory already, and whatever keeps it from starting.
    """
    options.check()
    supervisor = _launch(directory, environ)
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    with supervisor.stdin as stdin, contextlib.suppress(BrokenPipeError):
        stdin.write(msgspec.json.encode(options))
    reader = asyncio.StreamReader()
    ready = False
    try:
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), supervisor.stdout)
        while line := await reader.readline():
            match decode(line):
                case Progress(line=text):
                    report(text)
                case Failed() as announced:
                    raise error_of(announced)
                case Ready():
                    ready = True
        state = read_state(directory)
        if not ready or state is None:
            raise TargetError(
                f"the local cluster ended while starting:\n{log_tail(directory / SUPERVISOR_LOG)}",
                hint=f"its logs are in {directory}",
            )
        return state
    finally:
        if not ready:
            await asyncio.shield(_end(supervisor))


async def down(directory: Path, *, report: Report) -> bool:
    """Drain and end the cluster of a directory; nothing of it is left. Whether there was one."""
    state = read_state(directory)
    if state is None:
        return False
    if clear_remains(directory, report=report):
        return True
    report(f"stopping {', '.join(process.name for process in state.processes) or 'a cluster that is starting'}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while alive(state.supervisor_pid, state.supervisor_started_s):
        if time.monotonic() > deadline:
            report(f"killing what has not ended after {DOWN_TIMEOUT_S:g} s")
            break
        await asyncio.sleep(_POLL_S)
    last = read_state(directory) or state
    end_all(
        [
            (state.supervisor_pid, state.supervisor_started_s),
            *((process.pid, process.started_s) for process in [*state.processes, *last.processes]),
        ]
    )
    clear_remains(directory)
    return True


async def standing(directory: Path) -> Standing | None:
    """Ask every process of the directory's cluster how it is; None: no cluster is up."""
    state = read_state(directory)
    if state is None:
        return None
    unhealthy = {}
    if not alive(state.supervisor_pid, state.supervisor_started_s):
        unhealthy["supervisor"] = "its process has ended without `auroral local down`"
    elif state.phase != "ready":
        unhealthy["supervisor"] = f"the cluster is {state.phase}"
    asked = []
    for process in state.processes:
        if not alive(process.pid, process.started_s):
            unhealthy[process.name] = "its process has ended"
        elif process.server is not None:
            asked.append(process.server)
    for server, reason in zip(asked, await asyncio.gather(*map(why_unhealthy, asked)), strict=True):
        if reason:
            unhealthy[server.name] = reason
    return Standing(state=state, unhealthy=unhealthy)


def log_files(directory: Path) -> dict[str, Path]:
    """The logs of a directory's cluster, by process; those of the last one where none runs."""
    found = {path.stem: path for path in sorted((directory / "logs").glob("*.log"))}
    if (directory / SUPERVISOR_LOG).exists():
        found["supervisor"] = directory / SUPERVISOR_LOG
    return found


def chosen_logs(directory: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """The logs that were asked for; none: all. Raises `UsageError` for a name that has no log."""
    logs = log_files(directory)
    if not logs:
        raise UsageError(f"there are no logs in {directory}", hint="auroral local up")
    unknown = [name for name in names if not any(_is_of(log, name) for log in logs)]
    if unknown:
        raise UsageError(f"expected one of {', '.join(logs)}, got {unknown[0]!r}")
    return {log: path for log, path in logs.items() if not names or any(_is_of(log, name) for name in names)}


def _is_of(log: str, name: str) -> bool:
    return log == name or log.rpartition("-")[0] == name  # `history` is every history


def _launch(directory: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        log = (directory / SUPERVISOR_LOG).open("ab")
    except OSError as error:
        raise OutputError(
            f"{directory} cannot be written: {error.strerror}", hint="name another: --directory"
        ) from error
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "auroral.local.supervisor", str(directory)],
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )


async def _end(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.poll() is None:
        supervisor.terminate()
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while supervisor.poll() is None:
        if time.monotonic() > deadline:
            supervisor.kill()
        await asyncio.sleep(_POLL_S)
