"""Names of images: which there are, tags, platforms, references by digest. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from auroral.errors import UsageError

BUILT = ("server", "benchmark", "grafana")
"""Built here: images/NAME/Dockerfile."""
MIRRORED = ("ui", "collector")
"""Copied as others publish them: images/mirrored.toml."""
ALL = (*BUILT, *MIRRORED)
"""In the order in which they are pushed, and written."""
PLATFORMS = ("linux/arm64", "linux/amd64")
BUILT_FOR = "linux/arm64"
"""Graviton: what every profile's instances are."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PROJECT = re.compile(r"[a-z](?:[a-z0-9-]{0,15}[a-z0-9])")


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """The commit of a checkout."""

    hash: str
    """Whole."""
    dirty: bool = False
    """Whether what goes into the images differs from it."""


def is_digest(text: object) -> bool:
    """Whether it is `sha256:` and 64 hexadecimal digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def checked_project(text: str) -> str:
    """A project's name, as infra/ takes it. Raises `UsageError`."""
    if not _PROJECT.fullmatch(text):
        raise UsageError(
            f"expected a project of 2 to 17 lower-case letters, digits and inner hyphens, got {text}",
            hint="--project takes the name that the bootstrap stack has",
        )
    return text


def checked_tag(text: str) -> str:
    """A tag, as registries take it. Raises `UsageError`."""
    if not _TAG.fullmatch(text):
        raise UsageError(
            f"expected a tag of at most 128 letters, digits, '.', '_' and '-', the first no '.' or '-', got {text}",
            hint="for example --tag 1.0.0",
        )
    return text


def platforms_of(text: str) -> tuple[str, ...]:
    """`linux/arm64,linux/amd64` → both, each once. Raises `UsageError`."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if strange := [one for one in found if one not in PLATFORMS]:
        raise UsageError(
            f"--platform {text}: expected {' or '.join(PLATFORMS)}, or both with a comma, got {strange[0] or 'nothing'}"
        )
    return found


def chosen(names: Sequence[str], among: Sequence[str]) -> tuple[str, ...]:
    """The images that are named, in the order of `among`; none named: all. Raises `UsageError`."""
    for name in names:
        if name not in among:
            why = " (it is mirrored, not built: auroral images push --only)" if name in MIRRORED else ""
            raise UsageError(f"expected {', '.join(among)}, got {name}{why}")
    return tuple(name for name in among if not names or name in names)


def tag_for(version: str, commit: Commit | None, at: datetime, *, anew: bool = False) -> str:
    """The tag of what is built: version and commit, and the time where that says too little. Raises `UsageError`.

    Tags are immutable: what is not committed, or is built again, gets another one.
    """
    if commit is None:
        raise UsageError(
            "the sources are in no git checkout, so that nothing tells one build from another",
            hint="give --tag, a new one for each build",
        )
    base = f"{version.replace('+', '-')}-{commit.hash[:12]}"
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    if commit.dirty:
        return checked_tag(f"{base}-dirty-{stamp}")
    return checked_tag(f"{base}-{stamp}" if anew else base)


def repository(project: str, name: str) -> str:
    """The repository in ECR."""
    return f"{project}/{name}"


def by_digest(uri: str, digest: str) -> str:
    """A reference that always means the same bytes."""
    return f"{uri}@{digest}"


def missing_platforms(wanted: Iterable[str], there: Iterable[str]) -> list[str]:
    """The platforms that an image is not for. `linux/arm64/v8` is linux/arm64."""
    plain = {"/".join(one.split("/")[:2]) for one in there}
    return [one for one in wanted if one not in plain]
