"""Where to connect to, what every call says of its caller, and why a connection could not be made, in plain words."""

from __future__ import annotations

import base64
import os
import re
import ssl
import tempfile
from pathlib import Path

import msgspec

from auroral import __version__
from auroral.temporal.spec import ConnectionSpec

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_NAME = re.compile(rb"[a-z0-9_.-]+")
_VALUE = re.compile(rb"[\x20-\x7e]*")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect to."""

    host: str
    port: int
    authority: str
    """What the requests name: `host:port`, or the certificate's name."""
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    """The certificate's name."""
    connect_timeout_s: float = 10.0


def endpoint(connection: ConnectionSpec) -> Endpoint:
    """The endpoint of a target. Raises `ValueError` for an address that is none, and for bad PEM."""
    host, _, port = connection.address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{connection.address!r} is no address: expected host:port")
    return Endpoint(
        host=host,
        port=int(port),
        authority=f"{connection.server_name}:{port}" if connection.server_name else connection.address,
        tls=_tls(connection) if connection.tls else None,
        server_name=(connection.server_name or host) if connection.tls else None,
        connect_timeout_s=connection.connect_timeout_s,
    )


def _tls(connection: ConnectionSpec) -> ssl.SSLContext:
    try:
        # Of an empty text the library would make the system's own authorities.
        context = ssl.create_default_context(cadata="-" if connection.server_ca == "" else connection.server_ca)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ValueError("the server's CA certificate is not in PEM format") from error
    context.set_alpn_protocols(["h2"])
    if (connection.client_cert is None) != (connection.client_key is None):
        raise ValueError("a client certificate and its key belong together: only one of them is given")
    if connection.client_cert is not None and connection.client_key is not None:
        _load_client(context, connection.client_cert, connection.client_key)
    return context


def _load_client(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # The standard library reads them from files alone: private ones, gone at once.
    with tempfile.TemporaryDirectory(prefix="auroral-") as directory:
        paths = Path(directory) / "certificate.pem", Path(directory) / "key.pem"
        for path, text in zip(paths, (certificate, key), strict=True):
            path.touch(mode=0o600)
            path.write_text(text)
        try:
            # A key that asks for a password must not ask whoever sits at the terminal.
            context.load_cert_chain(*paths, password=_no_password)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ValueError(f"the client certificate or its key cannot be read: {plainly(error)}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def call_headers(connection: ConnectionSpec) -> list[tuple[bytes, bytes]]:
    """What every call says. Raises `ValueError` for what no header can hold."""
    headers = [
        (b"user-agent", b"auroral/" + __version__.encode()),
        (b"client-name", b"auroral-wire"),
        (b"client-version", __version__.encode()),
    ]
    if connection.namespace.isascii() and connection.namespace.isprintable():
        headers.append((b"temporal-namespace", connection.namespace.encode()))
    if connection.api_key is not None:
        if not _VALUE.fullmatch(connection.api_key.encode()):
            raise ValueError("the API key holds what no header can, such as a line's end")
        headers.append((b"authorization", b"Bearer " + connection.api_key.encode()))
    return headers + [header(name, value) for name, value in connection.metadata.items()]


def header(name: str, value: str | bytes) -> tuple[bytes, bytes]:
    """A name and value of metadata as they are sent; of `…-bin`, any bytes. Raises `ValueError`."""
    raw_name, raw_value = name.lower().encode(), value.encode() if isinstance(value, str) else value
    if raw_name.endswith(b"-bin"):
        raw_value = base64.b64encode(raw_value).rstrip(b"=")
    if not _NAME.fullmatch(raw_name) or raw_name.startswith(b"grpc-"):
        raise ValueError(f"{name!r} is no name for metadata: expected letters, digits, - _ .")
    if not _VALUE.fullmatch(raw_value):
        raise ValueError(f"the metadata {name!r} holds what no header can, such as a line's end")
    return raw_name, raw_value


def plainly(error: BaseException) -> str:
    """What a failed connection says of itself, without numbers of errors and lines."""
    if isinstance(error, UnicodeError):
        return "that is no host's name"
    if isinstance(error, ssl.SSLError) and error.reason:
        return _of_tls(error, error.reason)
    if isinstance(error, OSError):
        # asyncio says "Connect call failed" or "Multiple exceptions".
        found = re.search(r"\[Errno (\d+)\]", str(error))
        if found:
            return os.strerror(int(found[1]))
        return error.strerror or str(error) or "the connection was closed before it was made"
    return str(error) or type(error).__name__


def _of_tls(error: ssl.SSLError, reason: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message.rstrip('.')}"
    return "it answers without TLS" if reason in _NO_TLS else f"TLS failed: {reason.lower().replace('_', ' ')}"
