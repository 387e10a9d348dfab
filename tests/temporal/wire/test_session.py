"""One connection without its socket: whatever a peer sends, and however it is cut into pieces."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.temporal.wire import frames, session
from auroral.temporal.wire.headers import header_block
from auroral.temporal.wire.session import Answer, ProtocolError, Session, Stream
from auroral.temporal.wire.status import CANCELLED, INTERNAL, OK, RESOURCE_EXHAUSTED, UNAVAILABLE
from tests.temporal.wire.peers import Frame, Peer, framed, goaway, greeting, split

BLOCK = header_block([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C"), (b"te", b"trailers")])


class Link:
    """A session and its peer, bytes carried by hand."""

    def __init__(self, greeting: bytes | None = frames.settings({}), *, table_bytes: int = 0) -> None:
        self.session: Session[Stream] = Session()
        self.peer = Peer(table_bytes=table_bytes)
        self.begun: list[Stream] = []
        self.sent()
        if greeting is not None:
            assert self.session.receive(greeting) == []

    def sent(self) -> list[Frame]:
        """What the session has sent since."""
        return self.peer.read(self.session.take_output())

    def call(self, message: bytes = b"hello") -> Stream:
        stream = Stream()
        self.session.request(stream, BLOCK, message)
        self.begun.append(stream)
        return stream

    def receive(self, *pieces: bytes) -> list[Answer[Stream]]:
        return self.session.receive(b"".join(pieces))


def kinds(sent: Iterable[Frame]) -> list[int]:
    return [one.kind for one in sent]


# Calls and answers


def test_the_greeting_asks_for_no_table_no_pushes_and_wide_windows() -> None:
    fresh: Session[Stream] = Session()
    settings_frame, window = Peer().read(fresh.take_output())
    assert frames.read_settings(settings_frame.payload) == {
        frames.HEADER_TABLE_SIZE: 0,
        frames.ENABLE_PUSH: 0,
        frames.INITIAL_WINDOW_SIZE: 2**31 - 1,
        frames.MAX_HEADER_LIST_SIZE: 65_536,
    }
    assert window == Frame(frames.WINDOW_UPDATE, 0, 0, (2**31 - 1 - 65_535).to_bytes(4, "big"))
    assert not fresh.ready


def test_a_call_is_headers_and_one_message_and_an_answer_is_its_message() -> None:
    link = Link()
    stream = link.call(b"hello")
    acknowledgement, headers, data = link.sent()
    assert (acknowledgement.kind, acknowledgement.flags) == (frames.SETTINGS, frames.ACK)
    assert link.peer.headers(headers)[b":path"] == b"/a.B/C"
    assert data == Frame(frames.DATA, frames.END_STREAM, headers.stream_id, framed(b"hello"))
    [answer] = link.receive(link.peer.answer(headers.stream_id, b"world"))
    assert (answer.stream, answer.status.code, answer.message, answer.untouched) == (stream, OK, b"world", False)
    assert (link.session.open, link.session.answered) == (0, True)
    assert link.sent() == []


def test_answers_come_in_any_order_and_are_told_apart() -> None:
    link = Link()
    calls = [link.call(str(number).encode()) for number in range(50)]
    link.sent()
    order = calls[::2] + calls[::-1][::2]
    answers = link.receive(*(link.peer.answer(one.id, link.peer.messages[one.id][5:]) for one in order))
    assert [(one.stream, one.message) for one in answers] == [(one, str(calls.index(one)).encode()) for one in order]


def test_an_empty_message_is_one() -> None:
    link = Link()
    stream = link.call(b"")
    assert link.sent()[-1].payload == bytes(5)
    [answer] = link.receive(link.peer.answer(stream.id))
    assert (answer.status.code, answer.message) == (OK, b"")


def test_an_error_has_message_and_details() -> None:
    link = Link()
    stream = link.call()
    details = base64.b64encode(b"\x08\x08").decode().rstrip("=")
    [answer] = link.receive(link.peer.end(stream.id, 8, "namespace rate limit", details))
    assert (answer.status.code, answer.status.message) == (RESOURCE_EXHAUSTED, "namespace rate limit")
    assert (answer.status.details, answer.untouched) == (b"\x08\x08", False)


def test_an_error_after_part_of_the_answer_is_the_error() -> None:
    link = Link()
    stream = link.call()
    data = frames.frame(frames.DATA, 0, stream.id, framed(b"half"))
    [answer] = link.receive(link.peer.begin(stream.id), data, link.peer.end(stream.id, 13, "broke"))
    assert (answer.status.code, answer.message) == (INTERNAL, b"")


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0\0", framed(b"a") + framed(b"b"), b"\1\0\0\0\1a", b"\0\0\0\0\5abc"],
    ids=["none", "head cut", "two", "compressed", "cut"],
)
def test_an_answer_that_is_not_one_message_is_an_error(body: bytes) -> None:
    link = Link()
    stream = link.call()
    [answer] = link.receive(
        link.peer.begin(stream.id), frames.frame(frames.DATA, 0, stream.id, body), link.peer.end(stream.id)
    )
    assert (answer.status.code, answer.message) == (INTERNAL, b"")
    assert "one uncompressed message" in answer.status.message


def test_a_proxys_page_is_its_http_status() -> None:
    link = Link()
    stream = link.call()
    block = link.peer.block([(":status", "503"), ("content-type", "text/html")])
    [answer] = link.receive(
        frames.frame(frames.HEADERS, frames.END_HEADERS, stream.id, block),
        frames.frame(frames.DATA, frames.END_STREAM, stream.id, b"<html>"),
    )
    assert (answer.status.code, "HTTP 503" in answer.status.message) == (UNAVAILABLE, True)


def test_a_status_in_the_first_headers_counts_where_the_last_ones_have_none() -> None:
    link = Link()
    stream = link.call()
    first = link.peer.block([(":status", "200"), ("grpc-status", "5"), ("grpc-message", "gone")])
    last = link.peer.block([("x-more", "1")])
    [answer] = link.receive(
        frames.frame(frames.HEADERS, frames.END_HEADERS, stream.id, first),
        frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream.id, last),
    )
    assert answer.status.message == "gone"


def test_padding_priority_continuations_and_unknown_frames_change_nothing() -> None:
    link = Link()
    stream = link.call()
    block = link.peer.block([(":status", "200"), ("content-type", "application/grpc")])
    data = b"\x03" + framed(b"padded") + bytes(3)
    last = link.peer.block([("grpc-status", "0")])
    answers = link.receive(
        frames.frame(0x2, 0, stream.id, bytes(5)),  # PRIORITY
        frames.frame(0x77, 0xFF, 99, b"whatever"),
        frames.frame(
            frames.HEADERS, frames.PADDED | frames.PRIORITY, stream.id, b"\x02" + bytes(5) + block[:1] + bytes(2)
        ),
        frames.frame(frames.CONTINUATION, 0, stream.id, block[1:2]),
        frames.frame(frames.CONTINUATION, 0, stream.id, b""),
        frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream.id, block[2:]),
        frames.frame(frames.DATA, frames.PADDED, stream.id, data),
        frames.frame(frames.DATA, 0, stream.id, b""),
        frames.frame(frames.HEADERS, frames.END_STREAM, stream.id, last[:2]),
        frames.frame(frames.CONTINUATION, frames.END_HEADERS, stream.id, last[2:]),
    )
    assert [(one.status.code, one.message) for one in answers] == [(OK, b"padded")]


def test_a_peer_that_keeps_a_header_table_is_understood() -> None:
    link = Link(table_bytes=4096)
    for number in range(20):
        stream = link.call()
        [answer] = link.receive(link.peer.answer(stream.id, str(number).encode()))
        assert answer.message == str(number).encode()
    [answer] = link.receive(link.peer.end(link.call().id, 5, "gone"))
    assert answer.status.message == "gone"


def test_headers_of_a_call_given_up_still_count_for_the_table() -> None:
    link = Link(table_bytes=4096)
    given_up, kept = link.call(), link.call()
    link.session.cancel(given_up)
    ended = link.peer.end(given_up.id, 5, "gone for good")
    [answer] = link.receive(ended, link.peer.end(kept.id, 5, "gone for good"))
    assert (answer.stream, answer.status.message) == (kept, "gone for good")


def test_a_call_given_up_is_reset_and_its_answer_ignored() -> None:
    link = Link()
    stream = link.call()
    link.sent()
    link.session.cancel(stream)
    link.session.cancel(stream)
    assert link.sent() == [Frame(frames.RST_STREAM, 0, stream.id, frames.CANCEL.to_bytes(4, "big"))]
    assert link.receive(link.peer.answer(stream.id, b"late")) == []
    assert link.session.open == 0


def test_pings_are_answered_and_acknowledgements_are_not() -> None:
    link = Link()
    link.sent()
    assert link.receive(frames.frame(frames.PING, 0, 0, b"12345678")) == []
    assert link.sent() == [Frame(frames.PING, frames.ACK, 0, b"12345678")]
    link.receive(frames.frame(frames.PING, frames.ACK, 0, b"12345678"), frames.frame(frames.SETTINGS, frames.ACK, 0))
    assert link.sent() == []


def test_settings_may_change_how_many_calls_are_taken() -> None:
    link = Link(greeting(MAX_CONCURRENT_STREAMS=2))
    first = link.call()
    assert link.session.takes_more
    link.call()
    assert not link.session.takes_more
    link.receive(link.peer.answer(first.id))
    assert link.session.takes_more
    link.receive(greeting(MAX_CONCURRENT_STREAMS=1))
    assert not link.session.takes_more


def test_a_session_whose_ids_are_used_up_takes_no_more() -> None:
    link = Link()
    link.session._next_id = 2**31 - 3
    assert link.call().id == 2**31 - 3
    assert link.session.takes_more
    stream = link.call()
    assert stream.id == 2**31 - 1
    assert (link.session.takes_more, link.session.leaving) == (False, "its stream ids are used up")
    [answer] = link.receive(link.peer.answer(stream.id, b"last"))
    assert answer.message == b"last"


# Flow control


def upload(link: Link, stream: Stream, *, step_bytes: int, window_bytes: int = 65_535) -> bytes:
    """Grant windows piece by piece, see that none is exceeded; returns what came."""
    window = stream_window = window_bytes
    for _ in range(10_000):
        for frame in link.sent():
            if frame.kind == frames.DATA:
                assert len(frame.payload) <= 16_384
                window, stream_window = window - len(frame.payload), stream_window - len(frame.payload)
                if frame.flags & frames.END_STREAM:
                    return link.peer.messages[stream.id]
        assert window >= 0
        assert stream_window >= 0
        assert min(window, stream_window) == 0, "it sends all that it may"
        link.receive(frames.window_update(0, step_bytes), frames.window_update(stream.id, step_bytes))
        window, stream_window = window + step_bytes, stream_window + step_bytes
    raise AssertionError("the request did not end")


@pytest.mark.parametrize("step_bytes", [65_535, 10_000, 1_000_000])
def test_a_large_request_goes_out_as_the_windows_allow(step_bytes: int) -> None:
    link = Link()
    message = bytes(range(256)) * 4_096 * 3
    stream = link.call(message)
    assert upload(link, stream, step_bytes=step_bytes) == framed(message)
    [answer] = link.receive(link.peer.answer(stream.id, b"thanks"))
    assert answer.message == b"thanks"


def test_small_calls_wait_only_for_the_connections_window() -> None:
    link = Link()
    large = link.call(bytes(60_000))
    link.receive(frames.window_update(0, 10_000))
    second = link.call(bytes(70_000))  # its own window is smaller than that
    small = link.call(b"small")
    assert [(one.stream_id, one.flags) for one in link.sent() if one.kind == frames.DATA and one.flags] == [
        (large.id, 1)
    ]
    link.receive(frames.window_update(0, 100_000))
    ended = [one.stream_id for one in link.sent() if one.kind == frames.DATA and one.flags]
    assert ended == [small.id], "the second waits for a window of its own"
    link.receive(frames.window_update(second.id, 100_000))
    assert link.peer.read(link.session.take_output())[-1].flags == frames.END_STREAM
    assert len(link.peer.messages[second.id]) == 70_005


def test_a_server_may_shrink_and_widen_the_windows_of_what_is_under_way() -> None:
    link = Link(greeting(INITIAL_WINDOW_SIZE=10))
    stream = link.call(b"x" * 25)
    assert len(link.sent()[-1].payload) == 10
    link.receive(greeting(INITIAL_WINDOW_SIZE=5))  # five less than nothing
    link.receive(frames.window_update(stream.id, 5))
    assert kinds(link.sent()) == [frames.SETTINGS]
    link.receive(greeting(INITIAL_WINDOW_SIZE=20))
    link.sent()
    assert link.peer.messages[stream.id] == framed(b"x" * 25)[:25]
    link.receive(frames.window_update(stream.id, 5))
    assert link.sent()[-1].flags == frames.END_STREAM
    assert link.peer.messages[stream.id] == framed(b"x" * 25)


def test_larger_frames_are_used_where_the_server_takes_them() -> None:
    link = Link(greeting(MAX_FRAME_SIZE=40_000, INITIAL_WINDOW_SIZE=60_000))
    link.call(bytes(39_000))
    assert [len(one.payload) for one in link.sent() if one.kind == frames.DATA] == [39_005]


def test_an_answer_before_all_was_heard_ends_the_rest() -> None:
    link = Link()
    stream = link.call(bytes(100_000))
    link.sent()
    [answer] = link.receive(link.peer.end(stream.id, 8, "too large"))
    assert answer.status.message == "too large"
    assert kinds(link.sent()) == [frames.RST_STREAM]
    link.receive(frames.window_update(0, 1 << 20), frames.window_update(stream.id, 1 << 20))
    assert link.sent() == []


@pytest.mark.parametrize("how", ["cancelled", "reset", "goaway", "lost"])
def test_a_request_that_is_begun_anew_elsewhere_is_sent_there_alone(how: str) -> None:
    link, other = Link(), Link(greeting(INITIAL_WINDOW_SIZE=1 << 20))
    stream = link.call(bytes(100_000))
    link.sent()
    if how == "cancelled":
        link.session.cancel(stream)
    elif how == "reset":
        link.receive(frames.reset(stream.id, frames.REFUSED_STREAM))
    elif how == "goaway":
        link.receive(goaway(0))
    else:
        link.session.lost("gone")
    other.session.request(stream, BLOCK, bytes(100_000))
    link.receive(frames.window_update(0, 1 << 20))
    assert frames.DATA not in kinds(link.sent())
    other.receive(frames.window_update(0, 1 << 20))
    other.sent()
    assert other.peer.messages[stream.id] == framed(bytes(100_000))


def test_the_window_for_answers_is_opened_again() -> None:
    link = Link()
    stream = link.call()
    link.sent()
    link.receive(link.peer.begin(stream.id))
    received = credited = 0
    piece = bytes(16_000)
    link.receive(frames.frame(frames.DATA, 0, stream.id, b"\0" + (16_000 * 400).to_bytes(4, "big")))
    for _ in range(400):
        link.receive(frames.frame(frames.DATA, 0, stream.id, piece))
        received += len(piece)
        for update in link.sent():
            assert (update.kind, update.stream_id) == (frames.WINDOW_UPDATE, 0)
            credited += frames.number(update.payload)
        assert received + 5 - credited < 1 << 20
    [answer] = link.receive(link.peer.end(stream.id))
    assert len(answer.message) == received


def test_data_of_calls_given_up_opens_the_window_too() -> None:
    link = Link()
    stream = link.call()
    link.session.cancel(stream)
    link.sent()
    for _ in range(70):
        link.receive(frames.frame(frames.DATA, frames.PADDED, stream.id, b"\x05" + bytes(15_999)))
    assert kinds(link.sent()) == [frames.WINDOW_UPDATE]


def test_an_answer_above_what_is_taken_ends_the_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LARGEST_MESSAGE_BYTES", 20_000)
    link = Link()
    large, fits = link.call(), link.call()
    link.sent()
    link.receive(link.peer.begin(large.id), link.peer.begin(fits.id))
    piece = frames.frame(frames.DATA, 0, large.id, bytes(10_005))
    assert link.receive(piece) == []
    [answer] = link.receive(piece)
    assert (answer.stream, answer.status.code) == (large, RESOURCE_EXHAUSTED)
    assert "above 20,000 bytes" in answer.status.message
    assert kinds(link.sent()) == [frames.RST_STREAM]
    assert link.receive(piece) == []
    for part in (framed(bytes(20_000))[:16_000], framed(bytes(20_000))[16_000:]):
        link.receive(frames.frame(frames.DATA, 0, fits.id, part))
    [answer] = link.receive(link.peer.end(fits.id))
    assert len(answer.message) == 20_000


# Ends


@pytest.mark.parametrize(
    ("error", "code", "untouched"),
    [
        (frames.REFUSED_STREAM, UNAVAILABLE, True),
        (frames.CANCEL, CANCELLED, False),
        (frames.ENHANCE_YOUR_CALM, UNAVAILABLE, False),
        (0x2, INTERNAL, False),
    ],
)
def test_a_reset_ends_one_call(error: int, code: int, untouched: bool) -> None:
    link = Link()
    stream, other = link.call(), link.call()
    [answer] = link.receive(frames.reset(stream.id, error))
    assert (answer.stream, answer.status.code, answer.untouched) == (stream, code, untouched)
    assert link.receive(frames.reset(stream.id, error)) == []
    [answer] = link.receive(link.peer.answer(other.id, b"fine"))
    assert answer.message == b"fine"


def test_a_goodbye_gives_back_what_was_not_looked_at_and_answers_the_rest() -> None:
    link = Link()
    first, second, third = link.call(), link.call(), link.call()
    answers = link.receive(link.peer.answer(first.id, b"one"), goaway(second.id), link.peer.answer(second.id, b"two"))
    assert [(one.stream, one.message, one.untouched) for one in answers] == [
        (first, b"one", False),
        (third, b"", True),
        (second, b"two", False),
    ]
    assert answers[1].status.code == UNAVAILABLE
    assert (link.session.takes_more, link.session.open) == (False, 0)
    assert link.session.leaving == "the server ends the connection (NO_ERROR)"


def test_a_goodbye_in_two_steps() -> None:
    link = Link()
    first, second = link.call(), link.call()
    assert link.receive(goaway(2**31 - 1)) == []
    assert not link.session.takes_more
    [answer] = link.receive(goaway(first.id))
    assert (answer.stream, answer.untouched) == (second, True)
    [answer] = link.receive(link.peer.answer(first.id))
    assert answer.stream is first


def test_a_goodbye_says_why() -> None:
    link = Link()
    link.receive(goaway(0, frames.ENHANCE_YOUR_CALM, b"too_many_pings"))
    assert link.session.leaving == "the server ends the connection (ENHANCE_YOUR_CALM: too_many_pings)"


def test_a_lost_connection_ends_all_calls_once() -> None:
    link = Link()
    calls = [link.call(), link.call(bytes(100_000))]
    answers = link.session.lost("the connection was lost")
    assert [(one.stream, one.status.code, one.untouched) for one in answers] == [
        (one, UNAVAILABLE, False) for one in calls
    ]
    assert link.session.lost("again") == []
    assert (link.session.takes_more, link.session.leaving) == (False, "the connection was lost")


# Peers that do not keep to it

Bytes = Callable[[int], bytes]

FAULTS: list[tuple[str, Bytes, str]] = [
    ("large", lambda _: b"\xff\xff\xff\0\0\0\0\0\0", "a frame of 16,777,215 bytes, of at most 16,384"),
    ("settings", lambda _: frames.frame(frames.SETTINGS, 0, 0, bytes(5)), "a SETTINGS frame of 5 bytes"),
    ("window", lambda _: greeting(INITIAL_WINDOW_SIZE=2**31), "a window of 2,147,483,648 bytes"),
    ("ping", lambda _: frames.frame(frames.PING, 0, 0, bytes(7)), "a PING frame of 7 bytes"),
    ("reset", lambda one: frames.frame(frames.RST_STREAM, 0, one, b""), "0 bytes in place of 4"),
    ("update", lambda one: frames.frame(frames.WINDOW_UPDATE, 0, one, bytes(5)), "5 bytes in place of 4"),
    ("goaway", lambda _: frames.frame(frames.GOAWAY, 0, 0, bytes(7)), "a GOAWAY frame of 7 bytes"),
    ("push", lambda one: frames.frame(frames.PUSH_PROMISE, 4, one, bytes(4)), "a push that was declined"),
    ("padding", lambda one: frames.frame(frames.DATA, frames.PADDED, one, b"\x09abc"), "more padding than payload"),
    (
        "headers",
        lambda one: frames.frame(frames.HEADERS, frames.END_HEADERS, one, b"\x80"),
        "headers that cannot be read",
    ),
    ("continuation", lambda one: frames.frame(frames.CONTINUATION, 4, one, b""), "that nothing began"),
    (
        "other continuation",
        lambda one: frames.frame(frames.HEADERS, 0, one, b"") + frames.frame(frames.CONTINUATION, 4, one + 2, b""),
        "that nothing began",
    ),
    (
        "interrupted",
        lambda one: frames.frame(frames.HEADERS, 0, one, b"") + frames.frame(frames.PING, 0, 0, bytes(8)),
        "a header block that does not go on",
    ),
    (
        "endless",
        lambda one: (
            frames.frame(frames.HEADERS, 0, one, b"") + frames.frame(frames.CONTINUATION, 0, one, bytes(16_384)) * 5
        ),
        "a header block above 65,536 bytes",
    ),
    ("not begun", lambda one: frames.frame(frames.DATA, 0, one + 200, b"x"), "which nobody began"),
    ("even", lambda _: frames.frame(frames.DATA, 0, 2, b"x"), "a frame of stream 2, which nobody began"),
    ("none", lambda _: frames.frame(frames.DATA, 0, 0, b"x"), "a frame of stream 0, which nobody began"),
]


@pytest.mark.parametrize(("fault", "words"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS])
def test_a_fault_is_one_error_and_what_came_before_it_counts(fault: Bytes, words: str) -> None:
    link = Link()
    answered, open_call = link.call(), link.call()
    with pytest.raises(ProtocolError, match=f"the server does not speak HTTP/2 as expected: .*{words}") as caught:
        link.receive(link.peer.answer(answered.id, b"in time"), fault(open_call.id))
    assert [(one.stream, one.message) for one in caught.value.answers] == [(answered, b"in time")]
    assert not link.session.takes_more
    assert [one.stream for one in link.session.lost(str(caught.value))] == [open_call]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it answers in HTTP/1, as a web server does"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it answers in TLS"),
        (frames.frame(frames.PING, 0, 0, bytes(8)), "it does not begin with its settings"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "a frame of 5,460,808 bytes"),
    ],
)
def test_what_is_no_http2_at_all_is_told(first: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        Link(first)


# Any pieces, any bytes


def in_two(headers: bytes) -> bytes:
    """A HEADERS frame as one of a single byte, and its continuation."""
    [whole], _ = split(headers)
    return frames.frame(frames.HEADERS, 0, whole.stream_id, whole.payload[:1]) + frames.frame(
        frames.CONTINUATION, frames.END_HEADERS, whole.stream_id, whole.payload[1:]
    )


def conversation(link: Link) -> bytes:
    """A bit of everything that a server may say to twelve calls."""
    one = [link.call(str(number).encode()) for number in range(12)]
    peer, details = link.peer, base64.b64encode(b"\x08\x08").decode()
    return b"".join(
        [
            peer.answer(one[0].id, b"zero"),
            frames.frame(frames.PING, 0, 0, b"abcdefgh"),
            peer.begin(one[1].id),
            frames.frame(frames.DATA, 0, one[1].id, framed(bytes(range(256)) * 10)[:1_000]),
            frames.window_update(0, 1_000),
            frames.frame(
                frames.DATA, frames.PADDED, one[1].id, b"\2" + framed(bytes(range(256)) * 10)[1_000:] + b"\0\0"
            ),
            peer.end(one[1].id),
            frames.frame(0x99, 7, 3, b"unknown"),
            peer.end(one[2].id, 8, "busy", details),
            in_two(peer.begin(one[3].id)),
            frames.frame(frames.DATA, 0, one[3].id, framed(b"three")),
            greeting(MAX_CONCURRENT_STREAMS=10, INITIAL_WINDOW_SIZE=70_000),
            peer.end(one[3].id),
            frames.reset(one[4].id, frames.REFUSED_STREAM),
            frames.reset(one[5].id, frames.CANCEL),
            goaway(one[9].id, frames.ENHANCE_YOUR_CALM, b"calm"),
            peer.answer(one[6].id, b"six"),
            peer.answer(one[7].id, b"seven"),
            peer.answer(one[8].id, bytes(30)),
        ]
    )


def heard(link: Link, pieces: Iterable[bytes]) -> tuple[list[object], bytes, str]:
    """What a session makes of some pieces: answers by the number of their call, output, how it was left."""
    answers: list[Answer[Stream]] = []
    broken = ""
    for piece in pieces:
        try:
            answers += link.session.receive(piece)
        except ProtocolError as error:
            answers += error.answers
            broken = str(error)
            break
    told: list[object] = [(link.begun.index(one.stream), one.status, one.message, one.untouched) for one in answers]
    told += [link.begun.index(one.stream) for one in link.session.lost("gone")]
    return told, b"" if broken else link.session.take_output(), broken


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=60), st.booleans())
def test_pieces_of_any_size_say_the_same(places: list[int], tables: bool) -> None:
    table_bytes = 4096 if tables else 0
    whole, pieces = Link(table_bytes=table_bytes), Link(table_bytes=table_bytes)
    expected = heard(whole, [conversation(whole)])
    assert expected[2] == ""
    assert len(expected[0]) == 12
    assert heard(pieces, cut(conversation(pieces), places)) == expected


def test_single_bytes_say_the_same() -> None:
    whole, pieces = Link(), Link()
    expected = heard(whole, [conversation(whole)])
    data = conversation(pieces)
    assert heard(pieces, [data[at : at + 1] for at in range(len(data))]) == expected


@settings(max_examples=100, deadline=1_000)
@given(st.data())
def test_damaged_bytes_break_the_session_or_do_not_but_nothing_else(data: st.DataObject) -> None:
    link, again = Link(), Link()
    bytes_ = bytearray(conversation(link))
    conversation(again)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bytes_) - 1))
        how = data.draw(st.sampled_from(["set", "drop", "insert", "cut"]))
        if how == "set":
            bytes_[at] = data.draw(st.integers(0, 255))
        elif how == "drop":
            del bytes_[at : at + data.draw(st.integers(1, 20))]
        elif how == "insert":
            bytes_[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            del bytes_[max(at, 1) :]
        if not bytes_:
            break
    damaged = bytes(bytes_)
    told, output, broken = heard(link, [damaged])
    ended = [one if isinstance(one, int) else one[0] for one in told]  # type: ignore[index]
    assert sorted(ended) == list(range(12)), "each call ends exactly once"
    places = data.draw(st.lists(st.integers(0, 10_000), max_size=10))
    assert heard(again, cut(damaged, places)) == (told, output, broken)


@settings(max_examples=100, deadline=1_000)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=60)), max_size=20)
)
def test_any_frames_break_the_session_or_do_not_but_nothing_else(sent: list[tuple[int, int, int, bytes]]) -> None:
    link = Link()
    for _ in range(4):
        link.call(bytes(30_000))
    told, _, _ = heard(link, [b"".join(frames.frame(*one) for one in sent)])
    ended = [one if isinstance(one, int) else one[0] for one in told]  # type: ignore[index]
    assert sorted(ended) == [0, 1, 2, 3]


@settings(max_examples=100, deadline=1_000)
@given(st.binary(max_size=500))
def test_any_first_bytes_break_the_session_or_do_not_but_nothing_else(data: bytes) -> None:
    link = Link(None)
    _, _, broken = heard(link, [data])
    assert bool(broken) == bool(link.session.leaving.startswith("the server does not speak"))
