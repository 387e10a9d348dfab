"""What the images' files say."""

from __future__ import annotations

import pytest

from auroral.errors import UsageError
from auroral.images.names import BUILT, MIRRORED
from auroral.images.recipe import build_arguments, mirrored, recipe
from auroral.images.sources import read_mirrored, read_recipes

from .conftest import ROOT

GOOD = """
[ui]
source = "docker.io/temporalio/ui"
version = "1.0"
[collector]
source = "localhost.localdomain:5000/a/b-c"
version = "v2"
digest = "sha256:{digest}"
"""


def test_what_the_dockerfiles_take_and_what_reaches_them() -> None:
    recipes = read_recipes(ROOT, BUILT)
    assert {"VERSION", "GO_IMAGE", "BASE_IMAGE"} <= recipes["server"].arguments
    assert {"GRAFANA_IMAGE", "FETCH_IMAGE"} <= recipes["grafana"].arguments
    assert set(recipes["benchmark"].sources) >= {"src", "server", "pyproject.toml", "images/benchmark"}
    assert "server/suites" not in recipes["server"].sources
    for one in recipes.values():
        assert (ROOT / one.dockerfile).is_file()
        assert all((ROOT / path).exists() for path in one.sources)


def test_arguments_are_those_that_a_dockerfile_takes() -> None:
    recipes = [recipe("a", "ARG X=1\nFROM x\n  ARG Y\n#ARG Z\n", "*\n!src\n"), recipe("b", "ARG W\n", "")]
    assert build_arguments(["X=a=b", "W="], recipes) == {"X": "a=b", "W": ""}
    for text in ("Z=1", "X", "=1", ""):
        with pytest.raises(UsageError, match=r"expected NAME=VALUE with one of W, X, Y"):
            build_arguments([text], recipes)


def test_what_is_mirrored() -> None:
    found = mirrored(GOOD.format(digest="0" * 64), "m.toml")
    assert tuple(found) == MIRRORED
    assert found["ui"].reference == "docker.io/temporalio/ui:1.0"
    assert found["ui"].digest is None
    assert found["collector"].digest == "sha256:" + "0" * 64


def test_the_file_of_this_repository() -> None:
    assert tuple(read_mirrored(ROOT)) == MIRRORED


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[ui]", "[uii]", "expected the tables ui, collector"),
        ("[ui]", "[ui", "is no TOML"),
        ('version = "1.0"', "", "takes source, version"),
        ('version = "1.0"', 'version = "1.0"\nextra = 1', "takes source, version"),
        ('version = "1.0"', "version = 1.0", "in quotation marks"),
        ('version = "1.0"', 'version = "a b"', "expected a tag"),
        ("docker.io/temporalio/ui", "temporalio/ui", "expected a registry"),
        ("docker.io/temporalio/ui", "docker.io/temporalio/ui:1", "expected a registry"),
        ("docker.io/temporalio/ui", "https://docker.io/ui", "expected a registry"),
        ("sha256:", "sha512:", "expected sha256:"),
    ],
)
def test_what_is_wrong_in_it_is_told(old: str, new: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        mirrored(GOOD.format(digest="0" * 64).replace(old, new), "m.toml")
