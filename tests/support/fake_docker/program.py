"""The program itself: strict about its arguments, as docker and buildx are."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.fake_docker.content import INDEX, index, sha256

FOLDER = Path(os.environ.get("FAKE_DOCKER", "."))
KNOWN_PLATFORMS = ("linux/arm64", "linux/amd64")


class Failed(Exception):
    """With docker's words."""


class Strict(argparse.ArgumentParser):
    """A parser that fails as docker does."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> Any:
        raise Failed(f"unknown flag or argument: {message}")


def main(argv: Sequence[str]) -> int:
    """Run one command line."""
    with (FOLDER / "asked.jsonl").open("a") as file:
        file.write(json.dumps(list(argv)) + "\n")
    try:
        _run(list(argv))
    except Failed as failed:
        print(f"ERROR: {failed}", file=sys.stderr)
        return 1
    return 0


def _run(argv: list[str]) -> None:
    machine = json.loads((FOLDER / "machine.json").read_text())
    if argv[:1] == ["info"]:
        _info(argv[1:], machine)
    elif argv[:1] == ["login"]:
        _login(argv[1:])
    elif argv[:1] == ["buildx"]:
        if machine["buildx"] is None:
            raise Failed("unknown command: docker buildx")
        _buildx(argv[1:], machine)
    else:
        raise Failed(f"unknown command: docker {' '.join(argv)}")


def _info(argv: list[str], machine: dict[str, Any]) -> None:
    parser = Strict()
    parser.add_argument("--format", choices=["{{json .}}"], required=True)
    parser.parse_args(argv)
    store = (
        [["driver-type", "io.containerd.snapshotter.v1"]] if machine["containerd"] else [["Backing Filesystem", "x"]]
    )
    print(json.dumps({"ServerVersion": machine["engine"] or "", "DriverStatus": store if machine["engine"] else None}))
    if machine["engine"] is None:
        print("Cannot connect to the Docker daemon. Is the docker daemon running?", file=sys.stderr)
        sys.exit(1)


def _login(argv: list[str]) -> None:
    parser = Strict()
    parser.add_argument("--username", "-u", required=True)
    parser.add_argument("--password-stdin", action="store_true", required=True)
    parser.add_argument("registry")
    given = parser.parse_args(argv)
    account = given.registry.partition(".")[0]
    password = sys.stdin.read()
    if (given.username, password) != ("AWS", f"{account}-auth-token"):
        raise Failed(f"login attempt to https://{given.registry}/v2/ failed with status: 400 Bad Request: {password}")
    (FOLDER / "logged-in").open("a").write(f"{given.registry}\n")
    print("Login Succeeded")


def _buildx(argv: list[str], machine: dict[str, Any]) -> None:
    if argv == ["version"]:
        print(f"github.com/docker/buildx v{machine['buildx']} 9e66234aa13328a5e75b75aa5574e1ca6d6d9c01")
    elif argv[:1] == ["inspect"]:
        _inspect(argv[1:], machine)
    elif argv[:1] == ["build"]:
        _build(argv[1:], machine)
    elif argv[:2] == ["imagetools", "inspect"]:
        _look_up(argv[2:], machine)
    elif argv[:2] == ["imagetools", "create"]:
        _create(argv[2:], machine)
    else:
        raise Failed(f"unknown command: docker buildx {' '.join(argv)}")


def _inspect(argv: list[str], machine: dict[str, Any]) -> None:
    parser = Strict()
    parser.add_argument("--builder")
    parser.add_argument("--bootstrap", action="store_true")
    given = parser.parse_args(argv)
    name = given.builder or "default"
    driver = machine["driver"]
    if machine["engine"] is None and driver != "remote":
        print(f"Name:   {name}\nDriver: \nError:  Cannot connect to the Docker daemon. Is the docker daemon running?\n")
        print("Nodes:")
        return
    print(f"Name:          {name}\nDriver:        {driver}\nLast Activity: 2026-11-01 10:00:00 +0000 UTC\n\nNodes:")
    print(f"Name:                  {name}0\nEndpoint:              unix:///var/run/docker.sock")
    booted = driver != "docker-container" or given.bootstrap
    print(f"Status:                {'running' if booted else 'inactive'}")
    if booted:
        print(f"BuildKit version:      v0.25.0\nPlatforms:             {', '.join(machine['platforms'])}")


def _build(argv: list[str], machine: dict[str, Any]) -> None:
    parser = Strict()
    for name in ("--builder", "--metadata-file", "--progress"):
        parser.add_argument(name)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--file", "-f", required=True)
    for name in ("--build-arg", "--label"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--tag", "-t", action="append", required=True)
    parser.add_argument("--push", action="store_true")
    parser.add_argument("--load", action="store_true")
    parser.add_argument("context")
    given = parser.parse_args(argv)
    platforms = given.platform.split(",")
    if given.push and given.load:
        raise Failed("push and load may not be set together at the moment")
    if given.load and len(platforms) > 1:
        raise Failed("docker exporter does not currently support exporting manifest lists")
    for platform in platforms:
        if platform not in KNOWN_PLATFORMS or platform not in machine["platforms"]:
            raise Failed(f"no match for platform in builder: {platform}")
    dockerfile = Path(given.context) / given.file
    if not dockerfile.is_file():
        raise Failed(f"failed to read dockerfile: open {given.file}: no such file or directory")
    print(f"#1 [internal] load build definition from {given.file}", file=sys.stderr, flush=True)
    _happen(argv, machine)
    made_of = json.dumps([dockerfile.read_text(), given.build_arg, given.label])
    content = index(platforms, made_of)
    if given.push:
        for tag in given.tag:
            if machine["race"] in argv:
                _put(tag, index(platforms, "of somebody else"))
            _put(tag, content)
    if given.metadata_file and not machine["silent"]:
        told = "sha256:" + "0" * 64 if machine["lie"] in argv else sha256(content)
        Path(given.metadata_file).write_text(json.dumps({"containerimage.digest": told, "image.name": given.tag[0]}))
    print("#2 DONE", file=sys.stderr)


def _look_up(argv: list[str], machine: dict[str, Any]) -> None:
    parser = Strict()
    parser.add_argument("--builder")
    parser.add_argument("--format", choices=["{{json .Manifest}}"], required=True)
    parser.add_argument("name")
    given = parser.parse_args(argv)
    _happen(argv, machine)
    content = _world(given.name)
    found = json.loads(content)
    descriptor = {"mediaType": found["mediaType"], "digest": sha256(content), "size": len(content)}
    shown = {**descriptor, **({"manifests": found["manifests"], "schemaVersion": 2} if "manifests" in found else {})}
    print(json.dumps(shown, indent=2), end="")


def _create(argv: list[str], machine: dict[str, Any]) -> None:
    parser = Strict()
    parser.add_argument("--builder")
    parser.add_argument("--prefer-index", choices=["true", "false"], default="true")
    parser.add_argument("--tag", "-t", required=True)
    parser.add_argument("source")
    given = parser.parse_args(argv)
    _happen(argv, machine)
    content = _world(given.source)
    if machine["alter"]:
        content = json.dumps(json.loads(content), indent=2)
    print(f"#1 [internal] pushing {given.tag}", file=sys.stderr)
    _put(given.tag, content)


def _world(name: str) -> str:
    world = json.loads((FOLDER / "world.json").read_text())
    if name not in world:
        raise Failed(f"{name}: not found")
    return str(world[name])


def _happen(argv: list[str], machine: dict[str, Any]) -> None:
    """What a test has asked for."""
    if machine["fail"] in argv:
        print("#7 ERROR: process did not complete successfully: exit code: 1", file=sys.stderr)
        raise Failed("failed to build: failed to solve")
    if machine["hang"] in argv:
        print("#5 waiting", file=sys.stderr, flush=True)
        if machine["deaf"]:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        (FOLDER / "hangs").touch()
        try:
            time.sleep(120)
        except KeyboardInterrupt:
            raise Failed("failed to build: context canceled") from None


def _put(reference: str, content: str) -> None:
    """Push to moto's ECR, as a registry would let us."""
    registry, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    logged_in = FOLDER / "logged-in"
    if not logged_in.exists() or registry not in logged_in.read_text().splitlines():
        raise Failed(f"failed to push {reference}: no basic auth credentials")
    body = {
        "repositoryName": repository,
        "imageManifest": content,
        "imageManifestMediaType": INDEX,
        "imageTag": tag,
        "imageDigest": sha256(content),
    }
    region = registry.split(".")[3]
    import http.client  # slow to import, and rarely needed

    scheme, _, host = os.environ["AWS_ENDPOINT_URL"].partition("://")
    assert scheme == "http"
    connection = http.client.HTTPConnection(host, timeout=30)
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20261101/{region}/ecr/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    connection.request("POST", "/", json.dumps(body), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise Failed(f"failed to push {reference}: {answer.read().decode()[:300]}")
