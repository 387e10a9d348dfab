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

import hypothesis
import psutil
import pytest

if TYPE_CHECKING:
    from auroral.temporal.local import LocalServer

MakeTemporalServer = Callable[..., Awaitable["LocalServer"]]

_HERE = Path(__file__).parent
_TOGETHER = {
    "live": "clusters",
    "local/test_cluster.py": "clusters",
    "infra/test_budget_parity.py": "terraform",
    "infra/test_profiles.py": "terraform",
    "infra/test_refused.py": "terraform",
    "infra/test_terraform.py": "terraform",
    "infra/test_operated.py": "platform",
    "infra/test_platform.py": "platform",
    "server": "go",
    "visibility": "opensearch",
}
"""Folders and files that one worker runs: whole clusters, which would disturb each other, and what shares a provider,
an applied platform or a search node. The longest come first, so that the workers end at about the same time."""
_NEXT = ("cli/test_local.py", "report/test_html_browser.py", "infra/test_checkov.py")
"""Single files that take longest, after those."""
_MARK = "AURORAL_TEST_SESSION"
_LEAVING_S = 5.0


def pytest_configure(config: pytest.Config) -> None:
    # Every process that a test starts inherits this, however far it strays. With workers they are the controller's.
    if not _in_a_worker():
        os.environ[_MARK] = uuid.uuid4().hex
    # An example's 200 ms of wall time prove nothing of the code on cores that other tests keep busy.
    hypothesis.settings.register_profile("tests", deadline=None)
    hypothesis.settings.load_profile("tests")
    config.option.loadscopereorder = False  # xdist begins with what has most tests, which are the short ones


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers begin with what takes longest, so that they end at about the same time."""
    if not _in_a_worker():
        return
    first = [*dict.fromkeys(_TOGETHER.values()), *(str(_HERE / name) for name in _NEXT)]
    rank = {group: place for place, group in enumerate(first)}
    items.sort(key=lambda item: rank.get(_group(item.path), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With workers (`--dist loadgroup`) what is heavy stays together in one of them, the rest goes by file.

    xdist 3.8 writes its groups into a field that pytest 9.2 does not read any more: each test would go its own way,
    and each worker would start every cluster, plan every stack and apply the whole platform.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(config.rootpath / nodeid.partition("::")[0])

    return ByGroup(config, log)


def _group(path: Path) -> str:
    if not path.is_relative_to(_HERE):
        return str(path)
    own = path.relative_to(_HERE)
    return next((_TOGETHER[str(one)] for one in (own, *own.parents) if str(one) in _TOGETHER), str(path))


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
