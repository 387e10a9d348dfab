"""Where dashboards and rules are, and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auroral.dashboards import found
from auroral.errors import OutputError, UsageError

ROOT = Path(__file__).parents[2]


def test_a_checkout_is_found_from_anywhere(tmp_path: Path) -> None:
    assert found.checkout(ROOT / "docs") == ROOT
    assert found.checkout(tmp_path) == ROOT, "the one that auroral runs from"
    assert found.find(tmp_path) == ROOT / "observability"


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "auroral" / "dashboards" / "found.py"
    monkeypatch.setattr(found, "__file__", str(package))
    with pytest.raises(UsageError, match=r"expected a checkout of auroral in .*, found none"):
        found.checkout(tmp_path)
    (package.parent / "observability").mkdir(parents=True)
    assert found.find(tmp_path) == package.parent / "observability"


def test_our_own_are_read() -> None:
    files = found.read(found.find(ROOT))
    assert {"overview.json", "benchmark.json"} <= set(files.dashboards)
    assert {"records.yaml", "dsql.yaml"} <= set(files.rules)
    assert "tests" not in " ".join(files.rules)


def test_a_folder_that_is_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--directory .*: expected a folder with dashboards/ or rules/, found none"):
        found.find(ROOT, str(tmp_path))
    (tmp_path / "rules").mkdir()
    assert found.find(ROOT, str(tmp_path)) == tmp_path
    with pytest.raises(OutputError, match=r"holds neither dashboards/\*.json nor rules/\*.yaml"):
        found.read(tmp_path)
    (tmp_path / "rules" / "own.yml").write_text("groups: []")
    assert found.read(tmp_path).rules == {"own.yml": {"groups": []}}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("dashboards/a.json", "{", "a.json is no JSON: Expecting property name"),
        ("dashboards/a.json", json.dumps([1]), "a.json: expected an object with a list of panels, found none"),
        ("dashboards/a.json", json.dumps({"panels": {}}), "expected an object with a list of panels"),
        ("rules/a.yaml", "a: [", "a.yaml is no YAML: while parsing"),
        ("rules/a.yaml", "scrape_configs: []", "a.yaml: expected an object with a list of groups, found none"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(text)
    with pytest.raises(OutputError, match=says):
        found.read(tmp_path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "dashboards" / "a.json").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"a.json cannot be read: Is a directory"):
        found.read(tmp_path)
    (tmp_path / "dashboards" / "a.json").rmdir()
    (tmp_path / "dashboards" / "a.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(OutputError, match=r"a.json cannot be read: 'utf-8' codec"):
        found.read(tmp_path)
