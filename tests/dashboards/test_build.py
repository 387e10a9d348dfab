"""What is built is what is committed, and whatever differs is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from auroral.dashboards import build, rule_files
from auroral.errors import OutputError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return build.texts()


def test_everything_committed_is_as_built(files: dict[str, str]) -> None:
    assert build.differences(ROOT, files) == {}
    assert {name.split("/")[0] for name in files} == {"observability", "infra"}
    boards = [name for name in files if name.startswith(build.FOLDER)]
    assert [Path(name).stem for name in boards] == ["overview", "temporal-server", "dsql-persistence", "benchmark"]


def test_what_differs_is_named_and_written(files: dict[str, str], tmp_path: Path) -> None:
    assert set(build.differences(tmp_path, files).values()) == {"is not there"}
    assert build.write(tmp_path, files) == [*files]
    assert build.write(tmp_path, files) == []
    changed, gone = [*files][:2]
    (tmp_path / changed).write_text("{}")
    (tmp_path / gone).unlink()
    old = f"{rule_files.TERRAFORM_FOLDER}/old.yaml"
    (tmp_path / old).write_text("groups: []")
    (tmp_path / rule_files.FOLDER / "tests").mkdir()
    (tmp_path / rule_files.FOLDER / "tests" / "own.yaml").touch()
    assert build.differences(tmp_path, files) == {
        changed: "differs",
        gone: "is not there",
        old: "is built by nothing any more: delete it",
    }
    assert build.write(tmp_path, files) == [changed, gone]
    assert (tmp_path / old).exists(), "it is for its owner to delete"


def test_files_that_cannot_be_read_or_written(files: dict[str, str], tmp_path: Path) -> None:
    name = next(iter(files))
    (tmp_path / "observability").write_text("a file")
    with pytest.raises(OutputError, match=r"observability/dashboards/overview.json cannot be (read|written)"):
        build.write(tmp_path, {name: "x"})
    (tmp_path / "observability").unlink()
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be read: Is a directory"):
        build.differences(tmp_path, files)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grafana_foundation_sdk.builders", None)
    with pytest.raises(UsageError, match="is not installed") as raised:
        build.texts()
    assert "auroral[dashboards]" in raised.value.hint
