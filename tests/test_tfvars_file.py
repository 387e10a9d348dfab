"""A file that one command owns: never half of it, never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from auroral.errors import OutputError, UsageError
from auroral.tfvars_file import TfvarsFile


def test_it_is_written_once_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.tfvars"
    assert TfvarsFile(str(path), "images").write("auroral x", {"a": "1", "b": "2"})
    assert path.stat().st_mode & 0o777 == 0o644
    again = TfvarsFile(str(path), "images")
    assert again.texts() == {"a": "1", "b": "2"}
    assert not again.write("auroral x", {"a": "1", "b": "2"})
    assert again.write("auroral x", {"a": "1"})
    assert [one.name for one in tmp_path.iterdir()] == ["x.tfvars"]


def test_the_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tfvars"
    path.write_text("project = 1\nimages = {}\nregion = 2\n")
    with pytest.raises(UsageError, match=r"also sets project, region, which would be lost(.|\n)*every \*\.tfvars"):
        TfvarsFile(str(path), "images")


def test_places_where_it_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "folder.tfvars").mkdir()
    (tmp_path / "bytes.tfvars").write_bytes(b"\xff\xfe")
    for name, error, words in (
        ("x.json", UsageError, "ends with .tfvars"),
        ("none/x.tfvars", OutputError, "no folder"),
        ("folder.tfvars", OutputError, "cannot be read: Is a directory"),
        ("bytes.tfvars", OutputError, "cannot be read"),
    ):
        with pytest.raises(error, match=words):
            TfvarsFile(str(tmp_path / name), "images")


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tfvars"
    TfvarsFile(str(path), "images").write("auroral x", {"a": "1"})
    before = path.read_text()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="cannot be written: No space left"):
        TfvarsFile(str(path), "images").write("auroral x", {"a": "2"})
    assert path.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["x.tfvars"]
