"""What a push has to do for each image, given what ECR has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from auroral.errors import TargetError, UsageError
from auroral.images.manifest import Image
from auroral.images.names import by_digest, missing_platforms
from auroral.images.recipe import Mirrored

Action = Literal["take", "build", "copy"]


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One image's part of a push."""

    name: str
    action: Action
    uri: str
    """Of its repository in ECR."""
    tag: str
    digest: str | None = None
    """Known beforehand: ECR's, or the pinned one."""
    mirrored: Mirrored | None = None

    @property
    def target(self) -> str:
        """By tag."""
        return f"{self.uri}:{self.tag}"

    def sentence(self) -> str:
        """For whoever watches."""
        if self.action == "take":
            return f"{self.name}: {self.tag} is in ECR already: taken as it is ({self.digest})"
        if self.mirrored is not None:
            return f"{self.name}: {self.mirrored.reference} is to be copied"
        return f"{self.name}: {self.tag} is to be built and pushed"


def built(name: str, uri: str, tag: str, there: Image | None, platforms: Sequence[str]) -> Planned:
    """An image of our own. Raises `UsageError` where ECR has the tag for other platforms."""
    if there is None:
        return Planned(name=name, action="build", uri=uri, tag=tag)
    if there.platforms is not None and (absent := missing_platforms(platforms, there.platforms)):
        raise UsageError(
            f"{uri}:{tag} is in ECR already, for {', '.join(there.platforms) or 'no platform'}, "
            f"not for {', '.join(absent)}, and its tag cannot be moved",
            hint="--rebuild builds under a new tag",
        )
    return Planned(name=name, action="take", uri=uri, tag=tag, digest=there.digest)


def copied(image: Mirrored, uri: str, there: Image | None, platforms: Sequence[str]) -> Planned:
    """An image of somebody else. Raises `TargetError` where ECR has another one than the pinned one, or has it for
    other platforms."""
    if there is None:
        action: Action = "copy"
        digest = image.digest
    else:
        action, digest = "take", there.digest
        if image.digest not in (None, digest):
            raise TargetError(
                f"{uri}:{image.version} in ECR is {digest}, but images/mirrored.toml pins {image.digest}",
                hint=f"find out which is right; then correct the pin, or delete that tag of {uri} in ECR",
            )
        if there.platforms is not None and (absent := missing_platforms(platforms, there.platforms)):
            raise TargetError(
                f"{uri}:{image.version} is in ECR already, for {', '.join(there.platforms) or 'no platform'}, "
                f"not for {', '.join(absent)}, and its tag cannot be moved",
                hint=f"delete that tag of {uri} in ECR, once nothing runs it; the same command then copies "
                f"{image.reference} whole",
            )
    return Planned(name=image.name, action=action, uri=uri, tag=image.version, digest=digest, mirrored=image)


def source_digest(image: Mirrored, found: Image, platforms: Sequence[str]) -> str:
    """The digest to copy. Raises `TargetError` where it is not the pinned one, or lacks a platform."""
    if image.digest not in (None, found.digest):
        raise TargetError(
            f"{image.reference} is {found.digest} now, but images/mirrored.toml pins {image.digest}: "
            "its publisher, or somebody else, has moved the tag",
            hint="look at what changed before you pin the new digest",
        )
    if found.platforms is None:
        raise TargetError(
            f"{image.reference} is an image of one platform, which it does not name: expected {', '.join(platforms)}",
            hint="choose another version in images/mirrored.toml",
        )
    if absent := missing_platforms(platforms, found.platforms):
        raise TargetError(
            f"{image.reference} is not for {', '.join(absent)}, only for {', '.join(found.platforms) or 'none'}",
            hint="choose another version in images/mirrored.toml",
        )
    return found.digest


def verified(planned: Planned, told: str, there: Image | None) -> str:
    """The reference by digest, once ECR has what docker says it pushed. Raises `TargetError`."""
    if there is None:
        raise TargetError(
            f"docker pushed {planned.target} ({told}), but ECR has no such tag",
            hint="the same command tries it again",
        )
    if there.digest != told:
        raise TargetError(
            f"docker says that {planned.target} is {told}, ECR says {there.digest}: something stood between, "
            "or somebody else pushed the tag at the same time",
            hint="the same command takes what ECR has",
        )
    return by_digest(planned.uri, told)
