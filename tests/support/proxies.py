"""nginx and HAProxy in front of a Temporal server, over TLS with HTTP/2 both ways, as people put them there."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme

from auroral.local.ports import free_ports

PROGRAMS = ("nginx", "haproxy")
_START_S = 10.0

_NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    grpc_read_timeout 90s;
    grpc_send_timeout 90s;
    location / {{ grpc_pass grpc://{address}; }}
  }}
}}
"""
_HAPROXY = """
global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
frontend clients
  bind 127.0.0.1:{port} ssl crt {folder}/server.pem alpn h2
  default_backend temporal
backend temporal
  server temporal {address} proto h2
"""


def _nginx(folder: Path) -> list[str]:
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "conf")]


def _haproxy(folder: Path) -> list[str]:
    return ["haproxy", "-db", "-f", str(folder / "conf")]


_KINDS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "nginx": (_NGINX, _nginx),
    "haproxy": (_HAPROXY, _haproxy),
}


@contextlib.contextmanager
def proxy(kind: str, address: str, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run one in front of `address`; its own address, and the environment that trusts its certificate.

    All its limits are its own: nginx takes 128 calls a connection and ends it after 1,000, HAProxy takes 100.
    """
    text, command = _KINDS[kind]
    authority = trustme.CA()
    folder.mkdir()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (port,) = free_ports(1)
    (folder / "conf").write_text(text.format(folder=folder, port=port, address=address))
    assert shutil.which(kind), f"{kind} is missing: python -m tests.needs proofs"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command(folder), stdout=log, stderr=log)
    try:
        _until_it_listens(port, process, folder / "log")
        yield f"127.0.0.1:{port}", {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(folder / "ca.pem")}
    finally:
        process.terminate()
        process.wait(10)


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"it does not listen:\n{log.read_text()}")
