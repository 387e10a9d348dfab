"""Secrets leave the texts, and nothing else does."""

from __future__ import annotations

import pytest

from auroral.redact import without_password, without_secrets


def test_a_token_is_hidden() -> None:
    assert without_secrets("a?X-Amz-Date=1&X-Amz-Signature=beef&x=1") == "a?X-Amz-Date=1&X-Amz-Signature=[hidden]&x=1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://me:secret@host/x", "http://***@host/x"),
        ("https://me@host", "https://***@host"),
        ("me:secret@host:9200", "***@host:9200"),
        ("me:se/cret@host", "***@host"),
        ("https://host:443", "https://host:443"),
        ("name@example.com", "name@example.com"),
        ("host:443", "host:443"),
    ],
)
def test_a_password_in_an_address_is_hidden(text: str, told: str) -> None:
    assert without_password(text) == told
