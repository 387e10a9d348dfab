"""One double for all tests of this directory: a process of its own, real TLS, real tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from auroral.local.double.settings import DoubleSettings
from tests.local.double.running import Connection, Running
from tests.support.double import running_double


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Running(announcement, control)


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
