"""Names, tags and platforms of images."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from auroral.errors import UsageError
from auroral.images.names import (
    ALL,
    BUILT,
    Commit,
    checked_project,
    checked_tag,
    chosen,
    is_digest,
    missing_platforms,
    platforms_of,
    tag_for,
)

AT = datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)
HASH = "0123456789abcdef0123456789abcdef01234567"


def test_a_tag_says_version_and_commit() -> None:
    assert tag_for("0.1.0", Commit(hash=HASH), AT) == "0.1.0-0123456789ab"
    assert tag_for("0.1.0+local.1", Commit(hash=HASH), AT) == "0.1.0-local.1-0123456789ab"


@pytest.mark.parametrize(
    ("commit", "anew", "ending"),
    [
        (Commit(hash=HASH, dirty=True), False, "-dirty-20261126T010203Z"),
        (Commit(hash=HASH, dirty=True), True, "-dirty-20261126T010203Z"),
        (Commit(hash=HASH), True, "-20261126T010203Z"),
    ],
)
def test_what_a_commit_does_not_say_gets_a_tag_of_its_own(commit: Commit, anew: bool, ending: str) -> None:
    assert tag_for("0.1.0", commit, AT, anew=anew) == f"0.1.0-0123456789ab{ending}"


def test_without_git_a_tag_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"no git checkout.*\n.*--tag"):
        tag_for("0.1.0", None, AT)


@pytest.mark.parametrize("tag", ["1.0.0", "_x", "a" * 128])
def test_tags_that_registries_take(tag: str) -> None:
    assert checked_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", ".x", "-x", "a b", "1+2", "a" * 129, "x@y", "latest\n"])
def test_tags_that_they_do_not(tag: str) -> None:
    with pytest.raises(UsageError, match="expected a tag"):
        checked_tag(tag)


@pytest.mark.parametrize("project", ["a", "Auroral", "1st", "a-", "a" * 18, "a_b", ""])
def test_projects_that_the_stacks_refuse(project: str) -> None:
    with pytest.raises(UsageError, match="expected a project"):
        checked_project(project)


def test_platforms() -> None:
    assert platforms_of("linux/arm64") == ("linux/arm64",)
    assert platforms_of("linux/amd64, linux/arm64,linux/amd64") == ("linux/amd64", "linux/arm64")
    for text in ("", "arm64", "linux/arm64,", "windows/amd64"):
        with pytest.raises(UsageError, match="--platform"):
            platforms_of(text)


def test_a_variant_is_the_platform_still() -> None:
    assert missing_platforms(["linux/arm64", "linux/amd64"], ["linux/arm64/v8"]) == ["linux/amd64"]


def test_images_are_chosen_in_their_own_order() -> None:
    assert chosen((), BUILT) == BUILT
    assert chosen(("ui", "server"), ALL) == ("server", "ui")
    with pytest.raises(UsageError, match="got servr"):
        chosen(("servr",), ALL)
    with pytest.raises(UsageError, match="mirrored, not built"):
        chosen(("ui",), BUILT)


def test_digests() -> None:
    assert is_digest("sha256:" + "0a" * 32)
    for text in ("sha256:" + "0a" * 31, "0a" * 32, "sha256:" + "0A" * 32, None, 5, "sha256:" + "0a" * 32 + "\n"):
        assert not is_digest(text)
