"""A manifest from elsewhere: read as it was written, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral.bench.manifest import LANGUAGE_VERSION, Manifest, digest
from auroral.bench.manifest_file import parse_manifest, read_manifest
from auroral.bench.store import RunDirectory
from auroral.errors import ExitCode, OutputError, UsageError
from tests.bench.test_load import order


def good() -> Manifest:
    manifest = order().manifest
    (workload,) = manifest.workloads
    workload = msgspec.structs.replace(workload, digest=digest(workload.definition))
    return msgspec.structs.replace(manifest, workloads=[workload])


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A good manifest's text, with something changed by hand."""
    plain = msgspec.to_builtins(good())
    change(plain)
    return msgspec.json.encode(plain)


def test_what_a_run_writes_is_read_as_it_was(tmp_path: Path) -> None:
    manifest = good()
    RunDirectory.create(tmp_path / "run", manifest)
    read = read_manifest(str(tmp_path / "run" / "manifest.json"))
    assert read == manifest
    assert read.digest == manifest.digest


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"the manifest .* cannot be read: ") as caught:
        read_manifest(str(tmp_path / name))
    assert caught.value.exit_code is ExitCode.USAGE
    assert "manifest.json" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "no manifest of a run: "),
        (b"\xff\xfe", "no manifest of a run: "),
        (b"[1]", "no manifest of a run: Expected `object`, got `array`"),
        (b'{"schema": "auroral.bench.result/1"}', "missing required field `language_version`"),
        (changed(lambda plain: plain.pop("run_id")), "missing required field `run_id`"),
        (changed(lambda plain: plain.update(task_queues=[])), "expected task queues with names of their own, not []"),
        (changed(lambda plain: plain.update(task_queues=["q", "q"])), "expected task queues"),
        (changed(lambda plain: plain.update(workloads=[])), "weights"),
        (changed(lambda plain: plain["workloads"][0].update(weight=-1)), "weights"),
        (changed(lambda plain: plain["workloads"][0].update(digest="0" * 64)), "is not the one whose digest stands"),
        (changed(lambda plain: plain["workloads"][0]["definition"].update(name="other")), "is not the one whose"),
        (changed(lambda plain: plain["arrival"].update(segments=[(1, -5, 5)])), "rates of zero or more"),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_sentence(data: bytes, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_manifest(data, "m.json")
    assert caught.value.message.startswith("m.json is no manifest of a run: ")
    assert expected in caught.value.message
    assert "\n" not in caught.value.message
    assert "manifest.json" in caught.value.hint


def test_a_run_that_workers_of_this_version_cannot_serve_is_refused() -> None:
    manifest = good()
    for changes, named in (
        ({"engine": "lean"}, "the engine lean and step language"),
        ({"language_version": LANGUAGE_VERSION + 1}, f"step language {LANGUAGE_VERSION + 1}, but these"),
        # What else has changed in a later version does not hide the reason.
        ({"language_version": LANGUAGE_VERSION + 1, "arrival": {"new": True}}, "step language"),
    ):
        plain = {**msgspec.to_builtins(manifest), "auroral_version": "7.8.9", **changes}
        with pytest.raises(UsageError, match=named) as caught:
            parse_manifest(msgspec.json.encode(plain), "m.json")
        assert caught.value.exit_code is ExitCode.USAGE
        assert "auroral 7.8.9" in caught.value.hint
