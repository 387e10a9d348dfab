"""Connecting over the wire: patience, and the words a user gets."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from auroral.errors import TargetError
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire import connect, frames
from auroral.temporal.wire.connect import connect_wire
from tests.temporal.wire.peers import Line, Script, ScriptedServer, greeting

pytestmark = pytest.mark.filterwarnings("error")


def spec(port: int, **given: object) -> ConnectionSpec:
    return ConnectionSpec(address=f"127.0.0.1:{port}", namespace="benchmark", **given)  # type: ignore[arg-type]


async def serve(line: Line) -> None:
    line.send(greeting())
    await line.serve()


async def web(line: Line) -> None:
    line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await line.drain()


async def tls_alert(line: Line) -> None:
    line.send(b"\x15\x03\x01\x00\x02\x02\x46")
    await line.drain()


async def silent(line: Line) -> None:
    await line.drain()


async def test_a_client_of_the_sdks_and_what_closes_it() -> None:
    async with ScriptedServer(serve) as server:
        client, service = await connect_wire(spec(server.port), identity="me@here")
        assert (client.namespace, client.service_client, client.identity) == ("benchmark", service, "me@here")
        assert len(server.lines) == 1
        await service.close()


@pytest.mark.parametrize(
    ("script", "words", "hint"),
    [
        (web, "the server does not speak HTTP/2 as expected: it answers in HTTP/1", "7233; 8233 is the web UI's"),
        (tls_alert, "it answers in TLS", "connect with --tls, or TEMPORAL_TLS=true"),
        (silent, "no answer within 0.2 s", "whether it wants --tls"),
    ],
)
async def test_what_answers_otherwise_is_told(script: Script, words: str, hint: str) -> None:
    async with ScriptedServer(script) as server:
        with pytest.raises(TargetError, match=f"^cannot connect to 127.0.0.1:{server.port}: .*{words}") as caught:
            await connect_wire(spec(server.port, connect_timeout_s=0.2))
        assert hint in caught.value.hint


async def answering(line: Line, headers: list[tuple[str, str]]) -> None:
    """Greet, as a proxy does, and say of each call only this."""
    line.send(greeting())
    answered = 0
    while True:
        calls = [one for one in line.seen if one.kind == frames.HEADERS]
        for call in calls[answered:]:
            block = line.peer.block(headers)
            line.send(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, call.stream_id, block))
        answered = len(calls)
        await line.receive()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([(":status", "503")], "the answer is HTTP 503 without a gRPC status"),
        ([(":status", "200"), ("grpc-status", "14"), ("grpc-message", "no healthy upstream")], "no healthy upstream"),
        ([(":status", "200"), ("grpc-status", "16"), ("grpc-message", "who?")], "UNAUTHENTICATED: who?"),
    ],
)
async def test_a_proxy_that_greets_before_it_has_a_server_is_no_cluster(
    headers: list[tuple[str, str]], words: str
) -> None:
    async with ScriptedServer(lambda line: answering(line, headers)) as server:
        with pytest.raises(TargetError) as caught:
            await connect_wire(spec(server.port))
    assert caught.value.message == f"cannot connect to 127.0.0.1:{server.port}: {words}"
    assert ("TEMPORAL_API_KEY" in caught.value.hint) is words.startswith("UNAUTHENTICATED")


async def test_one_that_greets_and_goes_is_told_once() -> None:
    async def go(line: Line) -> None:
        line.send(greeting())
        await line.until(frames.HEADERS)

    async with ScriptedServer(go) as server:
        with pytest.raises(TargetError) as caught:
            await connect_wire(spec(server.port))
    assert caught.value.message == f"cannot connect to 127.0.0.1:{server.port}: the server closed the connection"


async def test_a_server_too_old_for_the_question_is_one() -> None:
    async with ScriptedServer(lambda line: answering(line, [(":status", "200"), ("grpc-status", "12")])) as server:
        _, service = await connect_wire(spec(server.port))
        await service.close()


async def test_what_cannot_be_used_is_told_before_any_connect() -> None:
    with pytest.raises(TargetError, match=r"cannot connect to 127.0.0.1:1: the API key holds") as caught:
        await connect_wire(spec(1, api_key="k\n"), patience_s=60)
    assert caught.value.hint == "correct the address, the API key or the metadata where they are set"
    with pytest.raises(TargetError, match="the server's CA certificate is not in PEM format") as caught:
        await connect_wire(spec(1, tls=True, server_ca="none"), patience_s=60)
    assert "TEMPORAL_TLS_SERVER_CA_CERT_PATH" in caught.value.hint


async def test_patience_outlasts_a_server_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_FIRST_WAIT_S", 0.01)
    async with ScriptedServer(serve) as server:
        pass
    connecting = asyncio.create_task(connect_wire(spec(server.port), patience_s=20))
    await asyncio.sleep(0.05)
    assert not connecting.done()
    async with server:
        _, service = await connecting
        await service.close()


async def test_giving_up_waiting_leaves_nothing_behind() -> None:
    async with ScriptedServer(silent) as server:
        tasks = len(asyncio.all_tasks())
        connecting = asyncio.create_task(connect_wire(spec(server.port), patience_s=20))
        while not server.lines:
            await asyncio.sleep(0.002)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await server.stop()
        assert len(asyncio.all_tasks()) == tasks


async def test_a_server_that_closes_over_tls_may_want_a_certificate_of_ours() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with ScriptedServer(serve, tls=context) as server:
        with pytest.raises(TargetError, match=r"certificate required|closed the connection") as caught:
            await connect_wire(spec(server.port, tls=True, server_ca=authority.cert_pem.bytes().decode()))
        assert "TEMPORAL_TLS_CLIENT_CERT_PATH" in caught.value.hint
