"""A double of docker's client with buildx: a program on PATH that takes what they document, and pushes to moto's ECR.

It builds nothing: an image is what its Dockerfile, platforms, arguments and labels make of it. `FakeDocker` puts it
into a folder, says what its machine is like, and tells what it was asked. `tests/images/test_real_buildx.py` holds its
answers to those of a real buildx.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fake_docker.content import index, sha256

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class FakeDocker:
    """The double in one folder."""

    folder: Path

    @property
    def path(self) -> str:
        """A PATH on which it comes first."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    @property
    def environ(self) -> dict[str, str]:
        """What lets a command find it, and it its folder."""
        return {"PATH": self.path, "FAKE_DOCKER": str(self.folder), "HOME": str(self.folder)}

    def machine(self, **settings: Any) -> None:
        """Change what its machine is like: see `DEFAULTS`."""
        file = self.folder / "machine.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))

    def publish(self, reference: str, platforms: Sequence[str], *, salt: str = "") -> str:
        """Have an image in a registry of the world; its digest."""
        content = index(platforms, f"{reference} {salt}")
        file = self.folder / "world.json"
        world = json.loads(file.read_text())
        world[reference] = content
        world[f"{reference.rpartition(':')[0]}@{sha256(content)}"] = content
        file.write_text(json.dumps(world))
        return sha256(content)

    def asked(self, *beginning: str) -> list[list[str]]:
        """Command lines that it was given, without `docker`, and that begin so."""
        file = self.folder / "asked.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if line[: len(beginning)] == list(beginning)]

    def forget(self) -> None:
        """What it was asked so far."""
        (self.folder / "asked.jsonl").unlink(missing_ok=True)


DEFAULTS: Mapping[str, Any] = {
    "buildx": "0.30.1",
    "engine": "28.2.2",
    "containerd": False,
    "driver": "docker-container",
    "platforms": ["linux/amd64", "linux/arm64"],
    "fail": None,
    "hang": None,
    "deaf": False,
    "race": None,
    "lie": None,
    "silent": False,
    "alter": False,
}
"""`fail`, `hang`, `race`, `lie`: a word of the command line (`images/server/Dockerfile`) that fails; that waits for an
interrupt, unless it is deaf to one; whose tag somebody else pushes first; whose digest is told wrongly. `silent` tells
no digest; `alter` copies other bytes."""


def fake_docker(folder: Path) -> FakeDocker:
    """Put it there."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    program = bin_folder / "docker"
    program.write_text(
        f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.support.fake_docker.program import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    program.chmod(0o755)
    (folder / "machine.json").write_text(json.dumps(DEFAULTS))
    (folder / "world.json").write_text("{}")
    return FakeDocker(folder)
