"""AWS's Session Manager plugin, built from its public sources, and kept in the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from tests.support.go import _go as go_program

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "tests/tools/session-plugin"
PACKAGE = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"
PROGRAM = "session-manager-plugin"


def plugin_folder(cache: Path | None = None) -> Path:
    """Where it is kept: another folder for other sources."""
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes() + (MODULE / "go.mod").read_bytes()).hexdigest()[:16]
    return (cache or ROOT / ".cache") / f"session-plugin-{digest}"


def is_there(cache: Path | None = None) -> bool:
    """Whether it was built already."""
    return (plugin_folder(cache) / PROGRAM).exists()


def built_plugin(cache: Path | None = None) -> Path:
    """The directory that holds it, for PATH; CalledProcessError or TimeoutExpired where it cannot be built."""
    folder = plugin_folder(cache)
    program = folder / PROGRAM
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            made = program.with_suffix(".new")
            environ = {
                **os.environ,
                "GOTOOLCHAIN": "auto",
                "GOFLAGS": "-mod=readonly -buildvcs=false",
                "CGO_ENABLED": "0",
            }
            subprocess.run(
                [go_program(), "build", "-o", str(made), PACKAGE], cwd=MODULE, env=environ, check=True, timeout=600
            )
            made.rename(program)
    return folder


def environ(**more: str) -> dict[str, str]:
    """The environment in which the real plugin is found, with credentials that nobody takes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **credentials, "PATH": f"{built_plugin()}{os.pathsep}{os.environ['PATH']}", **more}
