"""What docker and registries say of an image: its digest, and the platforms it is for. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from auroral.errors import TargetError
from auroral.images.names import is_digest

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image in a registry."""

    digest: str
    platforms: tuple[str, ...] | None = None
    """None: it is no index, and its manifest does not say."""


def of_manifest(digest: str, text: str) -> Image:
    """Read a manifest or index, as ECR holds it. Raises `TargetError`."""
    return Image(digest=digest, platforms=_platforms(_json(text, "the manifest")))


def of_inspection(text: str, source: str) -> Image:
    """Read `docker buildx imagetools inspect --format '{{json .Manifest}}'`. Raises `TargetError`."""
    found = _json(text, f"docker buildx imagetools inspect {source}")
    digest = found.get("digest")
    if not is_digest(digest):
        raise TargetError(f"docker buildx imagetools inspect {source}: expected a digest, got {digest!r}")
    return Image(digest=str(digest), platforms=_platforms(found))


def pushed_digest(text: str, name: str) -> str:
    """The digest in the file of `docker buildx build --metadata-file`. Raises `TargetError`."""
    digest = _json(text, f"the metadata of {name}").get("containerimage.digest")
    if not is_digest(digest):
        raise TargetError(
            f"docker buildx build of {name} ended well, but named no digest: "
            f"expected containerimage.digest in its metadata, got {digest!r}",
            hint="is the buildx builder a current one? `docker buildx version`",
        )
    return str(digest)


def _platforms(found: dict[str, Any]) -> tuple[str, ...] | None:
    """Those of an index; attestations, of an unknown platform, are none."""
    entries = found.get("manifests")
    if not isinstance(entries, list):
        return None
    named = (one.get("platform") or {} for one in entries if isinstance(one, dict))
    parts = ((one.get("os"), one.get("architecture"), one.get("variant")) for one in named)
    return tuple("/".join(part for part in one if part) for one in parts if one[1] not in (None, "unknown"))


def _json(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TargetError(f"{what}: expected JSON, got {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise TargetError(f"{what}: expected an object, got {text[:80]!r}")
    return found
