"""moto's server in a thread, for boto3 of the same process: no gaps filled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNT = "123456789012"
REGION = "us-east-1"


@contextmanager
def moto_environment() -> Iterator[dict[str, str]]:
    """Yield the environment with which boto3 finds it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.stop()


def reset(environ: dict[str, str]) -> None:
    """Forget everything."""
    import urllib.request

    request = urllib.request.Request(f"{environ['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
