"""`auroral images` as a user runs it: a double of docker that is strict, and moto's ECR behind both."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hcl2
import psutil
import pytest

from auroral.aws_account import AwsAccount
from auroral.images.names import ALL
from tests.cli.conftest import Cli, Ended
from tests.support.fake_docker import FakeDocker, fake_docker
from tests.support.image_checkout import COLLECTOR, REGISTRY, UI, git, make_checkout, make_repositories
from tests.support.moto_server import REGION, Moto, moto_server

Push = Callable[..., Ended]
BASE = "server/Dockerfile"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One server for all; each test has a project of its own."""
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as server:
        yield server


@pytest.fixture
def project(moto: Moto, unique: str) -> str:
    """With its repositories."""
    make_repositories(moto, unique)
    return unique


@pytest.fixture
def docker(tmp_path: Path) -> FakeDocker:
    """The double, and what others have published."""
    double = fake_docker(tmp_path / "docker")
    double.publish(UI, ["linux/amd64", "linux/arm64"])
    double.publish(COLLECTOR, ["linux/amd64", "linux/arm64"])
    return double


@pytest.fixture
def environ(docker: FakeDocker, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of a command."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr("auroral.aws_account.AwsAccount", account_once)
    return {**docker.environ, **moto.environ}


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to copy."""
    return make_checkout(tmp_path_factory.mktemp("committed") / "checkout")


@pytest.fixture
def checkout(cli: Cli, tmp_path: Path, committed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run."""
    folder = shutil.copytree(committed, tmp_path / "checkout")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def push(cli: Cli, checkout: Path, environ: dict[str, str], project: str) -> Push:
    """`auroral images push` of the project."""

    def call(*arguments: str) -> Ended:
        return cli("images", "push", "--project", project, "--region", REGION, *arguments, environ=environ)

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """For `--tfvars`."""
    return tmp_path / "images.tfvars"


@functools.cache
def account_once(**named: str | None) -> AwsAccount:
    """boto3 takes a third of a second to make a client, and the server is one for all."""
    return AwsAccount(**named)


def images_in(text: str) -> dict[str, str]:
    """The variable, as Terraform would read it."""
    found = hcl2.loads(text)["images"]
    return {name.strip('"'): str(value).strip('"') for name, value in found.items() if not name.startswith("__")}


def digest_in(moto: Moto, project: str, name: str, tag: str) -> str:
    """What ECR has."""
    details = moto.client("ecr").describe_images(repositoryName=f"{project}/{name}", imageIds=[{"imageTag": tag}])
    return str(details["imageDetails"][0]["imageDigest"])


def test_everything_is_pushed_and_named_by_digest(
    *, push: Push, docker: FakeDocker, moto: Moto, project: str, file: Path, checkout: Path
) -> None:
    ended = push("--tfvars", str(file))
    assert ended.code == 0, ended.err
    tag = f"0.1.0-{git(checkout, 'rev-parse', 'HEAD')[:12]}"
    found = images_in(file.read_text())
    assert list(found) == list(ALL)
    assert file.read_text().startswith("# Written by auroral")
    for name in ("server", "benchmark", "grafana"):
        assert found[name] == f"{REGISTRY}/{project}/{name}@{digest_in(moto, project, name, tag)}"
    assert found["ui"].endswith(digest_in(moto, project, "ui", "2.51.1"))
    assert found["collector"].endswith(digest_in(moto, project, "collector", "v0.49.0"))
    pattern = r"^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$"  # of infra/stacks/platform/variables_images.tf
    assert all(re.fullmatch(pattern, one) for one in found.values())
    assert ended.out.split() == list(found.values())
    assert "#1 [internal] load build definition" in ended.err, "what docker says passes through"
    assert len(docker.asked("login")) == 1
    assert "auth-token" not in ended.out + ended.err + str(docker.asked())


def test_mirrored_images_are_the_same_bytes(push: Push, docker: FakeDocker, project: str) -> None:
    digest = docker.publish(UI, ["linux/arm64"], salt="another")
    ended = push("--only", "ui")
    assert ended.code == 0, ended.err
    assert images_in(ended.out) == {"ui": f"{REGISTRY}/{project}/ui@{digest}"}
    (created,) = docker.asked("buildx", "imagetools", "create")
    assert created[-1] == f"docker.io/temporalio/ui@{digest}", (
        "copied by digest, so that a tag that moves meanwhile does not matter"
    )


def test_what_is_there_is_not_pushed_again(push: Push, docker: FakeDocker, file: Path) -> None:
    assert push("--tfvars", str(file)).code == 0
    before = (file.read_text(), file.stat().st_mtime_ns)
    docker.forget()
    docker.machine(buildx=None)
    ended = push("--tfvars", str(file))
    assert ended.code == 0, ended.err
    assert ended.err.count("is in ECR already: taken as it is") == 5
    assert docker.asked() == [], "not even docker is needed"
    assert (file.read_text(), file.stat().st_mtime_ns) == before


def test_rebuild_makes_a_new_tag(push: Push, docker: FakeDocker, project: str, moto: Moto) -> None:
    assert push("--only", "server").code == 0
    ended = push("--only", "server", "--rebuild")
    assert ended.code == 0, ended.err
    pushed = moto.client("ecr").describe_images(repositoryName=f"{project}/server")["imageDetails"]
    tags = sorted(tag for one in pushed for tag in one["imageTags"])
    assert len(tags) == 2
    assert re.fullmatch(re.escape(tags[0]) + r"-\d{8}T\d{6}Z", tags[1])
    assert push("--rebuild", "--tag", "1").code == 2


def test_what_is_not_committed_has_a_tag_of_its_own(push: Push, docker: FakeDocker, checkout: Path) -> None:
    (checkout / "server/main.go").write_text("changed")
    assert push("--only", "server").code == 0
    (built,) = docker.asked("buildx", "build")
    assert re.search(r"-dirty-\d{8}T\d{6}Z$", built[built.index("--tag") + 1])
    assert not any(part.startswith("org.opencontainers.image.revision") for part in built), "it is not that revision"


def test_an_image_that_lacks_a_platform_is_not_taken(push: Push) -> None:
    assert push("--only", "server", "--tag", "1", "--platform", "linux/amd64").code == 0
    ended = push("--only", "server", "--tag", "1")
    assert (ended.code, ended.out) == (2, "")
    assert "for linux/amd64, not for linux/arm64" in ended.err
    ended = push("--only", "ui", "--platform", "linux/arm64,linux/amd64")
    assert ended.code == 0, ended.err


def test_one_image_leaves_the_others_as_the_file_has_them(push: Push, file: Path) -> None:
    ended = push("--only", "server", "--tfvars", str(file))
    assert ended.code == 2
    assert "has nothing of benchmark, grafana, ui, collector" in ended.err
    assert push("--tfvars", str(file)).code == 0
    before = images_in(file.read_text())
    assert push("--only", "grafana", "--tag", "another", "--tfvars", str(file)).code == 0
    after = images_in(file.read_text())
    assert {name for name in ALL if before[name] != after[name]} == {"grafana"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('images = {}\nproject = "mine"\n', "also sets project, which would be lost"),
        ("images = {\n", "is no file of Terraform's variables"),
        ("x = <<END\nEND\n", "heredoc"),
    ],
)
def test_a_file_of_somebody_else_is_left_alone(
    push: Push, docker: FakeDocker, file: Path, text: str, words: str
) -> None:
    file.write_text(text)
    ended = push("--tfvars", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert file.read_text() == text
    assert docker.asked() == []


def test_places_where_no_file_can_be(push: Push, tmp_path: Path) -> None:
    for path, words in (("x.tfvars.json", "ends with .tfvars"), ("none/x.tfvars", "there is no folder")):
        ended = push("--tfvars", str(tmp_path / path))
        assert ended.code == 2
        assert words in ended.err


def test_missing_repositories_are_of_the_bootstrap_stack(
    cli: Cli, checkout: Path, environ: dict[str, str], docker: FakeDocker
) -> None:
    ended = cli("images", "push", "--project", "nothing", "--region", REGION, environ=environ)
    assert ended.code == 3
    for name in ALL:
        assert f"nothing/{name}" in ended.err
    assert "auroral infra apply --stack bootstrap" in ended.err
    assert docker.asked() == []


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({"buildx": None}, "expected docker's plugin buildx"),
        ({"buildx": "0.9.1"}, "expected buildx 0.12 or later"),
        ({"engine": None}, "docker's engine does not answer"),
        ({"platforms": ["linux/amd64"]}, "binfmt --install arm64"),
    ],
)
def test_what_is_wanting_is_told_before_anything_is_pushed(
    push: Push, docker: FakeDocker, machine: dict[str, object], words: str
) -> None:
    docker.machine(**machine)
    ended = push()
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert docker.asked("login") == []


def test_copying_needs_no_engine(push: Push, docker: FakeDocker) -> None:
    docker.machine(engine=None)
    assert push("--only", "ui", "--only", "collector").code == 0


def test_without_docker(cli: Cli, checkout: Path, environ: dict[str, str], project: str) -> None:
    git_alone = checkout.parent / "git-alone"
    git_alone.mkdir()
    found = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    (git_alone / "git").symlink_to(found)
    ended = cli("images", "push", "--project", project, environ={**environ, "PATH": str(git_alone)})
    assert ended.code == 2
    assert "expected docker on PATH, found none" in ended.err


def test_a_build_that_fails_says_what_is_there_and_the_next_push_goes_on(
    push: Push, docker: FakeDocker, file: Path
) -> None:
    docker.machine(fail="images/grafana/Dockerfile")
    ended = push("--tfvars", str(file))
    assert ended.code == 3
    assert "#7 ERROR: process did not complete" in ended.err
    assert "the build of grafana failed: docker ended with status 1" in ended.err
    assert len(re.findall(r"^in ECR: .*/(server|benchmark)@sha256", ended.err, re.MULTILINE)) == 2
    assert not file.exists()
    docker.machine(fail=None)
    docker.forget()
    assert push("--tfvars", str(file)).code == 0
    assert len(docker.asked("buildx", "build")) == 1


def test_a_tag_that_somebody_else_pushed_meanwhile_is_no_riddle(push: Push, docker: FakeDocker) -> None:
    docker.machine(race="images/server/Dockerfile")
    ended = push("--only", "server")
    assert ended.code == 3
    assert "is in ECR now, from another push at the same time" in ended.err
    docker.machine(race=None)
    assert push("--only", "server").code == 0


def test_a_digest_that_ecr_does_not_have_is_not_named(push: Push, docker: FakeDocker, file: Path) -> None:
    docker.machine(lie="images/server/Dockerfile")
    ended = push("--only", "server")
    assert (ended.code, ended.out) == (3, "")
    assert "ECR says sha256:" in ended.err


def test_a_build_without_a_digest_is_told(push: Push, docker: FakeDocker) -> None:
    docker.machine(silent=True)
    ended = push("--only", "server")
    assert ended.code == 3
    assert "named no digest" in ended.err


def test_a_copy_with_other_bytes_is_told(push: Push, docker: FakeDocker) -> None:
    docker.machine(alter=True)
    ended = push("--only", "ui")
    assert (ended.code, ended.out) == (3, "")
    assert "ECR says" in ended.err


def pin(checkout: Path, digest: str) -> None:
    """Pin the UI's digest."""
    path = checkout / "images/mirrored.toml"
    path.write_text(path.read_text().replace('version = "2.51.1"', f'version = "2.51.1"\ndigest = "{digest}"'))


def test_a_pin_refuses_a_tag_that_was_moved(push: Push, docker: FakeDocker, checkout: Path) -> None:
    right = docker.publish(UI, ["linux/arm64"], salt="right")
    docker.publish(UI, ["linux/arm64"], salt="moved")
    pin(checkout, right)
    ended = push("--only", "ui")
    assert ended.code == 3
    assert f"pins {right}" in ended.err
    assert docker.asked("buildx", "imagetools", "create") == []
    assert docker.publish(UI, ["linux/arm64"], salt="right") == right
    assert push("--only", "ui").code == 0


def test_an_image_without_our_platform_is_not_mirrored(push: Push, docker: FakeDocker) -> None:
    docker.publish(UI, ["linux/amd64"])
    ended = push("--only", "ui")
    assert ended.code == 3
    assert "is not for linux/arm64, only for linux/amd64" in ended.err


def test_a_registry_that_does_not_answer_is_told(push: Push, docker: FakeDocker) -> None:
    docker.machine(fail=UI)
    ended = push("--only", "ui")
    assert ended.code == 3
    assert f"looking up {UI} failed: docker ended with status 1" in ended.err
    assert "images/mirrored.toml" in ended.err


def test_dry_run_prints_what_docker_takes_and_changes_nothing(
    *, push: Push, docker: FakeDocker, moto: Moto, project: str, file: Path, environ: dict[str, str], checkout: Path
) -> None:
    ended = push("--dry-run", "--tfvars", str(file))
    assert ended.code == 0, ended.err
    assert docker.asked() == []
    assert not file.exists()
    assert moto.client("ecr").describe_images(repositoryName=f"{project}/server")["imageDetails"] == []
    login, *others = ended.out.splitlines()
    assert login.startswith(f"aws --region {REGION} ecr get-login-password | docker login --username AWS")
    assert len(others) == 7
    push("--only", "ui")  # logs in
    for line in others[:3]:
        done = subprocess.run(shlex.split(line), env={**os.environ, **environ}, cwd=checkout, check=False)
        assert done.returncode == 0, line


def test_build_stays_here(cli: Cli, checkout: Path, environ: dict[str, str], docker: FakeDocker) -> None:
    ended = cli("images", "build", "grafana", "server", "--tag", "1", environ=environ)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "auroral/server:1 is in the builder's cache",
        "auroral/grafana:1 is in the builder's cache",
    ]
    assert not any({"--push", "--load"} & set(line) for line in docker.asked())
    ended = cli("images", "build", "grafana", "--load", environ=environ)
    assert ended.code == 0, ended.err
    assert "--load" in docker.asked("buildx", "build")[-1]


def test_build_with_bases_by_digest(cli: Cli, checkout: Path, environ: dict[str, str], docker: FakeDocker) -> None:
    base = "GO_IMAGE=registry.example/go@sha256:1"
    assert cli("images", "build", "--build-arg", base, environ=environ).code == 0
    taken = [base in line for line in docker.asked("buildx", "build")]
    assert taken == [True, True, False], "Grafana's Dockerfile knows no GO_IMAGE"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("build", "ui"), "mirrored, not built"),
        (("build", "servr"), "expected server, benchmark, grafana, got servr"),
        (("build", "--load", "--platform", "linux/arm64,linux/amd64"), "--load takes one platform"),
        (("build", "--platform", "arm64"), "--platform arm64: expected linux/arm64 or linux/amd64"),
        (("build", "--tag", "a b"), "expected a tag"),
        (("build", "--build-arg", "NOPE=1"), "expected NAME=VALUE"),
        (("push", "--only", "web"), "got web"),
        (("push", "--project", "No"), "expected a project"),
    ],
)
def test_wrong_usage(
    *, cli: Cli, checkout: Path, environ: dict[str, str], docker: FakeDocker, arguments: tuple[str, ...], words: str
) -> None:
    ended = cli("images", *arguments, environ=environ)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert docker.asked() == []


def test_without_credentials(
    cli: Cli, checkout: Path, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    ended = cli("images", "push", "--region", REGION, environ=docker.environ)
    assert ended.code == 2
    assert "no AWS credentials" in ended.err


@pytest.mark.parametrize("deaf", [False, True])
def test_an_interrupt_ends_docker_and_says_what_is_pushed(
    *, docker: FakeDocker, environ: dict[str, str], checkout: Path, project: str, tmp_path: Path, deaf: bool
) -> None:
    docker.machine(hang="images/benchmark/Dockerfile", deaf=deaf)
    command = [sys.executable, "-m", "auroral", "images", "push", "--project", project, "--region", REGION]
    process = subprocess.Popen(
        command,
        env={**os.environ, **environ},
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(tmp_path / "docker/hangs")
        (child,) = [one for one in psutil.Process(process.pid).children() if "docker" in " ".join(one.cmdline())]
        for _ in range(3 if deaf else 1):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 4, err
    assert out == ""
    assert "the build of benchmark was interrupted; in ECR by then:\n" in err
    assert f"{project}/server@sha256:" in err
    assert "the same command goes on from there" in err
    assert not child.is_running()
    assert "Traceback" not in err


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.05)
