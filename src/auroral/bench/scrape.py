"""Fetches a Prometheus text over HTTP, within a time."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException

_CHUNK_BYTES = 1 << 18
_MOST_BYTES = 128 << 20

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Metrics are on the loopback address or inside the cluster: no proxy stands between."""


def fetch(url: str, timeout_s: float) -> bytes:
    """Get the body of an http or https `url`. Raises `OSError` when it is not there whole within `timeout_s`.

    Blocks: call it in a thread.
    """
    if not url.startswith(("http://", "https://")):
        raise OSError(f"an http or https URL, not {url!r}")
    deadline_s = time.monotonic() + timeout_s
    try:
        return _get(url, timeout_s, deadline_s)
    except (HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _get(url: str, timeout_s: float, deadline_s: float) -> bytes:
    body = bytearray()
    with _opener.open(url, timeout=timeout_s) as response:
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            # The time-out of the socket is of each piece; this one is of them all.
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not complete within {timeout_s} s")
            if len(body) > _MOST_BYTES:
                raise OSError(f"longer than {_MOST_BYTES >> 20} MiB")
    return bytes(body)
