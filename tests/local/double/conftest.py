"""One double for all tests of this directory: a process of its own, real TLS, real tokens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from auroral.local.double.client import Control
from auroral.local.double.server import Announcement
from auroral.local.double.settings import DoubleSettings
from tests.local.double.running import Connection, Running


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    command = [sys.executable, "-m", "auroral.local.double", "--settings", '{"connect_burst": 100000}']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            announcement = msgspec.json.decode(process.stdout.readline(), type=Announcement)
            yield Running(announcement, Control(announcement.control_url))
        finally:
            process.stdin.close()
            process.wait(30)


@pytest.fixture
def double(running: Running) -> Iterator[Running]:
    """The double with its first settings and counters at nought."""
    running.control.reset_statistics()
    yield running
    defaults = msgspec.to_builtins(DoubleSettings(connect_burst=100_000))
    running.control.change(**defaults)
    running.control.cut_next_commits(0)
    running.control.refuse(0)
    running.control.stall(0)


@pytest.fixture
def open_connection(double: Running) -> Iterator[Callable[..., Connection]]:
    """Opens connections that are closed at the end."""
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        opened.append(double.connect(**options))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def connection(open_connection: Callable[..., Connection]) -> Connection:
    return open_connection()


@pytest.fixture
def table(connection: Connection, request: pytest.FixtureRequest) -> Iterator[str]:
    """A table `(id bigint primary key, v text, b bytea)` of the test's own."""
    name = f"t_{abs(hash(request.node.nodeid)):x}"
    connection.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, v text, b bytea)".encode())
    yield name
    # The test's own connection may be gone or in a failed block.
    with request.getfixturevalue("double").connect() as other:
        other.execute(f"DROP TABLE {name}".encode())
