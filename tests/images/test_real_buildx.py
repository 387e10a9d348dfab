"""A real buildx and registry: the command lines are known, copies are the same bytes, the double says the same.

Neither needs docker's engine; a build would.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from auroral.errors import TargetError
from auroral.images import lines
from auroral.images.docker import Docker
from auroral.images.manifest import of_inspection
from auroral.images.recipe import recipe
from auroral.images.tools import look, problems
from tests.support.docker_tools_build import Registry, built_tools, registry
from tests.support.fake_docker import FakeDocker, fake_docker
from tests.support.fake_docker.content import INDEX, MANIFEST, configuration, index, manifest, sha256

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ARM, AMD = "linux/arm64", "linux/amd64"
BUILD = lines.build(
    lines.Build(
        recipe=recipe("server", "ARG VERSION\n", "*\n"),
        reference="registry.example/demo/server:1",
        version="1",
        platforms=(ARM, AMD),
        arguments={},
        keep="push",
        builder="default",
        revision="abc",
    ),
    metadata_file="metadata.json",
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """In which `docker buildx` is the real one, and there is no engine."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$1" in\nbuildx) shift; exec {built_tools() / "buildx"} "$@" ;;\n'
        "*) echo no engine >&2; exit 1 ;;\nesac\n"
    )
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DOCKER_CONFIG": str(tmp_path / "config"),
        "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock",
        "NO_COLOR": "1",
    }


@pytest.fixture
def shown() -> list[str]:
    """What docker said."""
    return []


@pytest.fixture
def docker(environ: dict[str, str], tmp_path: Path, shown: list[str]) -> Docker:
    """The real one, as auroral runs it."""
    return Docker(str(tmp_path / "bin/docker"), tmp_path, environ, shown.append)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Registry]:
    """A real registry."""
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def double(tmp_path: Path) -> FakeDocker:
    """Our own."""
    return fake_docker(tmp_path / "double")


def publish(there: Registry, repository: str, tag: str, platforms: Sequence[str]) -> str:
    """An image with all that its manifests name, as a publisher pushes it; its digest."""
    text = index(platforms, repository)
    for made_of in [*(f"{repository} {one}" for one in platforms), f"{repository} attestation"]:
        there.blob(repository, configuration(made_of))
        there.put(repository, sha256(manifest(made_of)), manifest(made_of))
    there.put(repository, tag, text)
    return sha256(text)


def test_a_copy_is_the_same_bytes(there: Registry, docker: Docker) -> None:
    digest = publish(there, "upstream/ui", "1.0", [ARM, AMD])
    source = f"{there.address}/upstream/ui"
    found = of_inspection(docker.answer(lines.inspect(f"{source}:1.0", None), "looking"), source)
    assert (found.digest, found.platforms) == (digest, (ARM, AMD))
    docker.run(lines.copy(f"{source}@{digest}", f"{there.address}/demo/ui:1.0", None), "copying")
    assert there.digest("demo/ui", "1.0", INDEX) == digest


def test_a_lone_manifest_stays_one(there: Registry, docker: Docker) -> None:
    there.blob("upstream/one", configuration("x"))
    there.put("upstream/one", "1", manifest("x"))
    source = f"{there.address}/upstream/one"
    found = of_inspection(docker.answer(lines.inspect(f"{source}:1", None), "looking"), source)
    assert (found.digest, found.platforms) == (sha256(manifest("x")), None)
    docker.run(lines.copy(f"{source}@{found.digest}", f"{there.address}/demo/one:1", None), "copying")
    assert there.digest("demo/one", "1", MANIFEST) == found.digest


def test_the_double_tells_of_an_image_what_buildx_tells(there: Registry, docker: Docker, double: FakeDocker) -> None:
    digest = publish(there, "upstream/ui", "1.0", [ARM])
    name = f"{there.address}/upstream/ui:1.0"
    world = double.folder / "world.json"
    world.write_text(json.dumps({name: index([ARM], "upstream/ui")}))
    real = json.loads(docker.answer(lines.inspect(name, None), "looking"))
    ours = Docker(str(double.folder / "bin/docker"), double.folder, double.environ, print)
    told = json.loads(ours.answer(lines.inspect(name, None), "looking"))
    assert {key: real[key] for key in told} == told
    assert told["digest"] == digest


def test_what_is_not_there_is_told(there: Registry, docker: Docker) -> None:
    with pytest.raises(TargetError, match="not found"):
        docker.answer(lines.inspect(f"{there.address}/upstream/none:1", None), "looking")


@pytest.mark.parametrize(
    "line",
    [BUILD, lines.inspect("localhost:1/a:1", "default"), lines.copy("localhost:1/a:1", "localhost:1/b:1", "default")],
    ids=["build", "inspect", "copy"],
)
def test_every_option_is_known(environ: dict[str, str], double: FakeDocker, line: lines.Line) -> None:
    """They fail for want of an engine or a registry, not of an option; one that is made up is refused by both."""

    def said(whose: dict[str, str], given: Sequence[str]) -> str:
        done = subprocess.run(given, env=whose, cwd=double.folder, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        return done.stderr

    (double.folder / "images/server").mkdir(parents=True)
    (double.folder / "images/server/Dockerfile").write_text("FROM scratch\n")
    assert "unknown flag" not in said(environ, line)
    assert "unknown flag" not in said(double.environ, line)
    wrong = [*line[:-1], "--made-up", line[-1]]
    assert "unknown flag" in said(environ, wrong)
    assert "unknown flag" in said(double.environ, wrong)


def test_a_look_without_an_engine(environ: dict[str, str]) -> None:
    found = look(environ, boot=True)
    assert found.buildx is not None
    assert found.engine is None
    assert problems(found) == []
    (want,) = problems(found, build_for=(ARM,))
    assert "docker's engine does not answer" in want.what
    assert "no-engine.sock" in want.what
