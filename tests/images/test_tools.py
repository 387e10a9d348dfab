"""Docker, engine, buildx and builder, as they tell of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auroral.images.tools import Builder, Engine, Tools, builder_of, buildx_version, engine_of, look, problems
from tests.support.fake_docker import FakeDocker, fake_docker

TWO_NODES = """
Name:   far
Driver: docker-container

Nodes:
Name:      far0
Endpoint:  unix:///var/run/docker.sock
Status:    running
Platforms: linux/amd64, linux/386

Name:      far1
Endpoint:  ssh://somebody@192.0.2.1
Status:    running
Platforms: linux/arm64*, linux/arm/v7
"""
# What buildx 0.30 prints without an engine, with status 0.
NO_ENGINE = """Name:   default
Driver: 
Error:  Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?
"""
BOTH = ("linux/arm64", "linux/amd64")


@pytest.fixture
def docker(tmp_path: Path) -> FakeDocker:
    """The double."""
    return fake_docker(tmp_path / "docker")


def tools(**changes: Any) -> Tools:
    """A machine that has everything."""
    facts: dict[str, Any] = {
        "docker": "/usr/bin/docker",
        "buildx": "0.30.1",
        "engine": Engine(version="28", containerd_store=False),
        "builder": Builder(name="b", driver="docker-container", platforms=BOTH),
    }
    return Tools(**{**facts, **changes})


def test_versions() -> None:
    assert buildx_version("github.com/docker/buildx v0.30.1 9e66234") == "0.30.1"
    assert buildx_version("github.com/docker/buildx 0.13.1+ds1-0ubuntu2\n") == "0.13.1+ds1-0ubuntu2"
    assert buildx_version("docker: unknown command: docker buildx") is None


def test_engines() -> None:
    assert engine_of('{"ServerVersion": "28.1"}') == Engine(version="28.1", containerd_store=False)
    store = json.dumps({"ServerVersion": "28.1", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    assert engine_of(store) == Engine(version="28.1", containerd_store=True)
    for text in ("", "null", '{"ServerVersion": ""}', "[]"):
        assert engine_of(text) is None


def test_builders() -> None:
    far = builder_of(TWO_NODES)
    assert far is not None
    assert (far.name, far.driver) == ("far", "docker-container")
    assert far.platforms == ("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7")
    without = builder_of(NO_ENGINE)
    assert without is not None
    assert without.error is not None
    assert without.error.startswith("Cannot connect to the Docker daemon at unix:///var")
    assert builder_of("") is None


def test_nothing_is_wanting() -> None:
    assert problems(tools(), build_for=BOTH, load=True) == []
    assert problems(tools(buildx="0.0.0+unknown"), build_for=BOTH) == [], "one that was built from its sources"
    assert problems(tools(engine=None, builder=None)) == [], "copying needs no builder"


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"docker": None}, "docker on PATH", "docs.docker.com"),
        ({"buildx": None}, "plugin buildx", "docker-buildx"),
        ({"buildx": "0.9.1"}, "buildx 0.12 or later, found 0.9.1", "newer"),
        ({"builder": None, "engine": None, "said": "x"}, "does not answer: x", "start"),
        ({"builder": builder_of(NO_ENGINE), "engine": None}, "does not answer: Cannot connect", "start"),
        ({"builder": None, "said": "no builder far"}, "none that works: no builder far", "buildx create"),
        (
            {"builder": Builder(name="b", driver="docker-container", platforms=("linux/amd64",))},
            "for linux/arm64; b is for linux/amd64",
            "binfmt --install arm64",
        ),
        ({"builder": Builder(name="d", driver="docker", platforms=BOTH)}, "more than one platform", "buildx create"),
    ],
)
def test_each_want_has_its_remedy(changes: dict[str, Any], what: str, remedy: str) -> None:
    (want,) = problems(tools(**changes), build_for=BOTH)
    assert what in want.what
    assert remedy in want.remedy


def test_containerds_store_builds_for_both() -> None:
    own = Builder(name="default", driver="docker", platforms=BOTH)
    engine = Engine(version="28", containerd_store=True)
    assert problems(tools(builder=own, engine=engine), build_for=BOTH) == []


def test_loading_needs_an_engine() -> None:
    far = Builder(name="far", driver="remote", platforms=BOTH)
    (want,) = problems(tools(builder=far, engine=None), build_for=("linux/arm64",), load=True)
    assert "an engine to load" in want.what


def test_a_look(docker: FakeDocker) -> None:
    found = look(docker.environ, boot=True)
    assert (found.buildx, found.engine) == ("0.30.1", Engine(version="28.2.2", containerd_store=False))
    assert problems(found, build_for=BOTH, load=True) == []


def test_a_builder_that_does_not_run_is_started_only_when_asked(docker: FakeDocker) -> None:
    found = look(docker.environ, builder="far")
    assert found.builder is not None
    assert (found.builder.name, found.builder.platforms) == ("far", ())
    assert docker.asked("buildx", "inspect") == [["buildx", "inspect", "--builder", "far"]]


def test_a_look_where_things_are_wanting(docker: FakeDocker, tmp_path: Path) -> None:
    docker.machine(engine=None)
    found = look(docker.environ)
    assert found.engine is None
    assert "does not answer: Cannot connect" in problems(found, build_for=BOTH)[0].what
    docker.machine(buildx=None)
    found = look(docker.environ)
    assert found.buildx is None
    assert "unknown command" in found.said
    assert look({"PATH": str(tmp_path / "nowhere")}) == Tools(docker=None)


def test_a_docker_that_cannot_run_or_does_not_answer(tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    assert "No such file" in look({"PATH": str(tmp_path)}).said
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    found = look({"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout_s=0.2)
    assert found == Tools(docker=str(program), said="no answer within 0.2 s")
