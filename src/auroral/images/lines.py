"""The command lines of docker, as lists. Pure.

Options are those that buildx 0.12 and later document; nothing secret is ever among them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from auroral.images.recipe import Recipe

Line = tuple[str, ...]

Keep = Literal["cache", "load", "push"]
"""What becomes of a build: it stays in the builder's cache, goes into the engine, or into a registry."""


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One build."""

    recipe: Recipe
    reference: str
    """With its tag."""
    version: str
    """Which `VERSION` the programs tell."""
    platforms: tuple[str, ...]
    arguments: Mapping[str, str]
    """Of `--build-arg`; those that the Dockerfile does not take are left out."""
    keep: Keep
    builder: str | None = None
    revision: str | None = None
    """Commit of the sources."""


def build(one: Build, *, metadata_file: str | None) -> Line:
    """`docker buildx build`, in the root of the sources."""
    arguments = {"VERSION": one.version, **one.arguments}
    labels = {"org.opencontainers.image.version": one.version}
    if one.revision is not None:
        labels["org.opencontainers.image.revision"] = one.revision
    parts = [*_buildx("build", one.builder), "--platform", ",".join(one.platforms), "--file", one.recipe.dockerfile]
    parts += ["--tag", one.reference]
    for name, value in arguments.items():
        if name in one.recipe.arguments:
            parts += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        parts += ["--label", f"{name}={value}"]
    if one.keep != "cache":
        parts.append(f"--{one.keep}")
    if metadata_file is not None:
        parts += ["--metadata-file", metadata_file]
    return (*parts, ".")


def login(registry: str) -> Line:
    """`docker login`, which reads the password from stdin."""
    return ("docker", "login", "--username", "AWS", "--password-stdin", registry)


def inspect(reference: str, builder: str | None) -> Line:
    """What a registry has under a name."""
    return (*_buildx("imagetools", builder, "inspect"), "--format", "{{json .Manifest}}", reference)


def copy(source: str, target: str, builder: str | None) -> Line:
    """From one registry to another, byte for byte: a lone manifest becomes no index."""
    return (*_buildx("imagetools", builder, "create"), "--prefer-index=false", "--tag", target, source)


def shell(line: Sequence[str]) -> str:
    """As a shell takes it."""
    return shlex.join(line)


def login_shell(registry: str, region: str, profile: str | None) -> str:
    """What logging in does, as a shell does it."""
    aws = ("aws", *(("--profile", profile) if profile else ()), "--region", region, "ecr", "get-login-password")
    return f"{shlex.join(aws)} | {shlex.join(login(registry))}"


def _buildx(command: str, builder: str | None, *sub: str) -> tuple[str, ...]:
    return ("docker", "buildx", command, *sub, *(("--builder", builder) if builder else ()))
