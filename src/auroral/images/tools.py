"""Docker, its engine, buildx and builder: what is here, and what is wanting. One function, `look`, acts.

`problems` says what stands in the way of a build, each with its remedy.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

from auroral.images.names import missing_platforms

LEAST_BUILDX = (0, 12)
"""`imagetools create --prefer-index` came with it: buildx's release notes."""
_LOOK_TIMEOUT_S = 20.0
_BOOT_TIMEOUT_S = 300.0
"""Booting a builder of the docker-container driver pulls BuildKit's image."""

_INSTALL = "https://docs.docker.com/engine/install/"
_INSTALL_BUILDX = "https://github.com/docker/buildx#installing"
_NEW_BUILDER = "docker buildx create --name auroral --driver docker-container --use"
_EMULATE = "docker run --privileged --rm tonistiigi/binfmt --install {}"


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """Docker's engine."""

    version: str
    containerd_store: bool
    """Whether it keeps images in containerd's store: only then does its own builder make more than one platform."""


class Builder(msgspec.Struct, frozen=True, kw_only=True):
    """What builds, as `docker buildx inspect` tells it."""

    name: str
    driver: str
    platforms: tuple[str, ...]
    """Of all its nodes; none while it is not booted."""
    error: str | None = None


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What is here for building and copying images."""

    docker: str | None
    """Its path."""
    buildx: str | None = None
    """Its version."""
    engine: Engine | None = None
    builder: Builder | None = None
    said: str = ""
    """Last words of whatever failed first."""


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands in the way."""

    what: str
    remedy: str


def buildx_version(text: str) -> str | None:
    """Of `docker buildx version`."""
    found = re.search(r"\bbuildx v?([0-9]+\.[0-9]+\.[0-9]+\S*)", text)
    return found[1] if found else None


def engine_of(text: str) -> Engine | None:
    """Of `docker info --format '{{json .}}'`; None where no engine answered."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not found.get("ServerVersion"):
        return None
    status = found.get("DriverStatus") or []
    containerd = any("io.containerd.snapshotter" in str(value) for pair in status for value in pair)
    return Engine(version=str(found["ServerVersion"]), containerd_store=containerd)


def builder_of(text: str) -> Builder | None:
    """Of `docker buildx inspect`; None where it is something else."""
    fields = [
        (name.strip(), value.strip())
        for name, colon, value in (line.partition(":") for line in text.splitlines())
        if colon
    ]
    names = [value for name, value in fields if name == "Name"]
    drivers = [value for name, value in fields if name == "Driver"]
    if not names or not drivers:
        return None
    listed = [part.strip().rstrip("*") for name, value in fields if name == "Platforms" for part in value.split(",")]
    errors = [value for name, value in fields if name == "Error" and value]
    return Builder(
        name=names[0],
        driver=drivers[0],
        platforms=tuple(dict.fromkeys(one for one in listed if one)),
        error=errors[0] if errors else None,
    )


def problems(tools: Tools, *, build_for: Sequence[str] = (), load: bool = False) -> list[Want]:
    """What is wanting for copying images, and for building them for these platforms."""
    if tools.docker is None:
        return [Want(what="expected docker on PATH, found none", remedy=f"how to install it: {_INSTALL}")]
    if tools.buildx is None:
        return [
            Want(
                what="expected docker's plugin buildx, found none",
                remedy=f"how to install it: {_INSTALL_BUILDX}; most distributions have it as docker-buildx",
            )
        ]
    version = tuple(int(part) for part in re.findall(r"[0-9]+", tools.buildx)[:2])
    if (0, 0) < version < LEAST_BUILDX:  # one that was built from its sources says 0.0.0
        least = ".".join(map(str, LEAST_BUILDX))
        return [
            Want(what=f"expected buildx {least} or later, found {tools.buildx}", remedy=f"newer: {_INSTALL_BUILDX}")
        ]
    if not build_for:
        return []
    return _of_builder(tools, build_for, load)


def _of_builder(tools: Tools, build_for: Sequence[str], load: bool) -> list[Want]:
    builder = tools.builder
    if builder is None or builder.error is not None:
        why = (builder.error if builder is not None else "") or tools.said or "it says nothing"
        if tools.engine is None:
            return [
                Want(
                    what=f"expected a builder, but docker's engine does not answer: {why}",
                    remedy="start the engine (`systemctl start docker`), or name a builder elsewhere: --builder",
                )
            ]
        return [Want(what=f"expected a builder, found none that works: {why}", remedy=_NEW_BUILDER)]
    wants = []
    if absent := missing_platforms(build_for, builder.platforms):
        machines = ",".join(one.partition("/")[2] for one in absent)
        there = ", ".join(builder.platforms) or "none"
        wants.append(
            Want(
                what=f"expected a builder for {', '.join(absent)}; {builder.name} is for {there}",
                remedy=f"emulate it: {_EMULATE.format(machines)} (then, where the builder is a container, "
                f"docker buildx inspect --bootstrap); or build on such a machine: docker buildx create --append",
            )
        )
    own_store = tools.engine is not None and tools.engine.containerd_store
    if len(build_for) > 1 and builder.driver == "docker" and not own_store:
        wants.append(
            Want(
                what=f"expected a builder for more than one platform at once; {builder.name} is the engine's own, "
                "which has no containerd image store",
                remedy=_NEW_BUILDER,
            )
        )
    if load and tools.engine is None:
        wants.append(
            Want(
                what="expected an engine to load the images into, none answers", remedy="leave --load out, or start it"
            )
        )
    return wants


def look(
    environ: Mapping[str, str], *, builder: str | None = None, boot: bool = False, timeout_s: float = _LOOK_TIMEOUT_S
) -> Tools:
    """See what is here. With `boot` a builder that does not run is started, as a build would do. Raises nothing.

    `timeout_s` is for each question; docker asks an engine that is far away.
    """
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        return Tools(docker=None)
    version, said = _ask(docker, environ, timeout_s, "buildx", "version")
    buildx = buildx_version(version)
    if buildx is None:
        return Tools(docker=docker, said=said)
    info, _ = _ask(docker, environ, timeout_s, "info", "--format", "{{json .}}")
    named = ("--builder", builder) if builder else ()
    boots = ("--bootstrap",) if boot else ()
    inspect_s = _BOOT_TIMEOUT_S if boot else timeout_s
    inspected, said = _ask(docker, environ, inspect_s, "buildx", "inspect", *named, *boots)
    return Tools(docker=docker, buildx=buildx, engine=engine_of(info), builder=builder_of(inspected), said=said)


def _ask(docker: str, environ: Mapping[str, str], timeout_s: float, *arguments: str) -> tuple[str, str]:
    """Stdout, whatever the status, and the last line of stderr."""
    try:
        ended = subprocess.run(
            [docker, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {timeout_s:g} s"
    except OSError as error:
        return "", f"{docker}: {error.strerror}"
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    return ended.stdout, lines[-1] if lines else ""
