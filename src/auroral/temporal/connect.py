"""Say which cluster is meant, with each value's origin, and connect to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from auroral.errors import TargetError, UsageError
from auroral.temporal.spec import ConnectionSpec, TargetSettings
from auroral.units import format_duration

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.envconfig import ClientConfigProfile, DataSource
    from temporalio.runtime import Runtime

# What an HTTP/2 client says first: the connection preface and an empty SETTINGS frame (RFC 9113, 3.4).
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_GLIMPSE_BYTES = 64
_SETTINGS_FRAME = 4
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_SDK_BOOLEANS = ("true", "false", "1", "0")
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True)
class Resolved:
    """A target, and where its values came from."""

    connection: ConnectionSpec
    origins: Mapping[str, str] = field(default_factory=dict)
    """Of `address`, `namespace`, `tls` and `api-key`: `--address`, `TEMPORAL_ADDRESS`, a file or `default`."""


def resolve(
    target: TargetSettings, environ: Mapping[str, str], *, namespace_given: bool | None = None
) -> Resolved | None:
    """Put what was asked for before Temporal's own configuration; None: no address anywhere, use a local server.

    `namespace_given` (None: as the target says) tells whether `target.namespace` was asked for or is the default,
    which Temporal's own configuration may replace. Raises `UsageError` naming the file or variable and its fault.
    """
    if namespace_given is None:
        namespace_given = target.namespace_given
    if target.local:
        return None
    profile, origins = _load(target, environ)
    address = target.address or profile.address
    if not address:
        if target.profile or target.temporal_config:
            raise UsageError(
                f"no address in {_where(target, environ)}",
                hint="add an address to that profile, or name one with --address",
            )
        return None
    address_origin = "--address" if target.address else origins["address"]
    _host_and_port(address, address_origin)

    namespace, namespace_origin = target.namespace, "--namespace" if namespace_given else "default"
    if not namespace_given and profile.namespace:
        namespace, namespace_origin = profile.namespace, origins["namespace"]

    configured = profile.tls is not None and profile.tls.disabled is not True
    implied = profile.tls is None and profile.api_key is not None
    tls = target.tls if target.tls is not None else configured or implied
    tls_origin = "--tls" if target.tls is not None else origins["tls"]
    pems = dict[str, str | None]()
    if tls and profile.tls is not None:
        pems = {
            "server_ca": _pem(profile.tls.server_root_ca_cert, "the server's CA certificate"),
            "client_cert": _pem(profile.tls.client_cert, "the client certificate"),
            "client_key": _pem(profile.tls.client_private_key, "the client key"),
            "server_name": profile.tls.server_name,
        }
        if (pems["client_cert"] is None) != (pems["client_key"] is None):
            raise UsageError(
                "a client certificate and its key belong together: "
                f"the environment and {_where(target, environ)} have only one of them",
                hint="set both TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, or neither",
            )
    connection = ConnectionSpec(
        address=address,
        namespace=namespace,
        tls=tls,
        api_key=profile.api_key,
        metadata=dict(profile.grpc_meta),
        connect_timeout_s=target.connect_timeout_s,
        **pems,
    )
    found = {"address": address_origin, "namespace": namespace_origin, "tls": tls_origin}
    if profile.api_key is not None:
        found["api-key"] = origins["api-key"]
    return Resolved(connection, found)


def _load(target: TargetSettings, environ: Mapping[str, str]) -> tuple[ClientConfigProfile, dict[str, str]]:
    from temporalio.envconfig import ClientConfigProfile

    # An empty variable is none: the SDK would turn TLS on for an empty TEMPORAL_TLS.
    environ = {name: value for name, value in environ.items() if value.strip()}
    tls_text = environ.get("TEMPORAL_TLS", "")
    if tls_text and tls_text.lower() not in _SDK_BOOLEANS:  # the SDK takes any other word for true, `no` included
        raise UsageError(
            f"TEMPORAL_TLS is {tls_text!r}: expected true, false, 1 or 0", hint="correct it, or say --tls or --no-tls"
        )
    path = target.temporal_config or environ.get("TEMPORAL_CONFIG_FILE")
    if path and not Path(path).is_file():
        origin = "--temporal-config" if target.temporal_config else "TEMPORAL_CONFIG_FILE"
        raise UsageError(f"{origin} names {path}, which is not a file", hint="give the path of a temporal.toml")
    try:
        profile = ClientConfigProfile.load(
            target.profile, config_source=Path(path) if path else None, override_env_vars=environ
        )
    except Exception as error:  # the SDK's ConfigError is not importable by a public name
        raise UsageError(
            f"{_where(target, environ)}: {str(error).strip()}",
            hint="correct it, or choose another with --temporal-config and --profile",
        ) from error

    file = _where(target, environ)
    tls_set = any(name.startswith("TEMPORAL_TLS") and value for name, value in environ.items())
    origins = {
        "address": "TEMPORAL_ADDRESS" if environ.get("TEMPORAL_ADDRESS") else file,
        "namespace": "TEMPORAL_NAMESPACE" if environ.get("TEMPORAL_NAMESPACE") else file,
        "api-key": "TEMPORAL_API_KEY" if environ.get("TEMPORAL_API_KEY") else file,
        "tls": "TEMPORAL_TLS" if tls_set else file,
    }
    if profile.tls is None:
        origins["tls"] = origins["api-key"] if profile.api_key is not None else "default"
    return profile, origins


def _where(target: TargetSettings, environ: Mapping[str, str]) -> str:
    """Name the file and profile that Temporal's own configuration is read from."""
    path = target.temporal_config or environ.get("TEMPORAL_CONFIG_FILE") or "temporal.toml"
    return f"{path} [profile.{target.profile or environ.get('TEMPORAL_PROFILE') or 'default'}]"


def _pem(source: DataSource | None, what: str) -> str | None:
    if source is None:
        return None
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        return data.decode() if isinstance(data, bytes) else data
    except (OSError, UnicodeDecodeError) as error:
        where = str(source) if isinstance(source, Path) else "the data given"
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"cannot read {what}, {where}: {reason}", hint="give the path of a PEM file") from error


def _host_and_port(address: str, origin: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or "/" in address or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(
            f"{address!r} (from {origin}) is no address: expected host:port",
            hint="for example localhost:7233, or my-namespace.a1b2c.tmprl.cloud:7233",
        )
    return host, int(port)


async def connect(
    connection: ConnectionSpec,
    *,
    runtime: Runtime | None = None,
    retry: bool = True,
    identity: str | None = None,
    patience_s: float | None = None,
    report: Callable[[str], None] | None = None,
) -> Client:
    """Connect to a cluster; `report` hears of attempts that failed and are made again.

    `retry` False makes the client report every refusal instead of asking again. With `patience_s` failures are
    retried until that many seconds have passed: where a proxy comes up after this process. Raises `TargetError`
    after at most `connection.connect_timeout_s`, or the patience and one last attempt.
    """
    started = time.monotonic()
    wait_s = _FIRST_WAIT_S
    while True:
        try:
            return await _attempt(connection, runtime, retry, identity)
        except _Unreachable as error:
            waited_s = time.monotonic() - started
            if error.final or patience_s is None or waited_s + wait_s > patience_s:
                tried = f" (tried for {format_duration(round(waited_s))})" if waited_s >= 0.5 else ""
                raise TargetError(
                    f"cannot connect to {connection.address}: {error}{tried}", hint=error.hint or _hint(connection)
                ) from error
            if report is not None:
                left = format_duration(round(patience_s - waited_s))
                report(f"{connection.address} does not answer yet ({error}); trying for {left} more")
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 1.6, _LONGEST_WAIT_S)


class _Unreachable(Exception):
    """One attempt failed; the text says why."""

    def __init__(self, reason: str, *, hint: str = "", final: bool = False) -> None:
        super().__init__(reason)
        self.hint = hint
        self.final = final
        """Whether to try again cannot help: what was given is at fault."""


async def _attempt(connection: ConnectionSpec, runtime: Runtime | None, retry: bool, identity: str | None) -> Client:
    from temporalio.client import Client
    from temporalio.service import RetryConfig, TLSConfig

    timeout_s = connection.connect_timeout_s
    started = time.monotonic()
    await _expect_an_answer(connection)
    tls: bool | TLSConfig = False
    if connection.tls:
        tls = TLSConfig(
            server_root_ca_cert=_bytes(connection.server_ca),
            domain=connection.server_name,
            client_cert=_bytes(connection.client_cert),
            client_private_key=_bytes(connection.client_key),
        )
    try:
        async with asyncio.timeout(timeout_s - (time.monotonic() - started)):
            return await Client.connect(
                connection.address,
                namespace=connection.namespace,
                api_key=connection.api_key,
                tls=tls,
                # One attempt in all. Zero means no limit: ten attempts in 8 s were seen with SDK 1.35.
                retry_config=None if retry else RetryConfig(max_retries=1),
                connect_timeout=timedelta(seconds=timeout_s),
                rpc_metadata=connection.metadata,
                identity=identity,
                runtime=runtime,
            )
    except TimeoutError as error:
        raise _Unreachable(f"it did not answer a request within {timeout_s:g} s") from error
    except (RuntimeError, ValueError) as error:  # what the SDK raises for a failed connect
        raise _translated(str(error).removeprefix("Failed client connect: ")) from error


async def _expect_an_answer(connection: ConnectionSpec) -> None:
    """Greet the address and wait for any answer.

    The SDK's own connect never ends on a peer that accepts and stays silent, e.g. a paused server, and a process
    with such a connect pending hangs when it exits (seen with SDK 1.35). Nothing secret is sent here, so the
    certificate is left for the SDK to check.
    """
    host, port = _host_and_port(connection.address, "the target")
    tls = ssl._create_unverified_context() if connection.tls else None
    if tls is not None:
        tls.set_alpn_protocols(["h2"])
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(connection.connect_timeout_s):
            name = (connection.server_name or host) if tls is not None else None
            reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=name)
            writer.write(_HTTP2_GREETING)
            await writer.drain()
            answer = await reader.read(_GLIMPSE_BYTES)
    except TimeoutError as error:
        silent = "it accepts connections but does not answer" if writer is not None else "no connection"
        raise _Unreachable(f"{silent} within {connection.connect_timeout_s:g} s") from error
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            raise _Unreachable(
                "it answers without TLS", hint="leave TLS out: --no-tls, or TEMPORAL_TLS=false"
            ) from error
        return  # an answer, if not the one hoped for: the SDK's words for it are better
    except UnicodeError as error:
        raise _Unreachable("that is no host's name", hint="correct the address", final=True) from error
    except socket.gaierror as error:
        raise _Unreachable(
            f"the host's name cannot be resolved: {error.strerror}",
            hint="correct the address, or check the name service",
        ) from error
    except OSError as error:
        raise _Unreachable(_plainly(error)) from error
    finally:
        if writer is not None:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    _require_http2(answer, tls=tls is not None)


def _require_http2(answer: bytes, *, tls: bool) -> None:
    """See that a peer's first bytes may be HTTP/2's. Raises `_Unreachable`."""
    if answer.startswith((b"HTTP/1", b"<")):  # HTTP/0.9 has no head: what comes is a page
        raise _Unreachable(
            "it answers as a web server, not as a Temporal frontend",
            hint="name the frontend's gRPC port, often 7233; 8233 is the web UI's",
        )
    # A TLS record: an alert (21) or handshake (22), version 3.x.
    if not tls and answer[:1] in (b"\x15", b"\x16") and answer[1:2] == b"\x03":
        raise _Unreachable("it expects TLS", hint="connect with --tls, or TEMPORAL_TLS=true")
    if not tls and not answer:
        raise _Unreachable(
            "it closes the connection without an answer", hint="it may expect TLS: --tls, or be no Temporal frontend"
        )
    if len(answer) > 3 and answer[3] != _SETTINGS_FRAME:  # what a server begins with (RFC 9113, 3.4)
        raise _Unreachable("what answers there does not speak HTTP/2, as a Temporal frontend does")


def _translated(reason: str) -> _Unreachable:
    """Say in plain words what the SDK's core says of a connect that failed."""
    if "PrivateKeyParseError" in reason or "CertificateParseError" in reason:
        what = "key" if "PrivateKey" in reason else "certificate"
        return _Unreachable(f"the client {what} is not in PEM format", hint=_CERTIFICATE_HINT, final=True)
    if found := re.search(r"InvalidCertificate\((?:Other\(OtherError\()?([^()]+)", reason):
        return _Unreachable(f"the server's certificate is not accepted: {found[1]}", hint=_CERTIFICATE_HINT)
    if "InvalidContentType" in reason:
        return _Unreachable("it answers without TLS", hint="leave TLS out: --no-tls, or TEMPORAL_TLS=false")
    return _Unreachable(reason, hint=_CERTIFICATE_HINT if "certificate" in reason.lower() else "")


_CERTIFICATE_HINT = (
    "check TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME, TEMPORAL_TLS_CLIENT_CERT_PATH "
    "and TEMPORAL_TLS_CLIENT_KEY_PATH"
)


def _plainly(error: OSError) -> str:
    """Say "Connection refused" where asyncio says "Connect call failed" or "Multiple exceptions"."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return os.strerror(int(found[1])) if found else error.strerror or str(error)


def _hint(connection: ConnectionSpec) -> str:
    if not connection.tls:
        return "check that a Temporal frontend listens at that address, and whether it wants --tls"
    return "check that a Temporal frontend listens at that address, and whether it wants --no-tls"


def _bytes(text: str | None) -> bytes | None:
    return text.encode() if text is not None else None
