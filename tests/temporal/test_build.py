"""The Temporal CLI is found, or got by the first way that works, once."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from auroral.errors import OutputError, TargetError, UsageError
from auroral.temporal import build, toolchain
from auroral.temporal.build import obtain_cli
from auroral.temporal.toolchain import Way

GOOD = "#!/bin/sh\necho temporal version 1.2.3\n"


def executable(path: Path, text: str = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def way(name: str, text: str = GOOD) -> Way:
    async def get(folder: Path, report: Callable[[str], None]) -> Path:
        return executable(folder / "made", text)

    return Way(name, get)


def broken(name: str, command: list[str]) -> Way:
    async def get(folder: Path, report: Callable[[str], None]) -> Path:
        await toolchain.run(command, name, report, timeout_s=5)
        raise AssertionError

    return Way(name, get)


def silent(line: str) -> None:
    pass


async def test_a_named_one_is_taken(tmp_path: Path) -> None:
    given = executable(tmp_path / "mine")
    assert await obtain_cli(report=silent, given=str(given)) == given
    for text, fault in ((GOOD.replace("temporal", "other"), "`--version` says 'other version"), ("#!/bin/false\n", "")):
        other = executable(tmp_path / "other", text)
        with pytest.raises(UsageError, match=f"is no Temporal CLI: {fault}") as caught:
            await obtain_cli(report=silent, given=str(other))
        assert "AURORAL_TEMPORAL_CLI" in caught.value.hint
    with pytest.raises(UsageError, match="no such file"):
        await obtain_cli(report=silent, given="/no/such/temporal")


async def test_path_then_cache_then_the_ways(tmp_path: Path) -> None:
    on_path, cache = executable(tmp_path / "bin" / "temporal"), tmp_path / "cache"
    assert await obtain_cli(report=silent, cache=cache, search_path=str(on_path.parent), ways=[]) == on_path
    assert not cache.exists()

    empty = str(tmp_path / "empty")
    lines: list[str] = []
    made = await obtain_cli(
        report=lines.append,
        cache=cache,
        search_path=empty,
        ways=[
            broken("the first", [sys.executable, "-c", "import sys; sys.exit('offline')"]),
            way("one that makes nonsense", "#!/bin/sh\necho nonsense\n"),
            way("the third"),
            way("never needed", "#!/bin/sh\nexit 1\n"),
        ],
    )
    assert made.is_relative_to(cache)
    assert any("trying the third" in line for line in lines)
    assert "the first: offline" in lines
    assert await obtain_cli(report=silent, cache=cache, search_path=empty, ways=[]) == made
    assert sorted(path.name for path in made.parent.iterdir()) == ["lock", "temporal"]  # no scratch left


async def test_where_nothing_works_each_failure_is_told(tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        await obtain_cli(
            report=silent,
            cache=tmp_path,
            search_path=str(tmp_path),
            ways=[
                broken("way one", [sys.executable, "-c", "import sys; sys.exit('offline')"]),
                broken("way two", ["/no/such/go"]),
            ],
        )
    assert "`temporal` on PATH: not found" in caught.value.message
    assert "way one: offline" in caught.value.message
    assert "way two: cannot run /no/such/go: No such file or directory" in caught.value.message
    assert "--address" in caught.value.hint


async def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot keep the Temporal CLI in"):
        await obtain_cli(report=silent, cache=tmp_path / "cache", search_path="", ways=[way("any")])


def test_two_processes_build_once(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, pathlib, sys
        from auroral.temporal.build import obtain_cli
        from auroral.temporal.toolchain import Way
        root = pathlib.Path(sys.argv[1])
        async def get(folder, report):
            with (root / "builds").open("a") as file:
                file.write("built ")
            await asyncio.sleep(0.5)
            made = folder / "made"
            made.write_text("#!/bin/sh\\necho temporal version 1\\n")
            made.chmod(0o755)
            return made
        print(asyncio.run(obtain_cli(report=lambda line: None, cache=root / "cache", search_path="",
                                     ways=[Way("slowly", get)])))
        """
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = {process.communicate(timeout=30)[0] for process in both}
    assert len(answers) == 1
    assert (tmp_path / "builds").read_text() == "built "


async def test_a_long_build_reports_all_the_time_and_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "REPORT_EVERY_S", 0.05)
    lines: list[str] = []
    command = ["sh", "-c", "echo go: downloading a v1; echo go: downloading b v2; echo a/x; sleep 60"]
    started = time.monotonic()
    with pytest.raises(toolchain.WayFailed, match="not done after 1 s"):
        await toolchain.run(command, "building", lines.append, timeout_s=1, summarize=toolchain.summarize_go)
    assert time.monotonic() - started < 5  # its sleeping child is gone too: the session's end checks that
    assert len(lines) >= 5  # of twenty, on a machine that does nothing else
    assert re.fullmatch("building: [01] s, 2 modules downloaded, 1 packages compiled", lines[-1])


async def test_a_canceled_build_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "REPORT_EVERY_S", 0.05)
    reported: asyncio.Queue[str] = asyncio.Queue()
    command = ["sh", "-c", "sleep 60 & echo $!; wait"]
    task = asyncio.create_task(toolchain.run(command, "building", reported.put_nowait, timeout_s=60))
    line = ""
    while "," not in line:
        line = await reported.get()
    sleeping = psutil.Process(int(line.rpartition(" ")[2]))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        if not sleeping.is_running() or sleeping.status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.02)
    pytest.fail("a child of the build is left")


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_go_on_path_builds_a_server_that_serves(tmp_path: Path) -> None:
    """With an empty cache of auroral's; what Go has in its own caches stays there."""
    from auroral.temporal.local import start_local

    reports: list[float] = []

    def report(line: str) -> None:
        print(line)
        reports.append(time.monotonic())

    made = await build.build_with_path_go(tmp_path, report)
    assert max(later - earlier for earlier, later in itertools.pairwise(reports)) < 5
    server = await start_local(
        namespace="benchmark",
        directory=tmp_path,
        log_path=tmp_path / "log",
        report=print,
        executable=str(made),
    )
    await server.stop()


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_go_from_its_wheel_works(tmp_path: Path) -> None:
    go = await toolchain.wheel_go(tmp_path, print)
    ran = await asyncio.to_thread(subprocess.run, [str(go), "version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"go version go{toolchain.GO_WHEEL_VERSION}")
    program = tmp_path / "main.go"
    await asyncio.to_thread(program.write_text, 'package main\nfunc main() { println("built") }\n')
    ran = await asyncio.to_thread(
        subprocess.run, [str(go), "run", str(program)], capture_output=True, text=True, check=True
    )
    assert ran.stderr == "built\n"
    assert await toolchain.wheel_go(tmp_path, print) == go
