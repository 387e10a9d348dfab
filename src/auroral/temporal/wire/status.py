"""How a call ended, as gRPC says it in trailers: status, message, details. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from auroral.temporal.wire import frames

OK = 0
CANCELLED = 1
UNKNOWN = 2
DEADLINE_EXCEEDED = 4
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_HIGHEST = 16
_OF_HTTP = {400: INTERNAL, 401: UNAUTHENTICATED, 403: PERMISSION_DENIED, 404: UNIMPLEMENTED} | dict.fromkeys(
    (429, 502, 503, 504), UNAVAILABLE
)
"""gRPC's own table, doc/http-grpc-status-mapping.md; whatever it lacks is UNKNOWN."""
_OF_RESET = {
    frames.REFUSED_STREAM: UNAVAILABLE,
    frames.CANCEL: CANCELLED,
    frames.ENHANCE_YOUR_CALM: UNAVAILABLE,
    frames.INADEQUATE_SECURITY: PERMISSION_DENIED,
}


class Status(msgspec.Struct, frozen=True):
    """The end of a call."""

    code: int
    """gRPC's, 0 to 16."""
    message: str = ""
    details: bytes = b""
    """A serialised `google.rpc.Status`, where the server sent one."""


DONE = Status(OK)


def read_status(headers: Mapping[bytes, bytes]) -> Status:
    """The status in a response's last headers."""
    text = headers.get(b"grpc-status")
    if text is None:
        return _without_status(headers)
    if text == b"0":
        return DONE
    code = int(text) if len(text) <= 2 and text.isdigit() else UNKNOWN
    if code > _HIGHEST:
        code = UNKNOWN
    message = unquote_to_bytes(headers.get(b"grpc-message", b"")).decode(errors="replace")
    return Status(code, message, _details(headers.get(b"grpc-status-details-bin", b"")))


def of_reset(code: int) -> Status:
    """What a stream that the server reset comes to: gRPC's own table (doc/PROTOCOL-HTTP2.md, "Errors").

    One entry differs: ENHANCE_YOUR_CALM is no refusal here, as nobody can tell what became of the request.
    """
    status = _OF_RESET.get(code, INTERNAL)
    return Status(status, f"the server reset the call: {frames.error_name(code)}")


def _without_status(headers: Mapping[bytes, bytes]) -> Status:
    http = headers.get(b":status", b"")
    if not http:
        return Status(INTERNAL, "the answer ended without a gRPC status")
    code = _OF_HTTP.get(int(http), UNKNOWN) if len(http) == 3 and http.isdigit() else UNKNOWN
    return Status(code, f"the answer is HTTP {http[:32].decode(errors='replace')} without a gRPC status")


def _details(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""
