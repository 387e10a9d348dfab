"""checkov in a virtual environment of its own: it wants old versions of much that auroral uses in current ones.

It lies in the user's cache, in a folder of the requirements' digest: some 300 MB. To raise it, write another version:
`uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
checkov.in -o checkov-requirements.lock`, where checkov.in has the one line `checkov==…`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from auroral.temporal.toolchain import default_cache

REQUIREMENTS = Path(__file__).parent / "checkov-requirements.lock"
_NOWHERE = "http://127.0.0.1:9"
_TIMEOUT_S = 300.0

Run = Callable[[Sequence[str]], int]


def folder(cache: Path | None = None) -> Path:
    """Where the environment of these requirements is, or will be."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:16]
    return (cache or default_cache()) / f"checkov-{digest}"


def is_there(cache: Path | None = None) -> bool:
    """Whether nothing has to be installed."""
    return (folder(cache) / "done").exists()


def obtain(run: Run, cache: Path | None = None) -> bool:
    """Install it, unless that was done; `run` runs a command and returns its status. False where one failed.

    An environment names its own folder and cannot be moved: what an interrupted run left is made anew.
    """
    target = folder(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "checkov.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return is_there(cache) or _install(target, run)


def _install(target: Path, run: Run) -> bool:
    install = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [*install, "--require-hashes", "-r", str(REQUIREMENTS)],
    ):
        if run(command) != 0:
            shutil.rmtree(target, ignore_errors=True)
            return False
    (target / "done").touch()
    return True


def check(directory: Path, cache: Path | None = None) -> dict[str, Any]:
    """Run checkov over a folder of Terraform with the folder's own configuration: its report. No network is used."""
    if not is_there(cache):
        raise FileNotFoundError("the tests of infra/ need checkov in its own environment: python -m tests.needs")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "AURORAL_TEST_SESSION") if name in os.environ}
    command = [str(folder(cache) / "bin/checkov"), "--directory", str(directory), "--output", "json", "--soft-fail"]
    ended = subprocess.run(
        [*command, "--config-file", str(directory / ".checkov.yaml")],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        cwd=directory.parent,
        env={**kept, "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "PYTHONUTF8": "1"},
    )
    if ended.returncode != 0:
        raise AssertionError(f"checkov ended with {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(ended.stdout)
    return report
