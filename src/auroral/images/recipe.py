"""What an image's files say: arguments of its Dockerfile, sources that reach its build, and what is mirrored. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping

import msgspec

from auroral.errors import UsageError
from auroral.images.names import BUILT, MIRRORED, checked_tag, is_digest

_ARG = re.compile(r"^\s*ARG\s+([A-Za-z_]\w*)", re.MULTILINE)
_SOURCE = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How an image is built."""

    name: str
    dockerfile: str
    """Relative to the root of the sources."""
    arguments: frozenset[str]
    """That its Dockerfile takes."""
    sources: tuple[str, ...]
    """What reaches the build, relative to the root."""


class Mirrored(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is copied as its publisher has it."""

    name: str
    source: str
    """Repository, with its registry."""
    version: str
    """Tag there, and in ECR."""
    digest: str | None = None
    """Where given, the only one that is taken."""

    @property
    def reference(self) -> str:
        """By tag."""
        return f"{self.source}:{self.version}"


def recipe(name: str, dockerfile: str, ignore: str) -> Recipe:
    """Read a Dockerfile and its `Dockerfile.dockerignore`, of which each line `!path` lets something in."""
    let_in = [line[1:].strip().strip("/") for line in ignore.splitlines() if line.startswith("!")]
    return Recipe(
        name=name,
        dockerfile=f"images/{name}/Dockerfile",
        arguments=frozenset(_ARG.findall(dockerfile)),
        sources=tuple(let_in),
    )


def build_arguments(given: Iterable[str], recipes: Iterable[Recipe]) -> dict[str, str]:
    """`NAME=VALUE`s that one of the Dockerfiles takes. Raises `UsageError`."""
    known = {name for one in recipes for name in one.arguments}
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"--build-arg {text}: expected NAME=VALUE with one of {', '.join(sorted(known))}",
                hint="for example --build-arg GO_IMAGE=public.ecr.aws/docker/library/golang@sha256:…",
            )
        found[name] = value
    return found


def mirrored(text: str, origin: str) -> dict[str, Mirrored]:
    """Read images/mirrored.toml. Raises `UsageError`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin} is no TOML: {error}") from error
    if set(tables) != set(MIRRORED):
        raise UsageError(
            f"{origin}: expected the tables {', '.join(MIRRORED)}, found {', '.join(tables) or 'none'}",
            hint=f"{', '.join(BUILT)} are built, not mirrored",
        )
    return {name: _one(name, tables[name], origin) for name in MIRRORED}


def _one(name: str, table: object, origin: str) -> Mirrored:
    if not isinstance(table, Mapping) or not {"source", "version"} <= set(table) <= {"source", "version", "digest"}:
        raise UsageError(
            f"{origin}: [{name}] takes source, version and, if you like, digest; no less, and nothing else"
        )
    source, version, digest = table["source"], table["version"], table.get("digest")
    if not isinstance(source, str) or not _SOURCE.fullmatch(source) or "." not in source.split("/")[0]:
        raise UsageError(
            f"{origin}: [{name}] source: expected a registry and a repository, such as docker.io/temporalio/ui, "
            f"got {source}"
        )
    if digest is not None and not is_digest(digest):
        raise UsageError(f"{origin}: [{name}] digest: expected sha256: and 64 hexadecimal digits, got {digest}")
    if not isinstance(version, str):
        raise UsageError(f"{origin}: [{name}] version: expected a tag in quotation marks, got {version}")
    return Mirrored(name=name, source=source, version=checked_tag(version), digest=digest)
