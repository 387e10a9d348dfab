"""Opens TCP and TLS to a cluster as a client does, takes the time of each, and leaves before a session begins."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from dataclasses import dataclass

from auroral.dsql.refusals import Said, refusal
from auroral.dsql.session import authorities
from auroral.dsql.target import DsqlTarget

_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


@dataclass(frozen=True, slots=True)
class Handshake:
    """How long the way to a session took."""

    tcp_s: float
    """The name's resolution, if any, included."""
    tls_s: float
    """PostgreSQL's request for TLS included."""


async def handshake(target: DsqlTarget, *, timeout_s: float) -> Handshake:
    """Take one sample. Raises `UnreachableError`, `TlsError`."""
    return await asyncio.to_thread(_handshake, target, timeout_s)


def _handshake(target: DsqlTarget, timeout_s: float) -> Handshake:
    try:
        context = ssl.create_default_context(cafile=authorities(target))
    except (OSError, ssl.SSLError) as error:
        raise refusal(Said(message="root certificate file cannot be read", connecting=True), target) from error
    try:
        began_s = time.perf_counter()
        with socket.create_connection((target.host_address or target.endpoint, target.port), timeout_s) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened_s = time.perf_counter()
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise refusal(Said(message="the server does not support SSL", connecting=True), target)
            with context.wrap_socket(plain, server_hostname=target.endpoint) as secure:
                secured_s = time.perf_counter()
                with contextlib.suppress(OSError):
                    secure.shutdown(socket.SHUT_RDWR)
    except TimeoutError as error:
        said = Said(message=f"no handshake after {timeout_s:g} s", connecting=True, timed_out=True)
        raise refusal(said, target) from error
    except OSError as error:  # `ssl.SSLError` is one
        text = getattr(error, "verify_message", "") or error.strerror or str(error)
        words = f"certificate verify failed: {text}" if isinstance(error, ssl.SSLCertVerificationError) else text
        raise refusal(Said(message=words, connecting=True), target) from error
    return Handshake(opened_s - began_s, secured_s - opened_s)
