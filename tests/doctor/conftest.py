"""What the doctor's tests share: moto as a server of its own, and the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import cli
from tests.support.moto_server import Moto, moto_server

__all__ = ["cli", "moto"]


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One server; each test leaves what it makes."""
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running
