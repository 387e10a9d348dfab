"""What the tests of the views share: sample results, and golden files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auroral.bench import result as r
from tests.support.sample_results import MAKERS, long

GOLDEN = Path(__file__).parent / "golden"
_made: dict[str, r.Result] = {}


@pytest.fixture(scope="session")
def make() -> Callable[[str], r.Result]:
    """The result of one of `MAKERS`, made once."""

    def made(name: str) -> r.Result:
        if name not in _made:
            _made[name] = MAKERS[name]()
        return _made[name]

    return made


@pytest.fixture(scope="session")
def day() -> r.Result:
    """A run of 24 hours: the long one, repeated."""
    result, seconds = long(), 86_400
    columns = {
        name: (getattr(result.series, name) * (seconds // len(result.series.t_s) + 1))[:seconds]
        for name in result.series.__struct_fields__
    }
    columns["t_s"] = list(range(seconds))
    readings = [
        msgspec.structs.replace(result.readings[t % len(result.readings)], t_s=float(t + 1)) for t in range(seconds)
    ]
    windows = [msgspec.structs.replace(result.windows[0], end_s=float(seconds))]
    return msgspec.structs.replace(
        result, series=r.Series(**columns), readings=readings, windows=windows, duration_s=float(seconds), drain_s=0.0
    )


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with its golden file; `AURORAL_UPDATE_GOLDEN=1` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("AURORAL_UPDATE_GOLDEN") == "1":
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run with AURORAL_UPDATE_GOLDEN=1 and read what it wrote"
        assert text == path.read_text(encoding="utf-8"), f"differs from {path.name}: AURORAL_UPDATE_GOLDEN=1 renews it"

    return compare
