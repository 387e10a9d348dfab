"""What stands in front of a domain of Amazon's: TLS, and no request whose signature is not right.

It recomputes the signature of each request from the secret that it knows of the access key, refuses with 403 what does
not match, and tells the node behind it who calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.opensearch.node import Node, caller

SKEW_S = 300
_PASSED_ON = ("content-type", "content-encoding", "accept-encoding", "accept")


@dataclass(frozen=True)
class Principal:
    """Somebody with an access key."""

    arn: str
    access_key: str
    secret_key: str
    token: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS's libraries are this principal."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return variables | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


@dataclass
class Front:
    """A domain: an HTTPS endpoint in front of a node."""

    node: Node
    region: str
    principals: dict[str, Principal]
    secured: bool
    """Whether the node has the security plugin."""
    ca_file: str
    url: str = ""
    failures: dict[tuple[str, str], tuple[int, bytes]] = field(default_factory=dict)
    """(method, path) → what to answer instead of asking the node."""
    requests: list[str] = field(default_factory=list)
    """`METHOD path` of those that were let through."""
    refused: list[str] = field(default_factory=list)
    """Why others were not."""


@contextlib.contextmanager
def running_front(
    node: Node, directory: Path, principals: list[Principal], *, region: str = "eu-west-1", secured: bool = False
) -> Iterator[Front]:
    """Serve on a free port of this machine, with a certificate for `localhost` of an authority of its own."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    front = Front(node, region, {one.access_key: one for one in principals}, secured, str(ca_file))

    class Handler(_Handler):
        pass

    Handler.front = front
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    front.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Refused(Exception):
    """Why AWS refuses a request."""


def signer(front: Front, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Principal:
    """Who signed a request. Raises `_Refused` where AWS would."""
    head, _, rest = headers.get("authorization", "").partition(" ")
    if head != "AWS4-HMAC-SHA256":
        raise _Refused("User: anonymous is not authorized to perform: es:ESHttpGet")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    access_key, date, region, service, end = parts["Credential"].split("/")
    principal = front.principals.get(access_key)
    if principal is None or headers.get("x-amz-security-token", "") != principal.token:
        raise _Refused("The security token included in the request is invalid.")
    if (region, service, end) != (front.region, "es", "aws4_request"):
        raise _Refused(f"Credential should be scoped to a valid region and service, not '{region}/{service}'.")
    stamp = headers.get("x-amz-date", "")
    if abs(_seconds(stamp) - time.time()) > SKEW_S or not stamp.startswith(date):
        raise _Refused("Signature expired.")
    if headers.get("x-amz-content-sha256", "") not in ("", hashlib.sha256(body).hexdigest()):
        raise _Refused("The provided 'x-amz-content-sha256' header does not match what was computed.")
    signed = parts["SignedHeaders"].split(";")
    if not {name for name in headers if name == "host" or name.startswith("x-amz-")} <= set(signed):
        raise _Refused("'Host' and all 'x-amz-' headers must be signed.")
    request = AWSRequest(method=method, url=url, data=body, headers={name: headers[name] for name in signed})
    request.context["timestamp"] = stamp
    auth = SigV4Auth(Credentials(access_key, principal.secret_key, principal.token or None), service, region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if not hmac.compare_digest(expected, parts["Signature"]):
        raise _Refused("The request signature we calculated does not match the signature you provided.")
    return principal


def _seconds(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


class _Handler(BaseHTTPRequestHandler):
    front: Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        front, path = self.front, self.path.split("?")[0]
        url = f"https://{headers.get('host', '')}{self.path}"
        try:
            principal = signer(front, self.command, url, headers, body)
        except _Refused as refused:
            front.refused.append(f"{self.command} {self.path}: {refused}")
            self._answer(403, {"content-type": "application/json"}, json.dumps({"message": str(refused)}).encode())
            return
        front.requests.append(f"{self.command} {path}")
        if (failure := front.failures.get((self.command, path))) is not None:
            self._answer(failure[0], {"content-type": "application/json"}, failure[1])
            return
        passed = {name: headers[name] for name in _PASSED_ON if name in headers}
        if front.secured:
            passed |= caller(principal.arn)
        connection = http.client.HTTPConnection(front.node.address, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, passed)
            answer = connection.getresponse()
            kept = {"content-type": answer.getheader("content-type") or "application/json"}
            if encoding := answer.getheader("content-encoding"):
                kept["content-encoding"] = encoding
            self._answer(answer.status, kept, answer.read())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _body(self) -> bytes:
        """The whole body; Temporal's bulk requests come in chunks."""
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return body

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test looks at `requests` and `refused`."""
