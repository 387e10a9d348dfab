"""Whether an address can be reached, within a deadline."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from auroral.ecs.one_shot.reach import why_not


def test_what_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert why_not("127.0.0.1", server.getsockname()[1]) == ""


def test_what_refuses_and_what_has_no_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert why_not("127.0.0.1", port) == f"127.0.0.1:{port} cannot be reached from here: Connection refused"
    assert why_not("nothing.invalid", 443) == "nothing.invalid does not resolve here"
    assert "cannot be reached from here" in why_not(f"{'a' * 70}.example", 443)


def test_a_resolver_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began_s = time.monotonic()
    assert why_not("slow.example", 443, timeout_s=0.1) == "slow.example:443 does not answer here within 0.1 s"
    assert time.monotonic() - began_s < 5
    over.set()
