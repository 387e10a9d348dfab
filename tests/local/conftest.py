"""What tests of this directory share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that others may enter: root runs PostgreSQL as somebody else."""
    with tempfile.TemporaryDirectory(prefix="auroral-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)
