"""What docker and registries say of an image."""

from __future__ import annotations

import json

import pytest

from auroral.errors import TargetError
from auroral.images.manifest import of_inspection, of_manifest, pushed_digest
from tests.support.fake_docker.content import index, manifest, sha256

DIGEST = "sha256:" + "ab" * 32


def test_an_index_names_its_platforms_and_no_attestations() -> None:
    found = of_manifest(DIGEST, index(["linux/arm64/v8", "linux/amd64"], "x"))
    assert (found.digest, found.platforms) == (DIGEST, ("linux/arm64/v8", "linux/amd64"))


def test_a_lone_manifest_does_not_say() -> None:
    assert of_manifest(DIGEST, manifest("x")).platforms is None


def test_an_inspection_has_the_digest_too() -> None:
    told = json.dumps({"digest": DIGEST, "manifests": json.loads(index(["linux/arm64"], "x"))["manifests"]})
    assert of_inspection(told, "ui:1").platforms == ("linux/arm64",)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"digest": "sha256:1"}', '{"digest": 5}'])
def test_an_inspection_of_another_form_is_told(text: str) -> None:
    with pytest.raises(TargetError, match="imagetools inspect ui:1: expected"):
        of_inspection(text, "ui:1")


def test_entries_of_another_form_are_no_platforms() -> None:
    told = json.dumps({"manifests": [5, {}, {"platform": None}, {"platform": {"os": "linux"}}]})
    assert of_manifest(DIGEST, told).platforms == ()


def test_the_metadata_of_a_build() -> None:
    assert pushed_digest(json.dumps({"containerimage.digest": sha256("x")}), "server") == sha256("x")
    for text in ("{}", '{"containerimage.digest": "x"}'):
        with pytest.raises(TargetError, match=r"named no digest(.|\n)*buildx version"):
            pushed_digest(text, "server")
