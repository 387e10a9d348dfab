"""AWS's own plugin, started as we start it, against a data channel of the test's own: what the double only assumes."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from auroral.ecs.session.exec import executed, find_target, opened, run
from auroral.ecs.session.forward import Tunnel, forwarded
from auroral.ecs.session.plan import exec_call
from auroral.ecs.session.plugin import Plugin
from auroral.errors import TargetError
from tests.support.processes import nothing_left
from tests.support.session_plugin import SessionAccount, a_fleet, a_task
from tests.support.session_plugin_build import environ as real_environ
from tests.support.session_plugin_channel import Channel

FLEET = a_fleet()


class Live(SessionAccount):
    """Its sessions lead to a channel, which finds the work of the last one."""

    channel: Channel

    def _session(self, work: object) -> dict[str, str]:
        answer = super()._session(work)  # type: ignore[arg-type]
        self.channel.work = self.last
        return answer


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    return real_environ()


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Live]:
    with nothing_left():
        found = Live(tmp_path, [a_task("history", "a"), a_task("ui", "b")])
        found.channel = Channel({})
        found.url = found.channel.url
        yield found
        found.channel.close()


def how_it_ended(account: Live) -> list[str]:
    """What the channel heard at the end, which may come after the client's own end."""
    deadline_s = time.monotonic() + 10
    while not account.channel.ended and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return account.channel.ended


def test_a_commands_output_and_status(account: Live, environ: dict[str, str]) -> None:
    done = executed(account, FLEET, "history", ["printf", "%s\n", "a b", "$HOME", "it's"], environ=environ)
    assert (done.status, done.output) == (0, "a b\n$HOME\nit's\n")
    (first,) = account.channel.opened
    assert first["TokenValue"] == account.last["token"]
    assert first["ClientVersion"] == Plugin(environ).version
    assert any(line.startswith("Authorization: AWS4-HMAC-SHA256 Credential=test/") for line in account.channel.headers)
    assert account.channel.ended == ["the command ended"]
    assert account.named("terminate_session") == []
    assert executed(account, FLEET, "history", ["seq 1 300; exit 7"], environ=environ).status == 7


def test_the_input_has_to_stay_open(account: Live, environ: dict[str, str]) -> None:
    """At the end of its input the plugin ends, whatever the command has still to say: so ours does not end."""
    plugin, target = Plugin(environ), find_target(account, FLEET, "history")
    session = opened(account, exec_call(target, "/bin/sh -c 'sleep 1; echo late'"), target)
    arguments = plugin.arguments({"Target": target.ssm}, region="us-east-1", profile=None)
    child = plugin.start(session, arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    said, _ = child.communicate(timeout=20)
    assert b"Cannot perform start session: EOF" in said
    assert b"late" not in said
    assert child.returncode == 0  # so that its status says nothing
    assert executed(account, FLEET, "history", ["sleep 1; echo late"], environ=environ).output == "late\n"


def test_ctrl_c_reaches_the_command(account: Live, environ: dict[str, str]) -> None:
    said: list[bytes] = []

    def out(data: bytes) -> None:
        said.append(data)
        if b"ready" in data:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    target = find_target(account, FLEET, "history")
    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(account, target, Plugin(environ), ["sh", "-c", "echo ready; sleep 30"], out)
    assert time.monotonic() - began_s < 10
    assert how_it_ended(account) == ["the command ended"]


class Page(BaseHTTPRequestHandler):
    """Answers with the path."""

    def do_GET(self) -> None:
        body = f"page {self.path}".encode() * 500
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_forwarded_port(account: Live, environ: dict[str, str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        account.port = server.server_port
        with forwarded(account, FLEET, "ui", environ=environ) as port:
            for number in range(3):
                asked = http.client.HTTPConnection("localhost", port, timeout=10)
                asked.request("GET", f"/{number}", headers={"Connection": "close"})
                assert asked.getresponse().read() == f"page /{number}".encode() * 500
                asked.close()
        server.shutdown()
    assert account.channel.opened[0]["TokenValue"] == account.last["token"]
    assert how_it_ended(account) == ["terminated by the client"]
    assert len(account.named("terminate_session")) == 1


def test_a_session_that_the_other_side_refuses(account: Live, environ: dict[str, str]) -> None:
    account.url = "ws://127.0.0.1:1/nobody"
    target = find_target(account, FLEET, "ui")
    with pytest.raises(TargetError, match=r"did not open within 1 s|ended at once"):
        Tunnel(account, target, Plugin(environ), remote_port=8080, local_port=0, timeout_s=1)
    assert len(account.named("terminate_session")) == 1
