"""HTTP/2 frames, as far as a client of unary calls needs them (RFC 9113). Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client's first bytes are (RFC 9113, 3.4)."""

DATA = 0x0
HEADERS = 0x1
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
FLOW_CONTROL_ERROR = 0x3
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB
INADEQUATE_SECURITY = 0xC

ERROR_NAMES = {
    NO_ERROR: "NO_ERROR",
    PROTOCOL_ERROR: "PROTOCOL_ERROR",
    0x2: "INTERNAL_ERROR",
    FLOW_CONTROL_ERROR: "FLOW_CONTROL_ERROR",
    0x4: "SETTINGS_TIMEOUT",
    0x5: "STREAM_CLOSED",
    FRAME_SIZE_ERROR: "FRAME_SIZE_ERROR",
    REFUSED_STREAM: "REFUSED_STREAM",
    CANCEL: "CANCEL",
    COMPRESSION_ERROR: "COMPRESSION_ERROR",
    0xA: "CONNECT_ERROR",
    ENHANCE_YOUR_CALM: "ENHANCE_YOUR_CALM",
    INADEQUATE_SECURITY: "INADEQUATE_SECURITY",
    0xD: "HTTP_1_1_REQUIRED",
}

HEADER_BYTES = 9
DEFAULT_WINDOW_BYTES = 65_535
LARGEST_WINDOW_BYTES = 2**31 - 1
DEFAULT_FRAME_BYTES = 16_384
LARGEST_FRAME_BYTES = 2**24 - 1
LAST_STREAM_ID = 2**31 - 1
PING_BYTES = 8
_PRIORITY_BYTES = 5
_NUMBER_BYTES = 4


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame. The payload's length is the caller's to bound."""
    return b"".join(
        (len(payload).to_bytes(3, "big"), bytes((kind, flags)), stream_id.to_bytes(4, "big"), payload),
    )


def settings(values: Mapping[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in values.items()))


def read_settings(payload: bytes) -> dict[int, int]:
    """What a SETTINGS frame says. Raises `ValueError` for a length that is none."""
    if len(payload) % 6:
        raise ValueError(f"a SETTINGS frame of {len(payload)} bytes")
    return dict(struct.iter_unpack(">HI", payload))


def window_update(stream_id: int, increment: int) -> bytes:
    """Let the peer send this many bytes more."""
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def reset(stream_id: int, code: int) -> bytes:
    """Give a stream up."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(code: int) -> bytes:
    """Tell the peer that this connection ends; no stream of its own was ever taken."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0, code))


def unpadded(flags: int, payload: bytes) -> bytes:
    """A payload of DATA or HEADERS without padding and priority. Raises `ValueError` for impossible padding.

    DATA knows no priority: its caller passes `PADDED` alone.
    """
    begin, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise ValueError("padding of unknown length")
        begin, end = 1, end - payload[0]
    if flags & PRIORITY:
        begin += _PRIORITY_BYTES
    if begin > end:
        raise ValueError("more padding than payload")
    return payload[begin:end]


def number(payload: bytes) -> int:
    """What a RST_STREAM or WINDOW_UPDATE holds. Raises `ValueError` where it does not hold just that."""
    if len(payload) != _NUMBER_BYTES:
        raise ValueError(f"{len(payload)} bytes in place of {_NUMBER_BYTES}")
    return int.from_bytes(payload, "big")


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """The last stream that the peer looked at, the error code and what else it says. Raises `ValueError`."""
    if len(payload) < 2 * _NUMBER_BYTES:
        raise ValueError(f"a GOAWAY frame of {len(payload)} bytes")
    last_id, code = struct.unpack_from(">II", payload)
    return last_id & LAST_STREAM_ID, code, payload[2 * _NUMBER_BYTES :]


def error_name(code: int) -> str:
    """The name of an error code, or the code itself."""
    return ERROR_NAMES.get(code, f"error {code:#x}")
