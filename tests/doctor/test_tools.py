"""What programs print, and whether it will do."""

from __future__ import annotations

import json

import pytest

from auroral.doctor import tools
from auroral.doctor.checks import State
from auroral.doctor.tools import Provided
from auroral.images.tools import Builder, Engine, Tools, problems
from auroral.infra import terraform
from auroral.infra.terraform import LEAST_VERSION


@pytest.mark.parametrize(
    ("output", "state", "told"),
    [
        (None, State.MISSING, "not on PATH"),
        ("1.2.764.0\n", State.OK, "1.2.764.0"),
        ("1.2.896.0", State.OK, "1.2.896.0"),
        ("1.10.1.0", State.OK, "1.10.1.0"),
        ("1.2.707.0\n", State.WARN, "AWS supports 1.2.764.0"),
        ("segmentation fault", State.WARN, "no version"),
    ],
)
def test_the_session_manager_plugin(output: str | None, state: State, told: str) -> None:
    check = tools.plugin(output)
    assert (check.state, told in check.found) == (state, True)
    assert bool(check.remedy) is (state is not State.OK)


def _version(text: str) -> str:
    return json.dumps({"terraform_version": text, "platform": "linux_arm64", "provider_selections": {}})


@pytest.mark.parametrize(
    ("output", "state"),
    [
        (None, State.MISSING),
        (_version("1.11.0"), State.OK),
        (_version("1.14.2"), State.OK),
        (_version("2.0.0-beta1"), State.OK),
        (_version("1.10.5"), State.MISSING),
        (_version("1.9.8"), State.MISSING),
        ("Terraform v0.11", State.MISSING),
        ('{"terraform_version": 12}', State.MISSING),
        ("[]", State.MISSING),
    ],
)
def test_terraform(output: str | None, state: State) -> None:
    assert tools.terraform(output, LEAST_VERSION).state is state


@pytest.mark.parametrize(
    ("version", "constraint", "keeps"),
    [
        ("5.100.0", ">= 5.100.0, < 6.0.0", True),
        ("5.99.1", ">= 5.100.0, < 6.0.0", False),
        ("6.0.0", ">= 5.100.0, < 6.0.0", False),
        ("5.100.3", "~> 5.100", True),
        ("6.1.0", "~> 5.100", False),
        ("5.101.0", "~> 5.100.0", False),
        ("5.100", "= 5.100.0", True),
        ("5.100.0", "5.100.0", True),
        ("5.100.0", "!= 5.100.0", False),
        ("5.100.1", "> 5.100.0, <= 5.100.1", True),
        ("nothing", ">= 1", False),
    ],
)
def test_constraints_are_terraforms(version: str, constraint: str, keeps: bool) -> None:
    assert tools.satisfies(version, constraint) is keeps


def test_a_constraint_of_another_form_is_no_silent_yes() -> None:
    with pytest.raises(ValueError, match="expected a constraint"):
        tools.satisfies("5.100.0", ">= five")


def test_the_pin_is_the_aws_providers() -> None:
    text = """
    required_version = ">= 1.11"
    required_providers {
      random = { source = "hashicorp/random", version = "1.0.0" }
      aws = {
        source  = "hashicorp/aws"
        version = ">= 5.100.0, < 6.0.0"
      }
    }
    """
    assert tools.pinned(text) == ">= 5.100.0, < 6.0.0"
    assert tools.pinned('required_version = ">= 1.11"') is None


PIN = ">= 5.100.0, < 6.0.0"


@pytest.mark.parametrize(
    ("provided", "state", "told"),
    [
        (Provided(constraint=None, mirror=None), State.UNKNOWN, "no infra/"),
        (Provided(constraint=PIN, mirror=None), State.OK, "registry.terraform.io"),
        (Provided(constraint=PIN, mirror="/m"), State.MISSING, "holds no"),
        (Provided(constraint=PIN, mirror="/m", versions=()), State.MISSING, "none"),
        (Provided(constraint=PIN, mirror="/m", versions=("5.99.0", "6.2.0")), State.MISSING, "5.99.0, 6.2.0"),
        (Provided(constraint=PIN, mirror="/m", versions=("5.99.0", "5.100.0", "5.101.0")), State.OK, "5.101.0 in"),
    ],
)
def test_the_provider(provided: Provided, state: State, told: str) -> None:
    check = tools.provider(provided, "linux_arm64")
    assert (check.state, told in check.found) == (state, True)


def test_the_mirror_is_the_one_of_auroral_infra() -> None:
    assert tools.MIRROR == terraform.MIRROR


def test_the_aws_cli_is_not_needed() -> None:
    assert tools.aws_cli(None).state is State.OK
    assert tools.aws_cli("aws-cli/2.31.0 Python/3.13.7 Linux/6.1").found == "2.31.0"


def _docker(builder: Builder | None, **changed: object) -> tools.Check:
    engine = Engine(version="28.2.2", containerd_store=True)
    found = Tools(**({"docker": "/d", "buildx": "0.24.0", "engine": engine, "builder": builder} | changed))  # type: ignore[arg-type]
    return tools.docker(found, problems(found, build_for=(tools.BUILD_FOR,)))


def test_docker_with_a_builder_for_arm64_will_do() -> None:
    both = Builder(name="default", driver="docker", platforms=("linux/amd64", "linux/arm64"))
    assert _docker(both).state is State.OK
    check = _docker(Builder(name="default", driver="docker", platforms=("linux/amd64",)))
    assert check.state is State.MISSING
    assert "binfmt" in check.remedy


def test_a_builder_that_is_not_started_is_not_known_to_be_wrong() -> None:
    check = _docker(Builder(name="auroral", driver="docker-container", platforms=()))
    assert (check.state, check.remedy) == (State.WARN, "docker buildx inspect --bootstrap")


def test_no_docker_no_buildx_and_no_engine_are_told_apart() -> None:
    none = _docker(None, docker=None, buildx=None, engine=None)
    without_buildx = _docker(None, buildx=None)
    without_engine = _docker(None, engine=None, said="Cannot connect to the Docker daemon")
    assert {one.state for one in (none, without_buildx, without_engine)} == {State.MISSING}
    assert "docker on PATH" in none.found
    assert "buildx" in without_buildx.found
    assert "Cannot connect" in without_engine.found
