"""A real buildx and a real registry, built from their public sources, and kept in the checkout's cache."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.fake_docker.content import sha256
from tests.support.go import _go as go_program

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "tests/tools/docker-tools"
PACKAGES = ("github.com/docker/buildx/cmd/buildx", "github.com/distribution/distribution/v3/cmd/registry")


def built_tools() -> Path:
    """The directory that holds `buildx` and `registry`; some minutes the first time."""
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes() + (MODULE / "go.mod").read_bytes()).hexdigest()[:16]
    folder = ROOT / ".cache" / f"docker-tools-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            environ = {**os.environ, "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0"}
            environ["GOFLAGS"] = "-mod=readonly -buildvcs=false"
            command = [go_program(), "build", "-o", f"{folder}/", *PACKAGES]
            subprocess.run(command, cwd=MODULE, env=environ, check=True, timeout=1700)
            (folder / "complete").touch()
    return folder


@dataclass(frozen=True)
class Registry:
    """A registry that runs."""

    address: str
    """`localhost:port`: clients take that without TLS."""

    def put(self, repository: str, name: str, text: str) -> None:
        """Store a manifest by tag or digest."""
        kind = json.loads(text)["mediaType"]
        self._send("PUT", f"{repository}/manifests/{name}", text.encode(), kind).close()

    def blob(self, repository: str, text: str) -> None:
        """Store a blob."""
        with self._send("POST", f"{repository}/blobs/uploads/", b"") as begun:
            where = begun.headers["Location"]
        join = "&" if "?" in where else "?"
        self._send("PUT", f"{where}{join}digest={sha256(text)}", text.encode(), "application/octet-stream").close()

    def digest(self, repository: str, name: str, kind: str) -> str:
        """The digest that it has, and that the bytes have."""
        url = f"http://{self.address}/v2/{repository}/manifests/{name}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kind}), timeout=10) as answer:
            text = answer.read().decode()
            assert answer.headers["Docker-Content-Digest"] == sha256(text)
        return sha256(text)

    def _send(self, method: str, path: str, data: bytes, kind: str = "") -> urllib.request.addinfourl:
        url = path if path.startswith("http") else f"http://{self.address}/v2/{path}"
        headers = {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(url, method=method, data=data, headers=headers)
        answer: urllib.request.addinfourl = urllib.request.urlopen(request, timeout=10)
        return answer


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Run one, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (
        (folder / "registry.log").open("w") as log,
        subprocess.Popen([built_tools() / "registry", "serve", config], stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                    break
                except urllib.error.URLError:
                    assert time.monotonic() < deadline, (folder / "registry.log").read_text()
                    time.sleep(0.05)
            yield Registry(f"localhost:{port}")
        finally:
            process.terminate()
