"""moto's server in a process of its own, on a free port, with its gaps filled (`moto_gaps`)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@contextlib.contextmanager
def moto_server(log: Path) -> Iterator[Moto]:
    """Start one, and end it. Its log tells each request."""
    environ = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "AWS_DEFAULT_REGION": REGION}
    command = [sys.executable, "-m", "tests.support.moto_server"]
    with (
        log.open("w") as err,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            env=environ,
            cwd=Path(__file__).parents[2],
        ) as process,
    ):
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port.isdigit():
                raise AssertionError(f"moto's server did not start:\n{log.read_text()}")
            yield Moto(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _serve() -> None:
    """Serve until stdin closes or a signal comes."""
    from moto.server import ThreadedMotoServer

    from tests.support.moto_gaps import fill

    fill()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
