"""What a push does, given what ECR has."""

from __future__ import annotations

import pytest

from auroral.errors import TargetError, UsageError
from auroral.images.manifest import Image
from auroral.images.plan import Planned, built, copied, source_digest, verified
from auroral.images.recipe import Mirrored

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/demo/ui"
UI = Mirrored(name="ui", source="docker.io/temporalio/ui", version="1.0")
PINNED = Mirrored(name="ui", source="docker.io/temporalio/ui", version="1.0", digest=ONE)
ARM = ("linux/arm64",)


def test_what_is_not_there_is_built_and_what_is_there_is_taken() -> None:
    assert built("server", URI, "1", None, ARM).action == "build"
    there = built("server", URI, "1", Image(digest=ONE, platforms=("linux/arm64", "linux/amd64")), ARM)
    assert (there.action, there.digest) == ("take", ONE)
    assert ONE in there.sentence()
    assert "already" in there.sentence()


def test_a_lone_manifest_is_taken_since_nothing_says_otherwise() -> None:
    assert built("server", URI, "1", Image(digest=ONE), ARM).action == "take"


def test_what_is_there_for_another_platform_is_refused() -> None:
    with pytest.raises(UsageError, match=r"for linux/amd64, not for linux/arm64(.|\n)*--rebuild"):
        built("server", URI, "1", Image(digest=ONE, platforms=("linux/amd64",)), ARM)


def test_mirrored_images() -> None:
    assert (copied(UI, URI, None, ARM).action, copied(UI, URI, None, ARM).digest) == ("copy", None)
    assert copied(PINNED, URI, None, ARM).digest == ONE
    assert copied(UI, URI, Image(digest=OTHER), ARM).digest == OTHER
    assert copied(PINNED, URI, Image(digest=ONE), ARM).action == "take"
    assert copied(UI, URI, None, ARM).target == f"{URI}:1.0"
    assert "docker.io/temporalio/ui:1.0" in copied(UI, URI, None, ARM).sentence()


def test_a_pin_that_ecr_breaks_is_told() -> None:
    with pytest.raises(TargetError, match=f"{OTHER}, but images/mirrored.toml pins {ONE}"):
        copied(PINNED, URI, Image(digest=OTHER), ARM)


def test_a_mirrored_image_that_ecr_has_for_another_platform_is_refused_with_what_to_do() -> None:
    amd = Image(digest=ONE, platforms=("linux/amd64",))
    with pytest.raises(TargetError, match=r"for linux/amd64, not for linux/arm64(.|\n)*delete that tag"):
        copied(UI, URI, amd, ARM)
    with pytest.raises(TargetError, match="not for linux/arm64"):
        copied(PINNED, URI, amd, ARM)
    assert copied(UI, URI, Image(digest=ONE, platforms=("linux/arm64/v8",)), ARM).action == "take"


def test_the_source_is_what_is_pinned_and_has_the_platforms() -> None:
    assert source_digest(UI, Image(digest=OTHER, platforms=("linux/arm64/v8",)), ARM) == OTHER
    with pytest.raises(TargetError, match="has moved the tag"):
        source_digest(PINNED, Image(digest=OTHER, platforms=ARM), ARM)
    with pytest.raises(TargetError, match="not for linux/arm64, only for linux/amd64"):
        source_digest(UI, Image(digest=ONE, platforms=("linux/amd64",)), ARM)
    with pytest.raises(TargetError, match="of one platform"):
        source_digest(UI, Image(digest=ONE), ARM)


def test_only_what_ecr_has_is_named() -> None:
    planned = Planned(name="ui", action="copy", uri=URI, tag="1.0")
    assert verified(planned, ONE, Image(digest=ONE)) == f"{URI}@{ONE}"
    with pytest.raises(TargetError, match="ECR has no such tag"):
        verified(planned, ONE, None)
    with pytest.raises(TargetError, match=f"{ONE}, ECR says {OTHER}"):
        verified(planned, ONE, Image(digest=OTHER))
