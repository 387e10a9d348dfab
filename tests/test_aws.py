"""Credentials that there are not: each way in which AWS's library fails is a sentence for its user."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from auroral import aws
from auroral.errors import ExitCode, UsageError

CONFIG = """
[profile gone]
credential_process = /no/such/program
[profile junk]
credential_process = echo hello
[profile role]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = base
[profile base]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = s
"""


@pytest.fixture(autouse=True)
def _profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What the service that gives out roles says, with status 403."""
    said: list[bytes] = []

    class Sts(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(403)
            self.send_header("content-length", str(len(said[0])))
            self.end_headers()
            self.wfile.write(said[0])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Sts) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        yield said
        server.shutdown()


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("gone", "of the profile gone to sign: [Errno 2]"),
        ("junk", "of the profile junk to sign: Expecting value"),
        ("nope", "of the profile nope to sign: The config profile (nope)"),
        (None, "no AWS credentials to sign"),
    ],
)
def test_each_failure_is_told(profile: str | None, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        aws.credentials(profile, "eu-west-1", purpose="to sign")
    assert told in caught.value.message
    assert caught.value.hint == aws.CREDENTIALS_HINT
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>",
            "of the profile role: An error occurred (AccessDenied) when calling the AssumeRole operation: not you",
        ),
        (b"<p>a proxy", "of the profile role: Unable to parse response"),
    ],
)
def test_a_role_that_is_refused(answers: list[bytes], answer: bytes, told: str) -> None:
    answers.append(answer)
    with pytest.raises(UsageError) as caught:
        aws.credentials("role", "eu-west-1")
    assert told in caught.value.message


def test_what_is_there_is_found() -> None:
    assert aws.credentials("base", "eu-west-1").access_key == "AKIAEXAMPLE"


def test_words_are_one_short_line() -> None:
    assert aws.words("a\n  b X-Amz-Signature=beef.") == "a b X-Amz-Signature=[hidden]"
    assert len(aws.words("x" * 1_000)) == 298


def test_the_extra_is_named() -> None:
    error = aws.without_extra(ImportError(name="boto3"), "this")
    assert error.message == "this needs the Python package boto3, which is not installed"
    assert "auroral[aws]" in error.hint


def test_a_page_is_named_and_not_printed() -> None:
    page = "<!doctype html><html lang=en><title>500</title><p>The server cannot say more.</html>"
    assert aws.words(f"An error occurred: {page}").endswith("an HTML page, not AWS's answer")
    assert "title" not in aws.words(page)
