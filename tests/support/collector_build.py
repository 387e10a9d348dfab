"""The OpenTelemetry Collector with our configuration's parts, built from public sources into the checkout's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from tests.support.go import _go as go_program

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "tests/tools/collector"
SOURCES = ("main.go", "go.mod", "go.sum")
BUILD_S = 3000.0
"""Some 1,200 packages, Kubernetes' and AWS's among them: nine minutes of one core."""


def built_collector(cache: Path | None = None) -> Path:
    """The program; CalledProcessError or TimeoutExpired where it cannot be built."""
    digest = hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in SOURCES)).hexdigest()[:16]
    folder = (cache or ROOT / ".cache") / f"collector-{digest}"
    program = folder / "collector"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            made = program.with_suffix(".new")
            environ = {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=readonly -buildvcs=false"}
            command = [go_program(), "build", "-o", str(made), "."]
            subprocess.run(command, cwd=MODULE, env=environ, check=True, timeout=BUILD_S)
            made.rename(program)
    return program
