"""Frames of PostgreSQL's protocol 3, built and read. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from auroral.local.double.refusals import Refusal

SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102
PROTOCOL_3 = 196608

_LENGTH = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_SIGNED = struct.Struct("!i")

FLUSH = b"H\x00\x00\x00\x04"
SYNC = b"S\x00\x00\x00\x04"
ASK_PASSWORD = b"R\x00\x00\x00\x08\x00\x00\x00\x03"
"""AuthenticationCleartextPassword."""


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """One message: its type, its length, its payload."""
    return kind + _LENGTH.pack(len(payload) + 4) + payload


def query(sql: bytes) -> bytes:
    """A simple query."""
    return frame(b"Q", sql + b"\0")


def parse(name: bytes, sql: bytes, types: bytes = b"\0\0") -> bytes:
    """A Parse; `types` is the parameter types as they stand in one."""
    return frame(b"P", name + b"\0" + sql + b"\0" + types)


def bind_and_execute(statement: bytes) -> bytes:
    """Bind a statement without parameters to the unnamed portal and run it."""
    return frame(b"B", b"\0" + statement + b"\0" + b"\0\0" * 3) + frame(b"E", b"\0" + b"\0" * 4)


def ready(status: bytes) -> bytes:
    """ReadyForQuery: I idle, T in a block, E in a failed block."""
    return frame(b"Z", status)


def command_complete(tag: bytes) -> bytes:
    """CommandComplete with a tag."""
    return frame(b"C", tag + b"\0")


def error(refusal: Refusal) -> bytes:
    """An ErrorResponse."""
    fields = {"S": refusal.severity, "V": refusal.severity, "C": refusal.code, "M": refusal.message}
    if refusal.detail:
        fields["D"] = refusal.detail
    if refusal.hint:
        fields["H"] = refusal.hint
    return frame(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")


def startup(parameters: Mapping[str, str]) -> bytes:
    """A start-up message."""
    body = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items()) + b"\0"
    return _LENGTH.pack(len(body) + 8) + _LENGTH.pack(PROTOCOL_3) + body


def read_startup(payload: bytes) -> dict[str, str]:
    """The parameters of a start-up message."""
    words = payload.split(b"\0")
    return {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in zip(words[::2], words[1::2], strict=False)
        if key
    }


def rows_of_tag(tag: bytes) -> int:
    """How many rows a command's tag says were changed: 3 for `INSERT 0 3`, 0 for `SELECT 3`."""
    if tag.startswith((b"INSERT ", b"UPDATE ", b"DELETE ", b"MERGE ")):
        return int(tag.rsplit(b" ", 1)[1])
    return 0


def parameter_sizes(bind: bytes) -> list[int]:
    """The bytes of each parameter of a Bind's payload; 0 for null."""
    at = bind.index(b"\0", bind.index(b"\0") + 1) + 1
    at += 2 + 2 * int(_SHORT.unpack_from(bind, at)[0])
    (count,) = _SHORT.unpack_from(bind, at)
    at += 2
    sizes = []
    for _ in range(count):
        (size,) = _SIGNED.unpack_from(bind, at)
        sizes.append(max(0, size))
        at += 4 + max(0, size)
    return sizes
