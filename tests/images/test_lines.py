"""Command lines of docker: held to what the double takes, and the double to what buildx takes (`test_real_buildx`)."""

from __future__ import annotations

import shlex

from auroral.images import lines
from auroral.images.recipe import recipe

SERVER = recipe("server", "ARG VERSION\nARG GO_IMAGE=x\n", "*\n!server\n")


def build(**changes: object) -> tuple[str, ...]:
    """A build's line."""
    facts: dict[str, object] = {
        "recipe": SERVER,
        "reference": "r/server:1",
        "version": "1",
        "platforms": ("linux/arm64", "linux/amd64"),
        "arguments": {},
        "keep": "cache",
    }
    return lines.build(lines.Build(**{**facts, **changes}), metadata_file=None)  # type: ignore[arg-type]


def pairs(line: tuple[str, ...], option: str) -> list[str]:
    """The values of an option."""
    return [line[at + 1] for at, part in enumerate(line) if part == option]


def test_a_build() -> None:
    line = build(arguments={"GO_IMAGE": "g@sha256:1", "PYTHON_IMAGE": "p"}, revision="abc")
    assert line[:3] == ("docker", "buildx", "build")
    assert line[-1] == "."
    assert pairs(line, "--platform") == ["linux/arm64,linux/amd64"]
    assert pairs(line, "--file") == ["images/server/Dockerfile"]
    assert pairs(line, "--build-arg") == ["VERSION=1", "GO_IMAGE=g@sha256:1"]
    assert "org.opencontainers.image.revision=abc" in pairs(line, "--label")
    assert not {"--push", "--load", "--builder", "--metadata-file"} & set(line)


def test_a_dockerfile_without_a_version_is_given_none() -> None:
    assert pairs(build(recipe=recipe("grafana", "FROM x\n", "")), "--build-arg") == []


def test_what_becomes_of_it() -> None:
    assert "--push" in build(keep="push")
    assert "--load" in build(keep="load")
    assert pairs(build(builder="far"), "--builder") == ["far"]
    line = lines.build(
        lines.Build(recipe=SERVER, reference="r:1", version="1", platforms=("linux/arm64",), arguments={}, keep="push"),
        metadata_file="/m.json",
    )
    assert pairs(line, "--metadata-file") == ["/m.json"]


def test_copies_are_of_the_same_bytes() -> None:
    line = lines.copy("a/b@sha256:1", "r/ui:1", None)
    assert line == (
        *("docker", "buildx", "imagetools", "create", "--prefer-index=false", "--tag", "r/ui:1", "a/b@sha256:1"),
    )
    assert pairs(lines.copy("a", "b", "far"), "--builder") == ["far"]


def test_a_login_has_its_password_on_no_command_line() -> None:
    assert lines.login("r.example") == ("docker", "login", "--username", "AWS", "--password-stdin", "r.example")
    first, second = lines.login_shell("r.example", "eu-west-1", "me").split(" | ")
    assert shlex.split(first) == [
        *("aws", "--profile", "me", "--region", "eu-west-1", "ecr", "get-login-password"),
    ]
    assert tuple(shlex.split(second)) == lines.login("r.example")


def test_a_shell_takes_the_line_as_it_is() -> None:
    line = lines.inspect("a:1", None)
    assert tuple(shlex.split(lines.shell(line))) == line
    assert "{{json .Manifest}}" in line
