"""A checkout, a double of docker, and moto's ECR with the repositories of the bootstrap stack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from auroral.images.names import ALL
from tests.support.moto_server import ACCOUNT, REGION, Moto

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
UI = "docker.io/temporalio/ui:2.51.1"
COLLECTOR = "public.ecr.aws/aws-observability/aws-otel-collector:v0.49.0"


def make_repositories(moto: Moto, project: str) -> None:
    """As infra/stacks/bootstrap makes them: tags cannot be moved."""
    ecr = moto.client("ecr")
    for name in ALL:
        ecr.create_repository(repositoryName=f"{project}/{name}", imageTagMutability="IMMUTABLE")


def make_checkout(folder: Path) -> Path:
    """A git checkout with the images' own files, and a little of what goes into them."""
    shutil.copytree(ROOT / "images", folder / "images", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("server/main.go", "src/auroral/__init__.py", "LICENSE", "README.md", "pyproject.toml", "notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    for line in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        git(folder, *line)
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git there, as somebody."""
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *somebody, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
