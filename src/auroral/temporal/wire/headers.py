"""Header blocks of calls and of their answers (RFC 7541). Pure.

No table is kept in either direction: a call's headers are the same bytes each time, and so are a server's answers,
which are read once and remembered.
"""

from __future__ import annotations

from collections.abc import Sequence

import hpack

from auroral.temporal.wire import frames

LARGEST_BYTES = 1 << 16
"""Of an answer's headers."""
_REMEMBERED = 256
_REMEMBERED_BYTES = 512
"""An answer's header block above this is seldom the same twice: it holds an error's text."""
_TABLE_RESIZE = 0x20
"""The first bits of a block that changes the table's size (RFC 7541, 6.3)."""


def header_block(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Encode headers so that they change no table: the bytes serve any number of requests.

    Raises `ValueError` where they are larger than one frame.
    """
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    encoder.table_size_changes.clear()
    block: bytes = encoder.encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers])
    if len(block) > frames.DEFAULT_FRAME_BYTES:
        raise ValueError(
            f"a call's headers take {len(block):,} bytes, of at most {frames.DEFAULT_FRAME_BYTES:,}: "
            "shorten the API key or the metadata"
        )
    return block


class HeaderReader:
    """Reads the header blocks of one peer, in their order."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=LARGEST_BYTES)
        self._remembered: dict[bytes, dict[bytes, bytes]] = {}

    def read(self, block: bytes) -> dict[bytes, bytes]:
        """The headers in a block; not to be changed. Raises `ValueError`."""
        headers = self._remembered.get(block)
        return self._decode(block) if headers is None else headers

    def _decode(self, block: bytes) -> dict[bytes, bytes]:
        try:
            headers = dict(self._decoder.decode(block, raw=True))
        except hpack.HPACKError as error:
            raise ValueError(f"headers that cannot be read: {error}") from error
        # A peer may keep a table all the same. Only while it holds nothing do the same bytes mean the same, and
        # change nothing.
        if self._decoder.header_table_size:
            self._remembered.clear()
        elif len(block) <= _REMEMBERED_BYTES and (block[:1] or b"\0")[0] & 0xE0 != _TABLE_RESIZE:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[block] = headers
        return headers
