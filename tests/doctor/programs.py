"""Executable doubles of the programs that the doctor asks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

BUILDER = "Name:   default\nDriver: docker\n\nNodes:\nName:      default\nStatus:    running\nPlatforms: {}\n"
ENGINE = '{"ServerVersion": "28.2.2", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}'


def program(folder: Path, name: str, script: str) -> None:
    """Write one: a shell's script."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def docker(folder: Path, *, platforms: str = "linux/amd64, linux/arm64*") -> None:
    """Docker with buildx, an engine and a builder for these platforms."""
    program(
        folder,
        "docker",
        f"""case "$1 $2" in
  "buildx version") echo "github.com/docker/buildx v0.24.0 abcdef" ;;
  "buildx inspect") printf '{BUILDER.format(platforms)}' ;;
  "info --format") echo '{ENGINE}' ;;
  *) exit 1 ;;
esac""",
    )


def complete(folder: Path) -> None:
    """All of them, as they should be, but for Terraform."""
    docker(folder)
    program(folder, "session-manager-plugin", "echo 1.2.896.0")
    program(folder, "aws", "echo aws-cli/2.31.0 Python/3.13.7")


def path_of(*folders: Path) -> Mapping[str, str]:
    """PATH with these folders, and the shell's own tools alone."""
    return {"PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])}
