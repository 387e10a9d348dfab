"""The checkout: where it is, and whether it is as committed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from auroral.errors import OutputError, TargetError, UsageError
from auroral.images.names import BUILT
from auroral.images.sources import find_root, read_commit, read_recipes
from tests.support.image_checkout import git, make_checkout

from .conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own."""
    return make_checkout(tmp_path / "checkout")


def test_it_is_found_here_above_or_beside_the_package(checkout: Path, tmp_path: Path) -> None:
    assert find_root(checkout) == checkout
    assert find_root(checkout / "images/server/config") == checkout
    assert find_root(tmp_path) == ROOT


def test_an_installation_without_sources_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.images.sources.__file__", str(tmp_path / "a/b/c/d/sources.py"))
    with pytest.raises(UsageError, match=r"expected images/server/Dockerfile(.|\n)*checkout of auroral"):
        find_root(tmp_path)


def test_a_file_that_is_missing_is_told(checkout: Path) -> None:
    (checkout / "images/server/Dockerfile.dockerignore").unlink()
    with pytest.raises(OutputError, match=r"Dockerfile\.dockerignore cannot be read"):
        read_recipes(checkout, ["server"])


def test_only_what_reaches_an_image_makes_it_dirty(checkout: Path) -> None:
    recipes = read_recipes(checkout, BUILT)
    head = git(checkout, "rev-parse", "HEAD")

    def dirty(*names: str) -> bool:
        commit = read_commit(checkout, [recipes[name] for name in names], os.environ)
        assert commit is not None
        assert commit.hash == head
        return commit.dirty

    assert not dirty(*BUILT)
    (checkout / "outputs.json").write_text("{}")
    (checkout / "notes.md").write_text("changed")
    assert not dirty(*BUILT), "nothing of that is in an image"
    (checkout / "src/auroral/new.py").write_text("")
    assert dirty("benchmark")
    assert not dirty("server")
    (checkout / "server/main.go").write_text("changed")
    assert dirty("server")
    assert not dirty()


def test_outside_of_git_there_is_no_commit(checkout: Path, tmp_path: Path) -> None:
    recipes = read_recipes(checkout, BUILT).values()
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    assert read_commit(tmp_path, recipes, environ) is None
    assert read_commit(checkout, recipes, {"PATH": "/nowhere"}) is None


def test_a_git_that_fails_half_way_is_told(checkout: Path) -> None:
    (checkout / ".git/index").write_bytes(b"broken")
    with pytest.raises(TargetError, match=r"git does not say(.|\n)*--tag"):
        read_commit(checkout, read_recipes(checkout, BUILT).values(), os.environ)
