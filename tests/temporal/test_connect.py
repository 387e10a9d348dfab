"""Which cluster is meant, and what a connection attempt says when there is none."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest

from auroral.errors import TargetError, UsageError
from auroral.temporal.connect import Resolved, _translated, connect, resolve
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec, TargetSettings


def resolved(target: TargetSettings, environ: Mapping[str, str], *, namespace_given: bool = False) -> Resolved:
    found = resolve(target, {"HOME": "/nonexistent", **environ}, namespace_given=namespace_given)
    assert found is not None
    return found


def write(folder: Path, text: str) -> str:
    path = folder / "temporal.toml"
    path.write_text(textwrap.dedent(text))
    return str(path)


def test_no_address_anywhere_means_a_local_server() -> None:
    assert resolve(TargetSettings(), {"HOME": "/nonexistent"}) is None
    assert resolve(TargetSettings(), {"HOME": "/nonexistent", "TEMPORAL_NAMESPACE": "other"}) is None


def test_an_explicit_address_wins() -> None:
    found = resolved(TargetSettings(address="a:1"), {"TEMPORAL_ADDRESS": "b:2", "TEMPORAL_NAMESPACE": "theirs"})
    assert found.connection.address == "a:1"
    assert found.connection.namespace == "theirs"
    assert found.origins["address"] == "--address"
    assert found.origins["namespace"] == "TEMPORAL_NAMESPACE"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [profile.default]
        address = "file:1"
        namespace = "of-file"
        """,
    )
    found = resolved(TargetSettings(temporal_config=path), {"TEMPORAL_ADDRESS": "env:2"})
    assert (found.connection.address, found.origins["address"]) == ("env:2", "TEMPORAL_ADDRESS")
    assert (found.connection.namespace, found.origins["namespace"]) == ("of-file", f"{path} [profile.default]")
    assert not found.connection.tls
    assert found.origins["tls"] == "default"


def test_a_given_namespace_wins_and_the_default_stands_last() -> None:
    environ = {"TEMPORAL_ADDRESS": "a:1", "TEMPORAL_NAMESPACE": "theirs"}
    given = resolved(TargetSettings(namespace="benchmark-9"), environ, namespace_given=True)
    assert (given.connection.namespace, given.origins["namespace"]) == ("benchmark-9", "--namespace")
    default = resolved(TargetSettings(), {"TEMPORAL_ADDRESS": "a:1"})
    assert (default.connection.namespace, default.origins["namespace"]) == ("benchmark", "default")


def test_profiles_tls_keys_and_metadata(tmp_path: Path) -> None:
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    for path in (ca, certificate, key):
        path.write_text(f"PEM of {path.name}")
    config = write(
        tmp_path,
        f"""
        [profile.prod]
        address = "prod.example:7233"
        api_key = "secret"
        [profile.prod.tls]
        server_name = "inner"
        server_ca_cert_path = "{ca}"
        client_cert_path = "{certificate}"
        client_key_path = "{key}"
        [profile.prod.grpc_meta]
        x-team = "bench"
        """,
    )
    found = resolved(TargetSettings(profile="prod"), {"TEMPORAL_CONFIG_FILE": config})
    assert found.connection == ConnectionSpec(
        address="prod.example:7233",
        namespace="benchmark",
        tls=True,
        server_ca="PEM of ca.pem",
        client_cert="PEM of cert.pem",
        client_key="PEM of key.pem",
        server_name="inner",
        api_key="secret",
        metadata={"x-team": "bench"},
    )
    assert "secret" not in repr(found.connection)
    plain = resolved(TargetSettings(profile="prod", tls=False), {"TEMPORAL_CONFIG_FILE": config})
    assert not plain.connection.tls
    assert plain.connection.client_key is None
    assert plain.origins["tls"] == "--tls"


def test_an_api_key_implies_tls() -> None:
    found = resolved(TargetSettings(), {"TEMPORAL_ADDRESS": "a:1", "TEMPORAL_API_KEY": "k"})
    assert found.connection.tls
    assert found.origins["tls"] == "TEMPORAL_API_KEY"


def test_faults_name_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    home = {"HOME": "/nonexistent"}
    broken = write(tmp_path, "[profile.default\n")
    with pytest.raises(UsageError, match=r"(?s)temporal.toml \[profile.default\]: .*unclosed table"):
        resolve(TargetSettings(temporal_config=broken), home)
    with pytest.raises(UsageError, match=r"--temporal-config names /nowhere\.toml"):
        resolve(TargetSettings(temporal_config="/nowhere.toml"), home)
    with pytest.raises(UsageError, match=r"TEMPORAL_CONFIG_FILE names /nowhere\.toml"):
        resolve(TargetSettings(), {**home, "TEMPORAL_CONFIG_FILE": "/nowhere.toml"})
    empty = write(tmp_path, "[profile.x]\nnamespace = 'n'\n")
    with pytest.raises(UsageError, match=r"\[profile.y\]: Profile 'y' not found"):
        resolve(TargetSettings(temporal_config=empty, profile="y"), home)
    with pytest.raises(UsageError, match=r"no address in .*\[profile.x\]"):
        resolve(TargetSettings(temporal_config=empty, profile="x"), home)
    unreadable = {**home, "TEMPORAL_ADDRESS": "a:1", "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/nowhere.pem"}
    with pytest.raises(UsageError, match=r"the server's CA certificate, /nowhere.pem"):
        resolve(TargetSettings(), unreadable)
    one_of_two = {**home, "TEMPORAL_ADDRESS": "a:1", "TEMPORAL_TLS_CLIENT_CERT_DATA": "x"}
    with pytest.raises(UsageError, match="belong together"):
        resolve(TargetSettings(), one_of_two)


@pytest.mark.parametrize(("text", "tls"), [("", False), ("true", True), ("1", True), ("FALSE", False), ("0", False)])
def test_tls_by_variable(text: str, tls: bool) -> None:
    assert resolved(TargetSettings(), {"TEMPORAL_ADDRESS": "a:1", "TEMPORAL_TLS": text}).connection.tls is tls


@pytest.mark.parametrize("text", ["no", "maybe", "T"])
def test_a_tls_variable_that_the_sdk_would_take_for_true(text: str) -> None:
    with pytest.raises(UsageError, match=r"TEMPORAL_TLS is .* expected true, false, 1 or 0"):
        resolve(TargetSettings(), {"HOME": "/nonexistent", "TEMPORAL_ADDRESS": "a:1", "TEMPORAL_TLS": text})


@pytest.mark.parametrize("address", ["localhost", "http://a:1", "a:", ":7233", "a:70000", "a:x"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(UsageError, match="expected host:port"):
        resolve(TargetSettings(address=address), {"HOME": "/nonexistent"})


@contextlib.asynccontextmanager
async def listener(answer: bytes | None) -> AsyncIterator[str]:
    """Accept connections and answer each with these bytes, or never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if answer is None:
                await reader.read()
            else:
                await reader.read(1024)  # else the connection is reset
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_nobody_listens() -> None:
    with pytest.raises(TargetError, match=r"cannot connect to 127.0.0.1:1: Connection refused") as caught:
        await connect(ConnectionSpec(address="127.0.0.1:1", namespace="benchmark"))
    assert "frontend" in caught.value.hint


async def test_no_such_host() -> None:
    with pytest.raises(TargetError, match=r"(?i)nowhere.invalid:7233: .*(name|resol)"):
        await connect(ConnectionSpec(address="nowhere.invalid:7233", namespace="benchmark"))


async def test_something_else_listens() -> None:
    async with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        with pytest.raises(TargetError, match=r"cannot connect to .* answers as a web server"):
            await connect(ConnectionSpec(address=address, namespace="benchmark"))
        with pytest.raises(TargetError, match=r"cannot connect to .* answers without TLS") as caught:
            await connect(ConnectionSpec(address=address, namespace="benchmark", tls=True))
    assert "--no-tls" in caught.value.hint


async def test_something_that_is_no_web_server_either() -> None:
    async with listener(b"-ERR unknown command\r\n") as address:
        with pytest.raises(TargetError, match="does not speak HTTP/2"):
            await connect(ConnectionSpec(address=address, namespace="benchmark"))


@pytest.mark.parametrize(("answer", "told"), [(b"\x15\x03\x01\x00\x02\x02\x50", "it expects TLS"), (b"", "closes")])
async def test_a_peer_that_wants_tls(answer: bytes, told: str) -> None:
    async with listener(answer) as address:
        with pytest.raises(TargetError, match=told) as caught:
            await connect(ConnectionSpec(address=address, namespace="benchmark"))
    assert "--tls" in caught.value.hint


@pytest.mark.parametrize("address", ["a..b:1", f"{'a' * 300}:1"])
async def test_what_is_no_host_is_not_tried_twice(address: str) -> None:
    started = time.monotonic()
    with pytest.raises(TargetError, match="no host's name"):
        await connect(ConnectionSpec(address=address, namespace="benchmark"), patience_s=30)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("tonic::transport::Error(Transport, PrivateKeyParseError)", "the client key is not in PEM format"),
        (
            "Error(Transport, ConnectError(Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }))",
            "the server's certificate is not accepted: UnknownIssuer",
        ),
        (
            "error: InvalidCertificate(Other(OtherError(CaUsedAsEndEntity))) }))",
            "the server's certificate is not accepted: CaUsedAsEndEntity",
        ),
        ("ConnectError(Custom { error: InvalidMessage(InvalidContentType) })", "it answers without TLS"),
        ("something else", "something else"),
    ],
)
def test_the_sdks_words_are_put_plainly(reason: str, told: str) -> None:
    assert str(_translated(reason)) == told


@pytest.mark.parametrize("tls", [False, True])
def test_a_silent_peer_costs_the_timeout_and_not_the_exit(tls: bool) -> None:
    """In a process of its own: with the SDK's own connect pending it hung at its exit."""
    program = textwrap.dedent(
        f"""
        import asyncio, socket
        from auroral.errors import TargetError
        from auroral.temporal.connect import connect
        from auroral.temporal.spec import ConnectionSpec
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"127.0.0.1:{{silent.getsockname()[1]}}"
            spec = ConnectionSpec(address=address, namespace="benchmark", connect_timeout_s=0.3, tls={tls})
            try:
                asyncio.run(connect(spec))
            except TargetError as error:
                print(error.message)
        """
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert "within 0.3 s" in ran.stdout


@pytest.mark.live
async def test_patience_outlasts_a_late_server(temporal_server: LocalServer) -> None:
    """A proxy that comes up late: nothing listens, then it forwards to a real server."""
    async with listener(b"") as address:
        port = int(address.rpartition(":")[2])
    attempt = asyncio.create_task(
        connect(ConnectionSpec(address=address, namespace="benchmark"), patience_s=20, identity="patient")
    )
    await asyncio.sleep(0.6)
    assert not attempt.done()

    lines: list[asyncio.StreamWriter] = []
    forwarding: list[asyncio.Task[None]] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", temporal_server.port)
        lines.extend((writer, downstream))
        await asyncio.gather(_pump(reader, downstream), _pump(upstream, writer))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forwarding.append(asyncio.ensure_future(forward(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", port):
        client = await attempt
        assert client.identity == "patient"
        del client
    for line in lines:  # the SDK's client keeps them open
        line.transport.abort()
    await asyncio.gather(*forwarding)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def test_patience_ends() -> None:
    started = time.monotonic()
    with pytest.raises(TargetError, match=r"Connection refused \(tried for 1 s\)"):
        await connect(ConnectionSpec(address="127.0.0.1:1", namespace="benchmark"), patience_s=1.0)
    assert time.monotonic() - started < 3


class Refusing(grpc.GenericRpcHandler):
    """A frontend that lets clients connect and refuses everything else."""

    def __init__(self) -> None:
        self.refused = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            if handler_call_details.method.endswith("/GetSystemInfo"):
                return b""
            self.refused += 1
            return await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")

        return grpc.unary_unary_rpc_method_handler(answer)


async def test_without_retry_each_refusal_is_told_at_once() -> None:
    from temporalio.service import RPCError

    frontend = Refusing()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([frontend])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    client = await connect(ConnectionSpec(address=address, namespace="benchmark"), retry=False)
    with pytest.raises(RPCError, match="too much"):
        await client.get_workflow_handle("nothing").describe()
    assert frontend.refused == 1
    await server.stop(grace=None)
