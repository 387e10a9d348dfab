"""moto's server in a process of its own, on a free port, with its gaps filled (`moto_gaps`)."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

REGION = "us-east-1"
"""moto has DSQL in us-east-1 and us-east-2 only."""
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Moto:
    """A running server."""

    url: str

    @property
    def environ(self) -> dict[str, str]:
        """What lets AWS's SDKs, and Terraform's provider, talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """boto3's client of a service, as an outsider would have it."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass(frozen=True)
class _Server:
    """One server's process, and the file that its words go to."""

    process: subprocess.Popen[str]
    words: IO[str]
    url: str

    def forget(self) -> bool:
        """Make it as if it had just started; False: it cannot be used any more."""
        try:
            urllib.request.urlopen(f"{self.url}/moto-api/reset", data=b"", timeout=_RESETS_S).close()
        except OSError:
            return False
        self.words.seek(0)
        self.words.truncate()
        return True

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.words):
            if stream is not None:
                stream.close()


_RESETS_S = 60.0
_idle: list[_Server] = []


@contextlib.contextmanager
def moto_server(log: Path) -> Iterator[Moto]:
    """One that holds nothing, for as long as the block lasts. The log has what it said, its errors among it.

    It outlives the block: a start and the first call of each service cost four seconds of CPU, to forget costs less
    than one. `end_idle` ends those that wait for their next use.
    """
    server = _taken()
    try:
        yield Moto(server.url)
    finally:
        server.words.flush()
        server.words.seek(0)
        log.write_text(server.words.read())
        if server.process.poll() is None:
            _idle.append(server)
        else:
            server.end()


def end_idle() -> None:
    """End the servers that nobody uses."""
    while _idle:
        _idle.pop().end()


atexit.register(end_idle)


def _taken() -> _Server:
    while _idle:
        server = _idle.pop()
        if server.process.poll() is None and server.forget():
            return server
        server.end()
    return _started()


def _started() -> _Server:
    environ = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "AWS_DEFAULT_REGION": REGION}
    words = tempfile.TemporaryFile("a+")  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.moto_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        text=True,
        env=environ,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    server = _Server(process, words, f"http://127.0.0.1:{port}")
    if not port.isdigit():
        words.seek(0)
        told = words.read()
        server.end()
        raise AssertionError(f"moto's server did not start:\n{told}")
    return server


def _look_once() -> None:
    """moto lists its own folders and a class's methods anew for each request: a fifth of its CPU in an apply."""
    from moto import backends
    from moto.core import responses, utils

    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    responses.method_names_from_class = functools.cache(utils.method_names_from_class)


def _serve() -> None:
    """Serve until stdin closes or a signal comes."""
    from moto.server import ThreadedMotoServer

    from tests.support.moto_gaps import fill

    fill()
    _look_once()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
