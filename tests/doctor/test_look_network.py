"""Real sockets and TLS on this machine: what is reached, each way in which it is not, and the clock."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from auroral.doctor import look_network
from auroral.doctor.checks import State
from auroral.doctor.look_network import Watch, reach
from auroral.doctor.network import Endpoint
from auroral.doctor.run import look_at_all
from auroral.dsql.target import DsqlTarget

NOW_S = 1_800_000_000.0


class Authority:
    """An authority of this test's own, and its file."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))
        self.environ = {"AWS_CA_BUNDLE": str(self.file)}

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's context, for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class _Aws(BaseHTTPRequestHandler):
    """Answers as STS does without credentials, by a clock of the test's own; and tunnels as a proxy."""

    date: str | None = formatdate(NOW_S, usegmt=True)
    tunnels: list[str]

    def do_GET(self) -> None:
        self.send_response_only(302)
        if self.date is not None:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        self.tunnels.append(self.path)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), 5) as there:
            self.send_response_only(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection))
            back.start()
            _pump(self.connection, there)
            back.join(5)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _serving(context: ssl.SSLContext | None, **attributes: Any) -> Iterator[int]:
    """An HTTP server on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Aws,), attributes))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that trusts nobody hangs up
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _endpoint(port: int, **more: Any) -> Endpoint:
    return Endpoint(**({"name": "sts", "host": "localhost", "port": port} | more))


def test_tls_is_verified_and_the_time_is_read(authority: Authority) -> None:
    with _serving(authority.server("localhost")) as port:
        reached = reach(_endpoint(port), authority.environ, date=True)
        assert (reached.failed, reached.date) == (None, formatdate(NOW_S, usegmt=True))
        assert reached.took_s > 0
        assert reach(_endpoint(port), authority.environ).date is None


def test_a_certificate_of_an_unknown_authority_or_another_name_fails(authority: Authority) -> None:
    with _serving(authority.server("localhost")) as port:
        untrusted = reach(_endpoint(port), {})
    with _serving(authority.server("other.example")) as port:
        other = reach(_endpoint(port), authority.environ)
    assert (untrusted.failed, other.failed) == ("tls", "tls")
    assert "certificate" in untrusted.words
    assert "localhost" in other.words


def test_a_bundle_that_is_not_there_is_no_crash(authority: Authority) -> None:
    with _serving(authority.server("localhost")) as port:
        assert reach(_endpoint(port), {"AWS_CA_BUNDLE": "/no/such/file"}).failed == "other"


def test_a_name_that_does_not_resolve() -> None:
    assert reach(Endpoint(name="x", host="no-such-host.invalid"), {}).failed == "name"


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert reach(_endpoint(port, host="127.0.0.1"), {}).failed == "refused"


def test_a_host_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reached = reach(_endpoint(silent.getsockname()[1], host="127.0.0.1"), {}, timeout_s=0.2)
    assert (reached.failed, reached.words) == ("timeout", "nothing within 0.2 s")


def test_a_server_without_tls_fails(authority: Authority) -> None:
    with _serving(None) as port:
        assert reach(_endpoint(port), authority.environ).failed == "tls"


def test_a_proxy_is_gone_through(authority: Authority) -> None:
    tunnels: list[str] = []
    with _serving(authority.server("localhost")) as port, _serving(None, tunnels=tunnels) as proxy:
        environ = {**authority.environ, "HTTPS_PROXY": f"http://127.0.0.1:{proxy}"}
        reached = reach(_endpoint(port), environ, date=True)
    assert (reached.failed, tunnels) == (None, [f"localhost:{port}"])
    assert reached.date is not None


def test_a_proxy_that_wants_a_password_hears_it(authority: Authority) -> None:
    heard: list[str | None] = []

    def ask(handler: _Aws) -> None:
        heard.append(handler.headers.get("Proxy-Authorization"))
        if heard[-1] is None:
            handler.send_error(407, "who are you?")
        else:
            _Aws.do_CONNECT(handler)

    with _serving(authority.server("localhost")) as port, _serving(None, do_CONNECT=ask, tunnels=[]) as proxy:
        environ = {**authority.environ, "HTTPS_PROXY": f"http://jane:a%40b@127.0.0.1:{proxy}"}
        assert reach(_endpoint(port), environ).failed is None
    assert heard == [f"Basic {base64.b64encode(b'jane:a@b').decode()}"]


def test_a_proxy_that_refuses_is_told(authority: Authority) -> None:
    def refuse(handler: _Aws) -> None:
        handler.send_error(403, "not for you")

    with _serving(None, do_CONNECT=refuse) as proxy:
        reached = reach(_endpoint(1), {**authority.environ, "HTTPS_PROXY": f"http://127.0.0.1:{proxy}"})
    assert reached.failed == "other"
    assert "403" in reached.words


def _probed(environ: Mapping[str, str], watch: Watch, now_s: float = NOW_S) -> dict[str, look_network.Check]:
    probes = look_network.probes("eu-west-1", environ, watch, registry=False, now_s=lambda: now_s)
    return {one.name: one for one in look_at_all(probes)}


@pytest.mark.parametrize(("off_s", "state"), [(0, State.OK), (120, State.WARN), (-400, State.MISSING)])
def test_the_clock_is_held_against_awss(authority: Authority, off_s: float, state: State) -> None:
    watch = Watch()
    with _serving(authority.server("localhost")) as port:
        environ = {**authority.environ, "AWS_ENDPOINT_URL": f"https://localhost:{port}"}
        found = _probed(environ, watch, NOW_S + off_s)
    assert found["clock"].state is state
    assert found[f"AWS_ENDPOINT_URL at localhost:{port}"].state is State.OK
    assert watch.any_reached is True


def test_an_answer_without_a_time_leaves_the_clock_unknown(authority: Authority) -> None:
    with _serving(authority.server("localhost"), date=None) as port:
        environ = {**authority.environ, "AWS_ENDPOINT_URL": f"https://localhost:{port}"}
        assert _probed(environ, Watch())["clock"].state is State.UNKNOWN


def test_what_is_not_reached_is_remembered() -> None:
    watch = Watch()
    assert watch.any_reached is None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = _probed({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, watch)
    assert found[f"AWS_ENDPOINT_URL at 127.0.0.1:{port}"].state is State.MISSING
    assert watch.any_reached is False


def test_an_endpoint_that_is_no_url_is_told() -> None:
    (check,) = _probed({"AWS_ENDPOINT_URL": "localhost:4566"}, Watch()).values()
    assert (check.name, check.state) == ("AWS_ENDPOINT_URL", State.MISSING)


@contextlib.contextmanager
def _postgres(answer: bytes, context: ssl.SSLContext) -> Iterator[int]:
    """Answers PostgreSQL's request for TLS, as a cluster of DSQL does."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(8)
                connection.sendall(answer)
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join(5)


def _stores(target: DsqlTarget | None, opensearch: str | None) -> list[look_network.Check]:
    return list(look_at_all(look_network.of_deployment(target, opensearch)))


@pytest.mark.parametrize(("answer", "state"), [(b"S", State.OK), (b"N", State.WARN)])
def test_dsql_is_reached_by_tcp_and_tls(authority: Authority, answer: bytes, state: State) -> None:
    with _postgres(answer, authority.server("localhost")) as port:
        target = DsqlTarget(endpoint="localhost", region="eu-west-1", port=port, tls_ca_file=str(authority.file))
        (check,) = _stores(target, None)
    assert check.state is state
    assert bool(check.remedy) is (state is State.WARN)


def test_opensearch_out_of_reach_is_as_it_should_be() -> None:
    for given in ("vpc-demo.invalid", "https://vpc-demo.invalid/"):
        (check,) = _stores(None, given)
        assert check.name == "OpenSearch at vpc-demo.invalid"
        assert (check.state, "--where cluster" in check.found) == (State.OK, True)


def test_a_deployment_without_stores_has_none() -> None:
    assert _stores(None, None) == []
