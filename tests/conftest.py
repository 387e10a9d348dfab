"""What every test may use: real Temporal servers, and the check that no process is left behind."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from auroral.temporal.local import LocalServer

MakeTemporalServer = Callable[..., Awaitable["LocalServer"]]

_HERE = Path(__file__).parent
_HEAVY = {"live": "clusters", "local": "clusters", "server": "go", "infra": "terraform"}
"""Folders whose tests start whole clusters, or keep a core busy with Go or Terraform."""
_MARK = "AURORAL_TEST_SESSION"
_LEAVING_S = 5.0


def pytest_configure() -> None:
    # Every process that a test starts inherits this, however far it strays. With workers they are the controller's.
    if not _in_a_worker():
        os.environ[_MARK] = uuid.uuid4().hex


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With two workers (`-n 2 --dist loadgroup`) what is heavy stays together in one of them, the rest goes by file."""
    for item in items:
        folder = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
        group = _HEAVY.get(folder, str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that leaves processes behind, name them, and end them."""
    if (moto := sys.modules.get("tests.support.moto_server")) is not None:
        moto.end_idle()
    if _in_a_worker():
        return
    left = _left_behind()
    _, left = psutil.wait_procs(left, timeout=_LEAVING_S)
    left = [process for process in left if process.is_running()]
    if not left:
        return
    print("\nleft behind by the tests:")
    for process in left:
        try:
            print(f"  {process.pid} {' '.join(process.cmdline())[:200]}")
            process.kill()
        except psutil.Error as error:
            print(f"  {process.pid}: {error}")
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _in_a_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _left_behind() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid != os.getpid() and process.environ().get(_MARK) == os.environ[_MARK]
        except psutil.Error:
            continue
        if ours and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def _apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in a thread: a fixture may outlive any test's event loop."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A real development server for the whole session, with a namespace `benchmark`: do not stop or slow it."""
    from auroral.temporal.local import start_local

    folder = tmp_path_factory.mktemp("temporal")
    server = _apart(_start(start_local, folder, {}))
    yield server
    _apart(server.stop())


@pytest.fixture
def make_temporal_server(tmp_path: Path) -> Iterator[MakeTemporalServer]:
    """Start servers of this test's own: `await make_temporal_server(dynamic_config=…, db_filename=…)`."""
    from auroral.temporal.local import start_local

    servers: list[LocalServer] = []

    async def make(**options: Any) -> LocalServer:
        server: LocalServer = await _start(start_local, tmp_path / f"temporal-{len(servers)}", options)
        servers.append(server)
        return server

    yield make
    for server in servers:
        _apart(server.stop())


async def _start(start_local: Any, folder: Path, options: dict[str, Any]) -> LocalServer:
    given = {"namespace": "benchmark", "executable": os.environ.get("AURORAL_TEMPORAL_CLI") or None, **options}
    server: LocalServer = await start_local(directory=folder, log_path=folder / "server.log", report=print, **given)
    return server


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"
