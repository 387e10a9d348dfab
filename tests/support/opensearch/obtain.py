"""Fetch OpenSearch's jars with Maven once, and keep them with the compiled program that runs a node.

They lie in the user's cache, in a folder of the sources' digest: some 100 MB.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from auroral.temporal.toolchain import default_cache

SOURCES = Path(__file__).parent
_FILES = ("pom.xml", "TestNode.java")
_SECURITY = "opensearch-security"

Run = Callable[[Sequence[str]], int]


def folder(cache: Path | None = None) -> Path:
    """Where the jars of these sources are, or will be."""
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    return (cache or default_cache()) / f"opensearch-{digest}"


def is_there(cache: Path | None = None) -> bool:
    """Whether nothing has to be fetched."""
    return (folder(cache) / "done").exists()


def obtain(run: Run, cache: Path | None = None) -> bool:
    """Fetch and compile, unless that was done; `run` runs a command and returns its status. False where one failed."""
    target = folder(cache)
    if is_there(cache):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="opensearch-new-") as name:
        scratch = Path(name)
        jars, security, classes = scratch / "jars", scratch / "security", scratch / "classes"
        # Maven writes beside the project's file.
        shutil.copy(SOURCES / "pom.xml", scratch)
        copy = ["mvn", "--batch-mode", "--file", str(scratch / "pom.xml"), "dependency:copy-dependencies"]
        if run([*copy, f"-DoutputDirectory={jars}"]) != 0:
            return False
        _unpack_security(jars, security)
        compile_it = ["javac", "-d", str(classes), "-cp", f"{jars}/*", str(SOURCES / "TestNode.java")]
        if run(compile_it) != 0:
            return False
        (scratch / "done").touch()
        try:
            scratch.rename(target)
        except OSError:  # another process was first
            return is_there(cache)
        scratch.mkdir()  # for TemporaryDirectory to remove
    return True


def _unpack_security(jars: Path, into: Path) -> None:
    """The plugin's jars, but for those that the node has in its own version; and its configuration."""
    (archive,) = jars.glob(f"{_SECURITY}-*.zip")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into)
    archive.unlink()
    own = {_artifact(path.name) for path in jars.glob("*.jar")}
    for path in into.glob("*.jar"):
        if _artifact(path.name) in own:
            path.unlink()


def _artifact(name: str) -> str:
    """`netty-codec-http-4.1.135.Final.jar` → `netty-codec-http`."""
    parts = name.split("-")
    return "-".join(part for part in parts if not part[0].isdigit())


def _plain(command: Sequence[str]) -> int:
    return subprocess.run(list(command), stdin=subprocess.DEVNULL, env=dict(os.environ), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(0 if obtain(_plain) else 1)
