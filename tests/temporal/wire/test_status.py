"""What headers and resets say of a call's end."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.temporal.wire import frames
from auroral.temporal.wire.status import (
    CANCELLED,
    DONE,
    INTERNAL,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    UNKNOWN,
    Status,
    of_reset,
    read_status,
)


def test_done_is_one_value() -> None:
    assert read_status({b"grpc-status": b"0", b"grpc-message": b""}) is DONE


def test_message_and_details_are_decoded() -> None:
    details = b"\x08\x05\x12\x04gone"
    headers = {
        b"grpc-status": b"5",
        b"grpc-message": b"workflow%20not found%3A %C3%A9",
        b"grpc-status-details-bin": base64.b64encode(details).rstrip(b"="),
    }
    assert read_status(headers) == Status(5, "workflow not found: é", details)
    padded = headers | {b"grpc-status-details-bin": base64.b64encode(details)}
    assert read_status(padded).details == details


@pytest.mark.parametrize(
    ("headers", "code", "words"),
    [
        ({}, INTERNAL, "without a gRPC status"),
        ({b":status": b"200"}, UNKNOWN, "HTTP 200 without a gRPC status"),
        ({b":status": b"400"}, INTERNAL, "HTTP 400"),
        ({b":status": b"401"}, UNAUTHENTICATED, "HTTP 401"),
        ({b":status": b"403"}, PERMISSION_DENIED, "HTTP 403"),
        ({b":status": b"404"}, UNIMPLEMENTED, "HTTP 404"),
        ({b":status": b"429"}, UNAVAILABLE, "HTTP 429"),
        ({b":status": b"503"}, UNAVAILABLE, "HTTP 503"),
        ({b":status": b"x" * 9_000}, UNKNOWN, "HTTP xxx"),
        ({b"grpc-status": b"17"}, UNKNOWN, ""),
        ({b"grpc-status": b"-1"}, UNKNOWN, ""),
        ({b"grpc-status": b"9" * 5_000}, UNKNOWN, ""),
        ({b"grpc-status": b""}, UNKNOWN, ""),
        ({b"grpc-status": b"14", b"grpc-message": b"%zz%e"}, UNAVAILABLE, "%zz%e"),
        ({b"grpc-status": b"14", b"grpc-message": b"\xff\xfe"}, UNAVAILABLE, "\ufffd"),
    ],
)
def test_odd_ends_have_a_status_all_the_same(headers: dict[bytes, bytes], code: int, words: str) -> None:
    status = read_status(headers)
    assert status.code == code
    assert words in status.message
    assert len(status.message) < 100


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (frames.CANCEL, CANCELLED),
        (frames.REFUSED_STREAM, UNAVAILABLE),
        (frames.ENHANCE_YOUR_CALM, UNAVAILABLE),
        (frames.INADEQUATE_SECURITY, PERMISSION_DENIED),
        (frames.PROTOCOL_ERROR, INTERNAL),
        (frames.NO_ERROR, INTERNAL),
        (0x77, INTERNAL),
    ],
)
def test_a_reset_is_what_grpcs_table_says(error: int, code: int) -> None:
    assert of_reset(error) == Status(code, f"the server reset the call: {frames.error_name(error)}")


names = st.sampled_from([b"grpc-status", b"grpc-message", b"grpc-status-details-bin", b":status"])


@given(st.dictionaries(names, st.binary(max_size=20)))
def test_any_headers_come_to_a_status(headers: dict[bytes, bytes]) -> None:
    assert 0 <= read_status(headers).code <= 16
