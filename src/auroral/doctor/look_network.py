"""Opens connections to what must be reached, and reads AWS's clock. Acts."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from auroral.doctor import network
from auroral.doctor.checks import Check, Group
from auroral.doctor.network import Endpoint, Failed, Reached
from auroral.doctor.run import Probe

if TYPE_CHECKING:
    from auroral.dsql.target import DsqlTarget

TIMEOUT_S = 6.0
PRIVATE_TIMEOUT_S = 3.0
"""For what is not expected to answer: addresses of a VPC swallow packets."""


class Watch:
    """What the network's probes found, for whoever asks whether AWS was reached."""

    def __init__(self) -> None:
        self.answers: list[bool] = []
        """One for each of AWS's endpoints; appended by several threads."""

    @property
    def any_reached(self) -> bool | None:
        """None: nothing was tried."""
        return any(self.answers) if self.answers else None


def probes(
    region: str, environ: Mapping[str, str], watch: Watch, *, registry: bool, now_s: Callable[[], float] = time.time
) -> list[Probe]:
    """What there is to reach in a region."""
    try:
        found = network.endpoints(region, environ, registry=registry)
    except ValueError as error:
        words = str(error)
        return [Probe(Group.NETWORK, "AWS_ENDPOINT_URL", lambda: [network.no_url(words)])]
    first, *others = found
    return [
        Probe(Group.NETWORK, first.name, lambda: _with_clock(first, environ, watch, now_s)),
        *(Probe(Group.NETWORK, one.name, _reaching(one, environ, watch)) for one in others),
    ]


def of_deployment(target: DsqlTarget | None, opensearch: str | None) -> list[Probe]:
    """The stores of a deployment: DSQL by its public name, and the OpenSearch domain."""
    found = []
    if target is not None:
        found.append(Probe(Group.NETWORK, "DSQL", lambda: [_dsql(target)]))
    if opensearch is not None:
        host = opensearch.partition("://")[2].partition("/")[0] or opensearch.partition("/")[0]
        store = Endpoint(name="OpenSearch", host=host)
        found.append(Probe(Group.NETWORK, "OpenSearch", lambda: [_opensearch(store)]))
    return found


def _reaching(endpoint: Endpoint, environ: Mapping[str, str], watch: Watch) -> Callable[[], list[Check]]:
    def look() -> list[Check]:
        reached = reach(endpoint, environ)
        if endpoint.needed:
            watch.answers.append(reached.failed is None)
        return [network.reachable(endpoint, reached)]

    return look


def _with_clock(
    endpoint: Endpoint, environ: Mapping[str, str], watch: Watch, now_s: Callable[[], float]
) -> list[Check]:
    reached = reach(endpoint, environ, date=True)
    watch.answers.append(reached.failed is None)
    skew = network.skew_of(reached.date, now_s())
    return [network.reachable(endpoint, reached), network.clock(reached.date, skew)]


def _dsql(target: DsqlTarget) -> Check:
    from auroral.dsql.errors import DsqlError
    from auroral.dsql.handshake import handshake

    try:
        found = asyncio.run(handshake(target, timeout_s=TIMEOUT_S))
    except DsqlError as error:
        return network.dsql(target.endpoint, failure=error.message)
    return network.dsql(target.endpoint, failure=None, took_s=found.tcp_s + found.tls_s)


def _opensearch(endpoint: Endpoint) -> Check:
    return network.opensearch(endpoint.host, reach(endpoint, {}, timeout_s=PRIVATE_TIMEOUT_S))


def reach(
    endpoint: Endpoint, environ: Mapping[str, str], *, date: bool = False, timeout_s: float = TIMEOUT_S
) -> Reached:
    """Resolve the name, open TCP and TLS, through the proxy where the environment names one.

    With `date` a request without credentials follows, for the time in its answer. Raises nothing.
    """
    began_s = time.perf_counter()
    try:
        connection = _connection(endpoint, environ, timeout_s)
        try:
            connection.connect()
            took_s = time.perf_counter() - began_s
            return Reached(took_s=took_s, date=_date(connection) if date else None)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        failed, words = _failure(error, timeout_s)
        return Reached(failed=failed, words=words)


def _connection(endpoint: Endpoint, environ: Mapping[str, str], timeout_s: float) -> http.client.HTTPConnection:
    if not endpoint.tls:
        return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
    authorities = environ.get("AWS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    context = ssl.create_default_context(cafile=authorities)
    proxy = network.proxy_of(environ, endpoint.host)
    if proxy is None:
        return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout_s, context=context)
    connection = http.client.HTTPSConnection(*proxy, timeout=timeout_s, context=context)
    connection.set_tunnel(endpoint.host, endpoint.port, network.proxy_headers(environ, endpoint.host))
    return connection


def _date(connection: http.client.HTTPConnection) -> str | None:
    """The time that whoever answers tells; None where it answers nothing of use."""
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().getheader("Date")
    except (OSError, http.client.HTTPException):
        return None


def _failure(error: Exception, timeout_s: float) -> tuple[Failed, str]:
    if isinstance(error, socket.gaierror):
        return "name", error.strerror or str(error)
    if isinstance(error, ssl.SSLError):
        return "tls", getattr(error, "verify_message", "") or error.reason or str(error)
    if isinstance(error, TimeoutError):
        return "timeout", f"nothing within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refused", error.strerror or "nobody listens"
    return "other", (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
