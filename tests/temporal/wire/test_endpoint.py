"""Where to connect to, what calls say of their caller, and what failures to connect say."""

from __future__ import annotations

import base64
import socket
import ssl
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from auroral import __version__
from auroral.temporal.spec import ConnectionSpec
from auroral.temporal.wire.endpoint import call_headers, endpoint, header, plainly

CA = trustme.CA()
LEAF = CA.issue_cert("client.test")
CERTIFICATE, KEY = LEAF.cert_chain_pems[0].bytes().decode(), LEAF.private_key_pem.bytes().decode()


def spec(address: str = "temporal.test:7233", **given: Any) -> ConnectionSpec:
    return ConnectionSpec(address=address, namespace="benchmark", **given)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("localhost:7233", "localhost", 7233), ("[::1]:80", "::1", 80), ("10.0.0.1:65535", "10.0.0.1", 65_535)],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    found = endpoint(spec(address, connect_timeout_s=3.0))
    assert (found.host, found.port, found.authority, found.tls, found.server_name) == (host, port, address, None, None)
    assert found.connect_timeout_s == 3.0


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":7233", "localhost:0", "localhost:65536", "a:b"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(ValueError, match=f"^'{address}' is no address: expected host:port$"):
        endpoint(spec(address))


def test_with_tls_the_certificates_name_is_the_hosts_or_the_one_given() -> None:
    plain = endpoint(spec(tls=True))
    assert (plain.server_name, plain.authority) == ("temporal.test", "temporal.test:7233")
    named = endpoint(spec(tls=True, server_name="inner.test"))
    assert (named.host, named.server_name, named.authority) == ("temporal.test", "inner.test", "inner.test:7233")
    assert plain.tls is not None
    assert (plain.tls.verify_mode, plain.tls.check_hostname) == (ssl.CERT_REQUIRED, True)


def encrypted_key() -> str:
    key = load_pem_private_key(KEY.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"server_ca": "no PEM"}, "the server's CA certificate is not in PEM format"),
        ({"server_ca": ""}, "the server's CA certificate is not in PEM format"),
        ({"server_ca": "é"}, "the server's CA certificate is not in PEM format"),
        ({"client_cert": CERTIFICATE}, "belong together: only one of them is given"),
        ({"client_cert": "no PEM", "client_key": KEY}, "the client certificate or its key cannot be read"),
        ({"client_cert": CERTIFICATE, "client_key": "no PEM"}, "the client certificate or its key cannot be read"),
        ({"client_cert": CERTIFICATE, "client_key": encrypted_key()}, "cannot be read: the key is encrypted"),
    ],
)
def test_certificates_that_cannot_be_used_are_told(given: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        endpoint(spec(tls=True, **given))


def test_a_certificate_of_another_key_is_told() -> None:
    other = CA.issue_cert("other.test").private_key_pem.bytes().decode()
    with pytest.raises(ValueError, match="cannot be read: TLS failed: key values mismatch"):
        endpoint(spec(tls=True, client_cert=CERTIFICATE, client_key=other))


def test_every_call_says_who_makes_it() -> None:
    assert dict(call_headers(spec())) == {
        b"user-agent": f"auroral/{__version__}".encode(),
        b"client-name": b"auroral-wire",
        b"client-version": __version__.encode(),
        b"temporal-namespace": b"benchmark",
    }
    more = dict(call_headers(spec(api_key="k.e-y_", metadata={"X-Team": "bench", "trace-bin": "\0é"})))
    assert more[b"authorization"] == b"Bearer k.e-y_"
    assert more[b"x-team"] == b"bench"
    assert base64.b64decode(more[b"trace-bin"] + b"==") == "\0é".encode()


def test_a_namespace_that_no_header_can_hold_is_left_out() -> None:
    connection = ConnectionSpec(address="a:1", namespace="prüfung")
    assert b"temporal-namespace" not in dict(call_headers(connection))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"api_key": "secret\n"}, "the API key holds what no header can, such as a line's end"),
        ({"metadata": {"x-team": "a\r\nb"}}, "the metadata 'x-team' holds what no header can"),
        ({"metadata": {"x team": "a"}}, "'x team' is no name for metadata: expected letters, digits"),
        ({"metadata": {":path": "a"}}, "':path' is no name for metadata"),
        ({"metadata": {"": "a"}}, "'' is no name for metadata"),
        ({"metadata": {"grpc-timeout": "1S"}}, "'grpc-timeout' is no name for metadata"),
    ],
)
def test_what_no_header_can_hold_is_told_and_not_the_secret(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        call_headers(spec(**given))
    assert "secret" not in str(caught.value)


def test_bytes_are_values_of_their_own_kind_of_name() -> None:
    assert header("Trace-Bin", b"\xff\0") == (b"trace-bin", b"/wA")
    assert header("plain", b"text") == (b"plain", b"text")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 99] Cannot assign"),
            "Connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ConnectionResetError(), "the connection was closed before it was made"),
        (ConnectionError("the server closed the connection"), "the server closed the connection"),
        (UnicodeError("label empty or too long"), "that is no host's name"),
        (ValueError("odd"), "odd"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_failures_are_told_in_plain_words(error: Exception, words: str) -> None:
    assert plainly(error) == words
