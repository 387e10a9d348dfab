"""Children of a run: real processes, one of them a generator's stand-in written for the test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from auroral.bench import fleet as fleet_module
from auroral.bench.fleet import Child, Fleet, wait_each
from auroral.bench.protocol import StopSchedule
from auroral.errors import AuroralError, ExitCode, LostProcessError

BODIES = {
    "obedient": "sum(range(3_000_000))\n"
    'print(\'{"type":"Hello","pid":1,"metrics_port":4242}\', flush=True)\n'
    'print(\'{"type":"Ready","note":"took another way","transport":"sdk"}\', flush=True)\nsys.stdin.read()\n',
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    'print(\'{"type":"Ready"}\', flush=True)\ntime.sleep(600)\n',
    "unhappy": 'print(\'{"type":"ChildFailed","error":"no such place","hint":"look","exit_code":3}\', flush=True)\n'
    "sys.exit(3)\n",
    "crashing": "sys.stderr.write('Traceback: boom\\n'); sys.exit(1)\n",
    "babbling": "print('hello, world', flush=True)\nsys.stdin.read()\n",
}


@pytest.fixture
def spawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, body in BODIES.items():
        (tmp_path / f"{name}.py").write_text("import signal, sys, time\nsys.stdin.readline()\n" + body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def spawn(name: str) -> Child:
        return await Child.spawn(name, name, tmp_path / f"{name}.log", StopSchedule(drain_timeout_s=0))

    return spawn


async def test_a_child_says_hello_and_goes_when_its_stdin_closes(spawn) -> None:
    child = await spawn("obedient")
    await wait_each([child.ready], [child])
    assert child.metrics_port == 4242
    assert child.note == "took another way"
    child.measure()
    await child.stop(10)
    assert child.ended.is_set()
    assert not child.lost
    usage = child.usage()
    assert usage.transport == "sdk"
    assert usage.cpu_s > 0
    assert usage.max_rss_bytes > 1_000_000


async def test_a_stubborn_child_is_ended_the_hard_way(spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "_TERMINATE_S", 0.1)
    child = await spawn("stubborn")
    await wait_each([child.ready], [child])
    await child.stop(0.1)
    assert not psutil.pid_exists(child.pid) or psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not child.lost


async def test_what_a_child_says_of_its_failure_is_the_error(spawn) -> None:
    child = await spawn("unhappy")
    with pytest.raises(AuroralError, match="no such place") as caught:
        await wait_each([child.ready], [child])
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert caught.value.hint == "look"
    await child.stop(1)


async def test_a_crash_is_a_lost_process_with_its_last_words(spawn) -> None:
    child = await spawn("crashing")
    with pytest.raises(LostProcessError, match="boom"):
        await wait_each([child.ready], [child])
    assert child.lost
    assert "status 1" in child.usage().detail
    await child.stop(1)


async def test_a_child_that_says_no_frame_is_lost(spawn) -> None:
    child = await spawn("babbling")
    with pytest.raises(AuroralError, match="no frame"):
        await wait_each([child.ready], [child])
    await child.stop(1)


async def test_a_killed_child_is_noticed(spawn) -> None:
    child = await spawn("obedient")
    await wait_each([child.ready], [child])
    psutil.Process(child.pid).kill()
    async with asyncio.timeout(10):
        await child.ended.wait()
    assert child.lost
    await child.stop(1)


async def test_a_fleet_knows_its_live_children_and_stops_them_all(spawn, tmp_path: Path) -> None:
    fleet = Fleet(lambda name: tmp_path / f"{name}.log")
    fleet.workers.append(await spawn("obedient"))
    fleet.generators.append(await spawn("stubborn"))
    await fleet.wait_ready()
    assert fleet.metrics_urls() == {"obedient": "http://127.0.0.1:4242/metrics"}
    assert set(fleet.pids()) == {"obedient", "stubborn"}
    fleet.generators[0].kill()
    await fleet.stop(5)
    assert fleet.pids() == {}


async def test_who_ends_while_something_is_awaited_says_why(spawn, tmp_path: Path) -> None:
    fleet = Fleet(lambda name: tmp_path / f"{name}.log")
    fleet.workers.append(await spawn("obedient"))
    await fleet.wait_ready()
    assert await fleet.unless_one_ends(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(KeyError):
        await fleet.unless_one_ends(_fail())
    fleet.generators.append(await spawn("unhappy"))
    with pytest.raises(AuroralError, match="no such place"):
        await fleet.unless_one_ends(asyncio.sleep(3600))
    await fleet.stop(5)


async def _fail() -> None:
    raise KeyError("ours")


async def test_lent_workers_outlive_the_run_and_are_charged_for_it_alone(spawn, tmp_path: Path) -> None:
    worker = await spawn("obedient")
    await wait_each([worker.ready], [worker])
    worker.measure()
    before_s = worker.usage().cpu_s
    fleet = Fleet(lambda name: tmp_path / f"{name}.log", lent=[worker])
    fleet.measure()
    assert fleet.children == [worker]
    assert worker.usage().cpu_s < before_s
    await fleet.stop(0.1)
    assert not worker.ended.is_set()
    await worker.stop(10)
    assert not worker.lost
