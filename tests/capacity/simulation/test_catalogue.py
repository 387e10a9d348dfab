"""The package's scenarios, and scenarios from files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from auroral.capacity.simulation.catalogue import ORDER, builtin, load
from auroral.errors import ConfigurationError


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_every_file_is_named_and_every_name_has_a_file() -> None:
    found = {path.name for path in (files("auroral.capacity") / "scenarios").iterdir()}
    assert found == {f"{name}.toml" for name in ORDER}


@pytest.mark.parametrize("name", ORDER)
def test_each_says_what_it_is_and_asserts_that_dsql_refuses_nothing(name: str) -> None:
    scenario = builtin(name)
    assert scenario.name == name
    assert scenario.about.endswith(".")
    assert scenario.limits.refused == 0
    assert scenario.limits.short_s == 0
    assert scenario.services == ()


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('\ufeffabout = "Mine."\nduration = "5m"\n[[event]]\nat = "1m"\ndo = "cut"\n', encoding="utf-8")
    assert load(str(path), read_text=read).name == "mine"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("zone-los", "did you mean zone-loss?"),
        ("nowhere.toml", "a file that can be read (No such file or directory)"),
        ("mine.yaml", "expected one of cold-start, rolling-deployment"),
    ],
)
def test_what_is_no_scenario(source: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match="scenario") as caught:
        load(source, read_text=read)
    assert expected in str(caught.value)
    assert "--list" in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8 text"):
        load(str(path), read_text=read)
