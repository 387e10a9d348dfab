"""Fetching a text within a time."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from auroral.bench.scrape import fetch
from tests.support.http_texts import HttpTexts


def test_fetches_the_whole_text() -> None:
    text = b"metric 1\n" * 200_000
    with HttpTexts({"/metrics": text}) as texts:
        assert fetch(texts.url(), 10.0) == text


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with HttpTexts({"/metrics": b"metric 1\n"}) as texts:
        assert fetch(texts.url(), 10.0) == b"metric 1\n"


def test_a_server_that_hangs_is_left_in_time() -> None:
    with HttpTexts({}, hangs=frozenset({"/metrics"})) as texts:
        began_s = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            fetch(texts.url(), 0.2)
        assert time.monotonic() - began_s < 5


def test_a_server_that_drips_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = threading.Event()

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                while not gone.wait(0.02):
                    peer.sendall(b"metric 1\n")

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(OSError, match="not complete within"):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics", 0.2)
        gone.set()
        thread.join()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "nonsense", "http://127.0.0.1:1/metrics", "http://[::1/"])
def test_what_cannot_be_fetched_is_an_os_error(url: str) -> None:
    with pytest.raises(OSError):
        fetch(url, 1.0)


def test_another_status_is_an_os_error() -> None:
    with HttpTexts({}) as texts, pytest.raises(OSError, match="404"):
        fetch(texts.url(), 5.0)


def test_what_does_not_speak_http_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError):
            fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics", 5.0)
        thread.join()
