"""Ports of tasks on this machine, through the plugin's double."""

from __future__ import annotations

import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroral.aws_account import AwsError
from auroral.ecs.session import forward as session_forward
from auroral.ecs.session import plugin as session_plugin
from auroral.ecs.session.forward import Tunnel, check_free, forwarded, kept, web_answers
from auroral.ecs.session.plugin import Plugin
from auroral.errors import AuroralError, ExitCode, TargetError, UsageError
from tests.support.processes import nothing_left
from tests.support.session_plugin import SessionAccount, a_fleet, a_task, install, refusal

FLEET = a_fleet()


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with the path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"page {self.path}".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def account(tmp_path: Path, page: int) -> SessionAccount:
    return SessionAccount(tmp_path, [a_task("ui", "a")], port=page)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return install(tmp_path / "bin")


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    with nothing_left():
        yield


def read(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=5) as answer:
        body: bytes = answer.read()
    return body.decode()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def test_a_free_port_answers_until_the_end(account: SessionAccount, environ: dict[str, str]) -> None:
    with forwarded(account, FLEET, "ui", environ=environ) as port:
        assert port > 0
        assert web_answers(port)
        assert [read(port, f"/{number}") for number in range(3)] == ["page /0", "page /1", "page /2"]
        (request,) = account.named("start_session")
        assert request["Parameters"] == {"portNumber": ["8080"], "localPortNumber": ["0"]}
        assert account.named("terminate_session") == []
    assert account.named("terminate_session") == [{"SessionId": "ecs-execute-command-1"}]
    check_free(port)


def test_a_port_of_ones_own_choice(account: SessionAccount, environ: dict[str, str]) -> None:
    wanted = free_port()
    with forwarded(account, FLEET, "ui", local_port=wanted, remote_port=9999, environ=environ) as port:
        assert port == wanted
        assert read(port) == "page /"
    assert account.named("start_session")[0]["Parameters"]["portNumber"] == ["9999"]


def test_a_port_in_use_is_told_before_a_session_is_opened(account: SessionAccount, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"the local port {port} is in use") as error,
            forwarded(account, FLEET, "ui", local_port=port, environ=environ),
        ):
            pass
    assert "--port 0" in error.value.hint
    assert account.named("start_session") == []


def test_what_happens_inside_ends_the_session(account: SessionAccount, environ: dict[str, str]) -> None:
    with pytest.raises(KeyboardInterrupt), forwarded(account, FLEET, "ui", environ=environ):
        raise KeyboardInterrupt
    assert len(account.named("terminate_session")) == 1


def test_a_plugin_that_hears_no_ctrl_c_is_ended(
    account: SessionAccount, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_plugin, "END_S", 0.3)
    account.mode = "deaf"
    with forwarded(account, FLEET, "ui", environ=environ) as port:
        assert read(port) == "page /"


def test_a_port_that_does_not_open(account: SessionAccount, environ: dict[str, str]) -> None:
    account.mode = "silent"
    with (
        pytest.raises(TargetError, match=r"did not open within 0\.5 s: Starting session"),
        forwarded(account, FLEET, "ui", environ=environ, timeout_s=0.5),
    ):
        pass
    assert len(account.named("terminate_session")) == 1


def test_a_session_that_ends_at_once(account: SessionAccount, environ: dict[str, str]) -> None:
    account.mode = "refused"
    with (
        pytest.raises(TargetError, match="ended at once: Cannot perform start session: EOF"),
        forwarded(account, FLEET, "ui", environ=environ),
    ):
        pass


def test_nothing_behind_the_port_is_heard_of(account: SessionAccount, environ: dict[str, str]) -> None:
    account.port = free_port()
    target = session_forward.find_target(account, FLEET, "ui")
    tunnel = Tunnel(account, target, Plugin(environ), remote_port=8080, local_port=0)
    try:
        assert not web_answers(tunnel.port)
        assert "Connection to destination port failed" in tunnel.words(within_s=20)
    finally:
        tunnel.close()


@pytest.mark.parametrize(
    ("code", "hint"), [("TargetNotConnected", "ssmmessages"), ("AccessDeniedException", "ssm:StartSession")]
)
def test_refusals(account: SessionAccount, environ: dict[str, str], code: str, hint: str) -> None:
    account.failures["start_session"] = lambda: refusal(code, "no", "ssm", "start_session")
    with pytest.raises(TargetError) as error, forwarded(account, FLEET, "ui", environ=environ):
        pass
    assert hint in error.value.hint


class Clock:
    """Time passes where somebody sleeps."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s

    def advance(self, seconds: float) -> None:
        self.at_s += seconds


class Watched:
    """Runs `kept` with a clock of its own, and notes what it tells."""

    def __init__(self, account: SessionAccount, environ: dict[str, str]) -> None:
        self.account = account
        self.plugin = Plugin(environ)
        self.clock = Clock()
        self.tasks: list[str] = []
        self.ports: list[int] = []
        self.said: list[str] = []

    def run(self, again_s: float, task: str | None = None) -> str:
        return kept(
            self.account,
            FLEET,
            "ui",
            self.plugin,
            remote_port=8080,
            local_port=0,
            again_s=again_s,
            opened=self.opened,
            say=self.said.append,
            task=task,
            sleep=self.sleep,
            now_s=self.clock.now_s,
        )

    def opened(self, tunnel: Tunnel) -> None:
        self.tasks.append(tunnel.target.task_id[0])
        self.ports.append(tunnel.port)

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


def test_a_task_that_stops_ends_it(account: SessionAccount, environ: dict[str, str]) -> None:
    watched = Watched(account, environ)

    def opened(tunnel: Tunnel) -> None:
        assert read(tunnel.port) == "page /"
        account.tasks[0]["lastStatus"] = "DEPROVISIONING"

    watched.opened = opened  # type: ignore[method-assign]
    assert watched.run(0) == f"task {'a' * 32} of ui is deprovisioning"
    assert len(account.named("terminate_session")) == 1


def test_it_is_opened_again_towards_the_task_in_its_place(account: SessionAccount, environ: dict[str, str]) -> None:
    watched = Watched(account, environ)
    first = watched.opened

    def opened(tunnel: Tunnel) -> None:
        first(tunnel)
        assert read(tunnel.port) == "page /"
        if len(watched.tasks) == 1:
            account.tasks = []
        else:
            raise KeyboardInterrupt

    def sleep(seconds: float) -> None:
        watched.clock.advance(seconds)
        if watched.clock.now_s() > 60 and not account.tasks:
            account.tasks = [a_task("ui", "b", minute=5)]

    watched.opened, watched.sleep = opened, sleep  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        watched.run(600, task="aa")
    assert watched.tasks == ["a", "b"]
    assert watched.ports[0] == watched.ports[1]
    assert watched.said[0] == f"task {'a' * 32} of ui is gone; opening it again"
    assert any("no running task" in line for line in watched.said)
    assert len(account.named("terminate_session")) == 2


def test_no_task_comes_in_its_place(account: SessionAccount, environ: dict[str, str]) -> None:
    watched = Watched(account, environ)

    def opened(_tunnel: Tunnel) -> None:
        account.tasks = []

    watched.opened = opened  # type: ignore[method-assign]
    assert watched.run(120).startswith("ui has no running task")
    assert 120 <= watched.clock.now_s() < 180


def test_a_session_that_times_out(account: SessionAccount, environ: dict[str, str]) -> None:
    account.mode = "ends"
    target = session_forward.find_target(account, FLEET, "ui")
    tunnel = Tunnel(account, target, Plugin(environ), remote_port=8080, local_port=0)
    try:
        assert session_forward.until_over(account, tunnel).endswith("Session timed out")
    finally:
        tunnel.close()


def test_credentials_that_are_over_end_it(account: SessionAccount, environ: dict[str, str]) -> None:
    watched = Watched(account, environ)

    def opened(_tunnel: Tunnel) -> None:
        account.failures["describe_tasks"] = lambda: refusal("ExpiredTokenException", "expired")

    watched.opened = opened  # type: ignore[method-assign]
    with pytest.raises(AwsError, match="renew the credentials") as error:
        watched.run(600)
    assert error.value.exit_code == ExitCode.UNREACHABLE


def test_throttling_is_no_reason_to_end(account: SessionAccount, environ: dict[str, str]) -> None:
    watched = Watched(account, environ)
    failures = iter([refusal("ThrottlingException", "slower")] * 2)

    def opened(_tunnel: Tunnel) -> None:
        def fail() -> AwsError:
            found = next(failures, None)
            if found is None:
                account.failures.clear()
                account.tasks[0]["lastStatus"] = "STOPPED"
                return refusal("ThrottlingException", "slower")
            return found

        account.failures["describe_tasks"] = fail

    watched.opened = opened  # type: ignore[method-assign]
    assert "is stopped" in watched.run(0)


def test_what_is_wrong_at_first_is_not_tried_again(account: SessionAccount, environ: dict[str, str]) -> None:
    account.tasks = []
    with pytest.raises(AuroralError, match="no running task"):
        Watched(account, environ).run(600)
