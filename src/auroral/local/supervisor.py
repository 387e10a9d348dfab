"""Hold a cluster until told to end it: `python -m auroral.local.supervisor DIRECTORY`, options as JSON on stdin.

It has a session of its own and outlives `auroral local up`, which reads its announcements from its stdout. SIGTERM
ends the cluster. Should it be killed, every process of the cluster ends as well: each has a guard that it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from auroral.errors import AuroralError, UsageError
from auroral.local.announce import Announcement, Progress, Ready, encode, failed
from auroral.local.cluster import LocalCluster
from auroral.local.plan import HOST, ClusterOptions
from auroral.local.processes import alive, end_all, started_s
from auroral.local.state import ClusterState, Phase, ProcessState, read_state, remove_state, write_state
from auroral.temporal.toolchain import Report

LOCK = "lock"


class _Supervisor:
    def __init__(self, directory: Path, options: ClusterOptions) -> None:
        self._directory = directory
        self._options = options
        self._phase = Phase.STARTING
        self._cluster = LocalCluster(directory, options, report=self._report, changed=self._write)

    async def run(self) -> None:
        """Clear what an earlier cluster left, start, and hold it until a signal."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        clear_remains(self._directory, report=self._report)
        self._write()
        stopping = asyncio.create_task(stop.wait())
        starting = asyncio.create_task(self._cluster.start())
        try:
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
                return
            starting.result()
            self._phase = Phase.READY
            self._write()
            announce(Ready())
            _close_stdout()
            await stopping
            self._phase = Phase.STOPPING
            self._write()
            await self._cluster.stop()
        finally:
            stopping.cancel()
            remove_state(self._directory)

    def _report(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
        announce(Progress(line))

    def _write(self) -> None:
        cluster = self._cluster
        plan = {one.name: one for one in cluster.plan}
        processes = [
            ProcessState(
                name=part.name,
                pid=part.pid,
                started_s=started_s(part.pid),
                address=part.address,
                log_path=part.log_path,
            )
            for part in cluster.store_parts()
        ]
        processes += [
            ProcessState(
                name=process.name,
                pid=process.pid,
                started_s=process.started_s,
                address=f"{HOST}:{plan[process.name].grpc_port}",
                log_path=str(process.log_path),
                server=plan[process.name],
            )
            for process in cluster.started()
        ]
        write_state(
            self._directory,
            ClusterState(
                phase=self._phase,
                supervisor_pid=os.getpid(),
                supervisor_started_s=started_s(os.getpid()),
                options=self._options,
                address=cluster.address if cluster.plan else "",
                control_url=cluster.control_url,
                processes=processes,
            ),
        )


def clear_remains(directory: Path, *, report: Report = lambda line: None) -> bool:
    """End what is left of a cluster whose supervisor is gone, and forget it. Whether there was one."""
    state = read_state(directory)
    if state is None or alive(state.supervisor_pid, state.supervisor_started_s):
        return False
    report("clearing the state of a cluster that ended without `auroral local down`")
    end_all([(process.pid, process.started_s) for process in state.processes])
    remove_state(directory)
    return True


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    with (directory / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"a local cluster is running in {directory} already", hint="auroral local status, or auroral local down"
            ) from error
        yield


def announce(announcement: Announcement) -> None:
    """Tell whoever started us, if anyone still listens."""
    with contextlib.suppress(OSError, ValueError):
        os.write(1, encode(announcement))


def _close_stdout() -> None:
    """Whoever waits for the end of our stdout has it; what is written later goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def main(arguments: list[str]) -> int:
    """Run; return the exit status."""
    directory = Path(arguments[0])
    options = msgspec.json.decode(sys.stdin.buffer.read(), type=ClusterOptions)
    try:
        with _only_one(directory):
            asyncio.run(_Supervisor(directory, options).run())
    except AuroralError as error:
        sys.stderr.write(f"error: {error}\n")
        announce(failed(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of the SDK's core may call Python while the interpreter ends
