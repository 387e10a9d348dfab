"""What the tests of simulations share."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import resource_tracker

import pytest


@pytest.fixture(scope="package", autouse=True)
def no_tracker_is_left() -> Iterator[None]:
    """End the process that Python starts beside the first pool of spawned processes: it lives as long as we do."""
    yield
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]
