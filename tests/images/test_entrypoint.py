"""The image's entry point as a plain process, beside a stand-in for ECS's task metadata endpoint."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from .conftest import DSQL, POSTGRES, AuroralServer

TASK = {"Containers": [{"Name": "history", "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.20.30.40"]}]}]}
DETECTED = "Detected ECS task IP from metadata"


@dataclass
class Endpoint:
    """What the endpoint answers, and what it was asked."""

    answers: list[tuple[int, Any]]
    asked: list[str] = field(default_factory=list)
    uri: str = ""


@contextmanager
def metadata(*answers: tuple[int, Any]) -> Iterator[Endpoint]:
    """Serve these answers one after the other, the last one again and again."""
    endpoint = Endpoint(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = endpoint.answers[min(len(endpoint.asked), len(endpoint.answers) - 1)]
            endpoint.asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint.uri = f"http://127.0.0.1:{server.server_address[1]}/v4/abc"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def line_of(log: str, text: str) -> dict[str, Any]:
    """The one line of a JSON log with this message."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = [line for line in lines if text in line["msg"]]
    assert len(found) == 1, log
    assert isinstance(found[0], dict)
    return found[0]


def broadcast(configuration: dict[str, Any]) -> Any:
    return configuration["global"]["membership"]["broadcastAddress"]


def test_the_tasks_address_comes_from_the_metadata(auroral_server: AuroralServer) -> None:
    with metadata((200, TASK)) as endpoint:
        done = auroral_server("render", **DSQL, ECS_CONTAINER_METADATA_URI_V4=endpoint.uri)
    assert broadcast(done.configuration) == "10.20.30.40"
    assert endpoint.asked == ["/v4/abc/task"]
    line = line_of(done.err, DETECTED)
    assert (line["level"], line["ip"]) == ("info", "10.20.30.40")


def test_a_metadata_endpoint_that_is_late_is_asked_again(auroral_server: AuroralServer) -> None:
    with metadata((500, {}), (200, TASK)) as endpoint:
        done = auroral_server("render", **DSQL, ECS_CONTAINER_METADATA_URI_V4=endpoint.uri)
    assert broadcast(done.configuration) == "10.20.30.40"
    assert len(endpoint.asked) == 2


def test_an_address_that_is_given_wins(auroral_server: AuroralServer) -> None:
    with metadata((200, TASK)) as endpoint:
        given = {"ECS_CONTAINER_METADATA_URI_V4": endpoint.uri, "TEMPORAL_BROADCAST_ADDRESS": "10.1.1.1"}
        done = auroral_server("render", **DSQL, **given)
    assert broadcast(done.configuration) == "10.1.1.1"
    assert not endpoint.asked
    assert line_of(done.err, "TEMPORAL_BROADCAST_ADDRESS")["ip"] == "10.1.1.1"


def test_a_broken_endpoint_is_told_and_the_bind_address_taken(auroral_server: AuroralServer) -> None:
    bridge = {"Containers": [{"Networks": [{"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]}]}]}
    with metadata((200, bridge)) as endpoint:
        given = {"ECS_CONTAINER_METADATA_URI_V4": endpoint.uri, "BIND_ON_IP": "127.0.0.1"}
        done = auroral_server("render", **DSQL, **given)
    assert broadcast(done.configuration) == "127.0.0.1"
    line = line_of(done.err, "Broadcast address is the bind address")
    assert line["level"] == "warn"
    assert "awsvpc was expected, not bridge" in line["msg"]


def test_without_a_metadata_endpoint(auroral_server: AuroralServer) -> None:
    done = auroral_server("render", **DSQL)
    assert broadcast(done.configuration)
    assert line_of(done.err, "no ECS task metadata")["ip"] == broadcast(done.configuration)


def test_health_of_nothing_is_one(auroral_server: AuroralServer) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: refused
        port = str(held.getsockname()[1])
        done = auroral_server("health", **DSQL, TEMPORAL_SERVICES="history", HISTORY_GRPC_PORT=port)
    assert done.status == 1
    assert f"history at 127.0.0.1:{port}" in done.err


def test_a_server_that_cannot_reach_its_store_says_so_and_exits_three(auroral_server: AuroralServer) -> None:
    with socket.socket() as held, metadata((200, TASK)) as endpoint:
        held.bind(("127.0.0.1", 0))
        done = auroral_server(
            "run",
            **POSTGRES,
            DB_PORT=str(held.getsockname()[1]),
            TEMPORAL_SERVICES="history",
            PROMETHEUS_ENDPOINT="off",
            ECS_CONTAINER_METADATA_URI_V4=endpoint.uri,
        )
    assert done.status == 3, done.out + done.err
    assert line_of(done.out, DETECTED)["ip"] == "10.20.30.40"
    assert "goroutine" not in done.out + done.err
    line_of(done.out, "The server did not start")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_server_runs_ends_it(auroral_server: AuroralServer, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a store that takes connections and never answers
        variables = {**POSTGRES, "DB_PORT": str(silent.getsockname()[1]), "PROMETHEUS_ENDPOINT": "off"}
        process = subprocess.Popen(
            [auroral_server.path, "run", "--services", "history"],
            env=auroral_server.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()
            process.send_signal(number)
            log, _ = process.communicate(timeout=30)
            connection.close()
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 4, log
    line_of(log, "before the server had started")
