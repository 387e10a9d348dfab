"""Header blocks: written once for all calls, read once for all answers that are alike."""

from __future__ import annotations

from collections.abc import Iterator

import hpack
import pytest

from auroral.temporal.wire.headers import HeaderReader, header_block
from tests.temporal.wire.peers import Peer

ALIKE = [(":status", "200"), ("content-type", "application/grpc"), ("x-one", "1")]


class Counting(hpack.Decoder):
    """Counts the blocks that were decoded."""

    count = 0

    def decode(self, data: bytes, raw: bool = False) -> Iterator[hpack.HeaderTuple]:
        self.count += 1
        return iter(super().decode(data, raw))


def counted(reader: HeaderReader) -> Counting:
    decoder = Counting()
    reader._decoder = decoder
    return decoder


def test_a_block_reads_the_same_whatever_was_read_before() -> None:
    headers = [(b":method", b"POST"), (b":path", b"/a/B"), (b"authorization", b"Bearer secret"), (b"te", b"trailers")]
    block = header_block(headers)
    decoder = hpack.Decoder()
    for _ in range(3):
        assert list(decoder.decode(block, raw=True)) == headers
    assert not decoder.header_table.dynamic_entries


def test_headers_above_a_frame_are_refused() -> None:
    with pytest.raises(ValueError, match=r"take 1\d,\d+ bytes, of at most 16,384: shorten the API key"):
        header_block([(b"authorization", b"{}" * 5_000)])


def test_an_answers_headers_are_read_once() -> None:
    peer, reader = Peer(), HeaderReader()
    decoder = counted(reader)
    first = peer.block(ALIKE)  # says that no table is kept
    block = peer.block(ALIKE)
    assert first != block
    expected = {name.encode(): value.encode() for name, value in ALIKE}
    assert [reader.read(one) for one in (first, block, block, block)] == [expected] * 4
    assert decoder.count == 2


def test_a_peer_may_keep_a_table_all_the_same() -> None:
    peer, reader = Peer(table_bytes=4096), HeaderReader()
    blocks = [peer.block([*ALIKE, ("x-two", str(number // 2))]) for number in range(8)]
    assert len(set(blocks)) > 2
    for number, block in enumerate(blocks):
        assert reader.read(block)[b"x-two"] == str(number // 2).encode()


def test_a_peer_that_begins_a_table_later_is_read_on() -> None:
    peer, reader = Peer(), HeaderReader()
    for _ in range(3):
        reader.read(peer.block(ALIKE))
    peer.resize(2048)
    for value in ("1", "1", "1", "2", "2"):
        headers = [(":status", "200"), ("content-type", "application/grpc"), ("x-one", value)]
        assert reader.read(peer.block(headers))[b"x-one"] == value.encode()
    peer.resize(0)
    for _ in range(3):
        assert reader.read(peer.block(ALIKE))[b"x-one"] == b"1"


def test_what_was_remembered_without_a_table_is_an_entry_with_one() -> None:
    reader = HeaderReader()
    literal = b"\x40\x05x-one\x011"  # to be kept in the table, where there is one
    reader.read(b"\x20" + literal)  # a table of 0 bytes
    assert reader.read(literal) == reader.read(literal) == {b"x-one": b"1"}
    reader.read(b"\x3f\xe1\x0f")  # 2,048 bytes
    assert reader.read(literal) == {b"x-one": b"1"}
    assert reader.read(b"\xbe") == {b"x-one": b"1"}


def test_many_different_answers_take_bounded_memory() -> None:
    peer, reader = Peer(), HeaderReader()
    for number in range(2_000):
        assert reader.read(peer.block([("grpc-status", "0"), ("date", str(number))]))[b"date"] == str(number).encode()
    assert len(reader._remembered) <= 256


@pytest.mark.parametrize(
    "block", [b"\xff\xff\xff\xff\xff\xff", b"\x00\x85", b"\x80", b"\xbf", b"\x40\x01", b"\x3f\xff\xff\x7f"]
)
def test_what_is_no_header_block_is_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match="headers that cannot be read"):
        HeaderReader().read(block)


def test_a_block_that_unfolds_beyond_all_measure_is_refused() -> None:
    peer = Peer(table_bytes=4096)
    reader = HeaderReader()
    reader.read(peer.block([("x", "y" * 3_000)]))
    with pytest.raises(ValueError, match="cannot be read: A header list larger than 65536"):
        reader.read(b"\xbe" * 60)
