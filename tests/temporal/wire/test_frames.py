"""Frames as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.temporal.wire import frames
from tests.temporal.wire.peers import Frame, split


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=300))
def test_a_frame_is_its_head_and_its_payload(kind: int, flags: int, stream_id: int, payload: bytes) -> None:
    data = frames.frame(kind, flags, stream_id, payload)
    assert split(data) == ([Frame(kind, flags, stream_id, payload)], b"")


@given(st.dictionaries(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), max_size=8))
def test_settings_come_back_as_they_went(values: dict[int, int]) -> None:
    [frame], rest = split(frames.settings(values))
    assert (frame.kind, frame.stream_id, rest) == (frames.SETTINGS, 0, b"")
    assert frames.read_settings(frame.payload) == values


def test_settings_of_a_broken_length_are_refused() -> None:
    with pytest.raises(ValueError, match="SETTINGS frame of 7 bytes"):
        frames.read_settings(bytes(7))


@given(st.binary(max_size=40), st.integers(0, 255), st.booleans())
def test_padding_and_priority_are_taken_off(payload: bytes, padding: int, prioritised: bool) -> None:
    flags, data = frames.PADDED, payload
    if prioritised:
        flags, data = flags | frames.PRIORITY, bytes(5) + payload
    assert frames.unpadded(flags, bytes((padding,)) + data + bytes(padding)) == payload
    assert frames.unpadded(flags & ~frames.PADDED, data) == payload


@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        (frames.PADDED, b""),
        (frames.PADDED, b"\x01"),
        (frames.PADDED, b"\x05abcd"),
        (frames.PRIORITY, b"abcd"),
        (frames.PADDED | frames.PRIORITY, b"\x02abcdef"),
    ],
)
def test_impossible_padding_is_refused(flags: int, payload: bytes) -> None:
    with pytest.raises(ValueError, match="padding"):
        frames.unpadded(flags, payload)


def test_resets_window_updates_and_goodbyes_hold_their_numbers() -> None:
    [reset, update, goodbye], _ = split(frames.reset(5, 8) + frames.window_update(7, 99) + frames.goaway(1))
    assert (reset.kind, reset.stream_id, frames.number(reset.payload)) == (frames.RST_STREAM, 5, 8)
    assert (update.kind, update.stream_id, frames.number(update.payload)) == (frames.WINDOW_UPDATE, 7, 99)
    assert frames.read_goaway(goodbye.payload) == (0, 1, b"")
    assert frames.read_goaway(b"\xff\xff\xff\xff\0\0\0\x0btoo_many_pings") == (2**31 - 1, 11, b"too_many_pings")


@pytest.mark.parametrize("payload", [b"", bytes(3), bytes(5)])
def test_a_number_of_another_length_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="in place of 4"):
        frames.number(payload)
    with pytest.raises(ValueError, match="GOAWAY frame of"):
        frames.read_goaway(payload)


def test_errors_have_names_where_they_are_known() -> None:
    assert frames.error_name(frames.REFUSED_STREAM) == "REFUSED_STREAM"
    assert frames.error_name(0x99) == "error 0x99"
