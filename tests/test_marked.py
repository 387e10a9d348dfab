"""Marks on lines: put on, taken off, and what a log driver does in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.marked import ERR, OUT, PIECE_BYTES, Unmarker, end, marked

LINES = st.lists(
    st.tuples(st.sampled_from([OUT, ERR]), st.text(st.characters(blacklist_characters="\n", codec="utf-8"))),
    max_size=20,
)


@given(LINES, st.data())
def test_lines_come_back_on_their_streams(lines: list[tuple[int, str]], data: st.DataObject) -> None:
    """Pieces of the two streams may be mixed; those of one keep their order."""
    queues = {
        stream: [one for s, line in lines if s == stream for one in marked(stream, line)] for stream in (OUT, ERR)
    }
    unmarker = Unmarker()
    back: dict[int | None, list[str]] = {OUT: [], ERR: [], None: []}
    while any(queues.values()):
        stream = data.draw(st.sampled_from([one for one in queues if queues[one]]))
        taken = unmarker.take(queues[stream].pop(0))
        if taken is not None:
            back[taken[0]].append(taken[1])
    assert back == {None: [], **{one: [line for s, line in lines if s == one] for one in (OUT, ERR)}}
    assert list(unmarker.rest()) == []
    assert unmarker.seen == bool(lines)


@given(st.text(st.characters(blacklist_characters="\n", codec="utf-8"), min_size=1, max_size=5), st.integers(1, 40_000))
def test_long_lines_are_cut_between_characters(text: str, times: int) -> None:
    line = text * times
    pieces = list(marked(OUT, line))
    assert all(len(piece.encode()) <= PIECE_BYTES + 3 for piece in pieces)
    assert len(pieces) <= len(line.encode()) // (PIECE_BYTES - 3) + 1
    unmarker = Unmarker()
    *before, last = [unmarker.take(piece) for piece in pieces]
    assert before == [None] * (len(pieces) - 1)
    assert last == (OUT, line)


def test_an_empty_line_is_something() -> None:
    assert list(marked(ERR, "")) == ["@2>"]
    assert Unmarker().take("@2>") == (ERR, "")


def test_other_lines_have_no_stream() -> None:
    unmarker = Unmarker()
    for line in ("", "Traceback (most recent call last):", "@3>x", "@1x", " @1>x", "@.x"):
        assert unmarker.take(line) == (None, line)
    assert not unmarker.seen


def test_the_end_and_what_was_cut_off() -> None:
    unmarker = Unmarker()
    assert unmarker.take("@1+half") is None
    assert not unmarker.ended
    assert unmarker.take(end(70)) is None
    assert unmarker.ended
    assert list(unmarker.rest()) == [(OUT, "half")]
    assert list(unmarker.rest()) == []


def test_what_is_no_unicode_is_escaped() -> None:
    assert list(marked(OUT, "\udc80")) == ["@1>\\udc80"]
