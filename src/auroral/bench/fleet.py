"""Child processes of a run: spawn, feed, listen, and see when one is lost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

from auroral.bench.manifest import Transport
from auroral.bench.protocol import ChildFailed, FromChild, Hello, Ready, decode_from_child, encode
from auroral.bench.result import ProcessUsage
from auroral.errors import AuroralError, ExitCode, LostProcessError

_T = TypeVar("_T")

_LINE_LIMIT_BYTES = 64 * 1024 * 1024
_TERMINATE_S = 5.0


class Child:
    """One child process: a module of ours run by the same interpreter."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.metrics_port: int | None = None
        self.note = ""
        """What it said of itself when it was ready."""
        self.transport: Transport | None = None
        """What it drives the API with, if it is a generator."""
        self.failure: ChildFailed | None = None
        self.expected_to_end = False
        self.broken: Exception | None = None
        """What went wrong on our side while listening to it."""
        self.heard_s = time.monotonic()
        self.on_frame: Callable[[Child, FromChild], None] | None = None
        self._process = process
        self._usage = psutil.Process(process.pid) if psutil.pid_exists(process.pid) else None
        self._cpu_s = 0.0
        self._cpu_before_s = 0.0
        self._max_rss_bytes = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def spawn(cls, module: str, name: str, log_path: Path, order: msgspec.Struct) -> Child:
        """Start `python -m module` in a session of its own and give it its order."""
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                limit=_LINE_LIMIT_BYTES,
            )
        child = cls(name, process, log_path)
        child.send(order)
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def silent_s(self) -> float:
        """For how long it has said nothing."""
        return time.monotonic() - self.heard_s

    @property
    def lost(self) -> bool:
        """Whether it has ended although nobody told it to."""
        return self.ended.is_set() and not self.expected_to_end

    def send(self, frame: msgspec.Struct) -> None:
        """Send a frame; one that is gone hears nothing."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(encode(frame))

    def measure(self) -> None:
        """Note what the process has used so far."""
        if self._usage is None:
            return
        with contextlib.suppress(psutil.Error):
            times = self._usage.cpu_times()
            self._cpu_s = times.user + times.system
            self._max_rss_bytes = max(self._max_rss_bytes, self._usage.memory_info().rss)

    def count_from_now(self) -> None:
        """What it has used until now is not the run's."""
        self.measure()
        self._cpu_before_s = self._cpu_s

    def usage(self) -> ProcessUsage:
        """What it used over the run."""
        detail = ""
        if self.lost:
            detail = self.failure.error if self.failure else f"ended with status {self._process.returncode}"
        return ProcessUsage(
            name=self.name,
            cpu_s=self._cpu_s - self._cpu_before_s,
            max_rss_bytes=self._max_rss_bytes,
            lost=self.lost,
            detail=detail,
            transport=self.transport,
        )

    def error(self) -> AuroralError:
        """The error to raise for a child that is lost."""
        if self.failure is not None:
            error = AuroralError(f"{self.name}: {self.failure.error}", hint=self.failure.hint)
            error.exit_code = ExitCode(self.failure.exit_code)
            return error
        return LostProcessError(
            f"{self.name} ended with status {self._process.returncode}{self._log_tail()}",
            hint=f"its log: {self.log_path}",
        )

    async def stop(self, grace_s: float) -> None:
        """Close its stdin, and end it the harder way when it does not go by itself."""
        self.expected_to_end = self.expected_to_end or not self.ended.is_set()
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.close()
        for end in (None, self._process.terminate, self._process.kill):
            with contextlib.suppress(ProcessLookupError):
                if end is not None:
                    end()
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
                break
            except TimeoutError:
                grace_s = _TERMINATE_S
        await self._listening

    def kill(self) -> None:
        """End it at once."""
        self.expected_to_end = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def abandon(self) -> None:
        """Give up on a child that has gone silent: it counts as lost, and is not listened to any more."""
        self.on_frame = None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                self.heard_s = time.monotonic()
                self._take(line)
        except Exception as error:  # an unwritable disk, a line beyond all bounds: the run must hear of it
            self.broken = error
            self.abandon()
        await self._process.wait()
        self.ended.set()

    def _take(self, line: bytes) -> None:
        try:
            frame = decode_from_child(line)
        except msgspec.DecodeError as error:
            self.failure = ChildFailed(error=f"said what is no frame: {line[:200]!r} ({error})")
            self.abandon()
            return
        match frame:
            case Hello(metrics_port=port):
                self.metrics_port = port
            case Ready(note=note, transport=transport):
                self.note = note
                self.transport = transport
                self.ready.set()
            case ChildFailed():
                self.failure = frame
        if self.on_frame is not None:
            self.on_frame(self, frame)

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log_path.read_text(errors="replace").strip().splitlines()
            if lines:
                return f": {lines[-1][:300]}"
        return ""


class Fleet:
    """All children of a run."""

    def __init__(self, log_path: Callable[[str], Path], *, lent: Sequence[Child] = ()) -> None:
        """`log_path` names the file for a child's stderr. `lent` workers outlive the run: others end them."""
        self._log_path = log_path
        self.generators: list[Child] = []
        self.workers: list[Child] = list(lent)
        self.lent = tuple(lent)
        for worker in lent:
            worker.count_from_now()

    @property
    def children(self) -> list[Child]:
        """Generators, then workers."""
        return [*self.generators, *self.workers]

    async def add_generator(self, order: msgspec.Struct) -> Child:
        """Start the next generator."""
        name = f"generator-{len(self.generators)}"
        child = await Child.spawn("auroral.bench.generator", name, self._log_path(name), order)
        self.generators.append(child)
        return child

    async def add_worker(self, name: str, order: msgspec.Struct) -> Child:
        """Start a worker."""
        child = await Child.spawn("auroral.bench.worker", name, self._log_path(name), order)
        self.workers.append(child)
        return child

    async def wait_ready(self) -> None:
        """Wait until all are ready. Raises the error of the first that ends instead."""
        await wait_each([child.ready for child in self.children], self.children)

    async def unless_one_ends(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work`. Raises the error of the first child that ends before, as nothing can come of it then."""
        working = asyncio.ensure_future(work)
        ends = {asyncio.ensure_future(child.ended.wait()): child for child in self.children}
        try:
            await asyncio.wait({working, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise next(child for end, child in ends.items() if end.done()).error()
        finally:
            for pending in (working, *ends):
                pending.cancel()
            await asyncio.gather(working, *ends, return_exceptions=True)

    def metrics_urls(self) -> dict[str, str]:
        """Where each live child shows its own metrics."""
        return {
            child.name: f"http://127.0.0.1:{child.metrics_port}/metrics"
            for child in self.children
            if child.metrics_port is not None and not child.ended.is_set()
        }

    def pids(self) -> dict[str, int]:
        """Process ids of the live children."""
        return {child.name: child.pid for child in self.children if not child.ended.is_set()}

    def measure(self) -> None:
        """Note what each has used so far."""
        for child in self.children:
            child.measure()

    async def stop(self, grace_s: float = 10.0) -> None:
        """End all of them but those lent."""
        await asyncio.gather(*(child.stop(grace_s) for child in self.children if child not in self.lent))


async def wait_each(events: Sequence[asyncio.Event], children: Sequence[Child]) -> None:
    """Wait for every event of its child. Raises the error of the first child that ends before."""

    async def one(event: asyncio.Event, child: Child) -> None:
        waits = [asyncio.create_task(event.wait()), asyncio.create_task(child.ended.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            raise child.error()

    await asyncio.gather(*(one(event, child) for event, child in zip(events, children, strict=True)))
