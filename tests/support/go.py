"""Build and run the Go module's tests from pytest: a result for each of them, and no pass where nothing ran."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auroral.temporal.toolchain import default_cache, wheel_go

SERVER = Path(__file__).resolve().parents[2] / "server"
_RESULT = re.compile(r"^(\s*)--- (PASS|FAIL|SKIP): (\S+)")


@dataclass
class GoResults:
    """What a run of Go tests said of each test, the parents of subtests included."""

    status: int
    output: str
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def leaves(self) -> int:
        """How many tests without subtests passed."""
        parents = {name.rsplit("/", 1)[0] for name in [*self.passed, *self.failed, *self.skipped] if "/" in name}
        return sum(name not in parents for name in self.passed)

    def assert_passed(self, *, at_least: int) -> None:
        """All passed, none was skipped, and there were as many as expected."""
        problems = "\n".join(self.output.splitlines()[-80:])
        assert self.status == 0, f"failed: {self.failed}\n{problems}"
        assert not self.failed, self.failed
        assert not self.skipped, self.skipped
        assert self.leaves >= at_least, f"{self.leaves} tests ran, expected {at_least}\n{problems}"
        print(f"{self.leaves} Go tests passed")


def go_environment() -> dict[str, str]:
    """The environment in which Go fetches the toolchain that the module asks for."""
    return {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": "-buildvcs=false"}


def go(*arguments: str, environment: Mapping[str, str] | None = None, timeout_s: float = 1500) -> GoResults:
    """Run the `go` command in the server module."""
    return _run([_go(), *arguments], SERVER, {**go_environment(), **(environment or {})}, timeout_s)


def build_tests(package: str, into: Path, *, tags: str = "live") -> Path:
    """Compile the tests of a package into an executable."""
    executable = into / f"{package.strip('./').replace('/', '-')}.test"
    # Without the tables of a debugger, as `go test` itself links what it runs and throws away.
    built = go("test", "-c", "-ldflags=-s -w", "-tags", tags, "-o", str(executable), package)
    assert built.status == 0, built.output
    return executable


def run_tests(
    executable: Path,
    package: str,
    *arguments: str,
    environment: Mapping[str, str],
    timeout_s: float = 1500,
) -> GoResults:
    """Run compiled tests in their package's directory."""
    command = [str(executable), "-test.v", f"-test.timeout={timeout_s:g}s", *arguments]
    return _run(command, SERVER / package, {**os.environ, **environment}, timeout_s + 30)


@functools.cache
def _go() -> str:
    """The Go on PATH, else that of the wheel, as the product itself finds it."""
    if found := shutil.which("go"):
        return found
    cache = default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    return str(asyncio.run(wheel_go(cache, print)))


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float) -> GoResults:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        text=True,
        errors="replace",
        check=False,
    )
    results = GoResults(done.returncode, done.stdout)
    into = {"PASS": results.passed, "FAIL": results.failed, "SKIP": results.skipped}
    for line in done.stdout.splitlines():
        if match := _RESULT.match(line):
            into[match[2]].append(match[3])
    return results
