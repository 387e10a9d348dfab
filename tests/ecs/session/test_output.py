"""The command's own output is found in whatever pieces it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.ecs.session.output import Output
from auroral.ecs.session.plan import begin_mark, exit_mark

NONCE = "0badcafe"
HEAD = b"\nStarting session with SessionId: ecs-execute-command-1\nThis session is encrypted using AWS KMS.\n"
TAIL = b"\n\nExiting session with sessionId: ecs-execute-command-1.\n\n"


def printed(said: bytes, status: int) -> bytes:
    """What the plugin prints for a command that said this: a remote terminal ends lines with both characters."""
    marks = f"{begin_mark(NONCE)}\n".encode(), f"\n{exit_mark(NONCE)}{status}\n".encode()
    remote = b"".join((marks[0], said, marks[1])).replace(b"\n", b"\r\n")
    return HEAD + remote + TAIL


text = st.text(st.sampled_from("ab \nauroral-exit-0badcafe=7é"), max_size=60)


@given(text, st.integers(0, 255), st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_pieces_of_any_size(said: str, status: int, sizes: list[int]) -> None:
    data = said.encode()
    if exit_mark(NONCE).encode() in data:  # eight random digits are not met by chance
        data = data.replace(exit_mark(NONCE).encode(), b"")
    whole, output, got, at, turn = printed(data, status), Output(NONCE), b"", 0, 0
    while at < len(whole):
        size = sizes[turn % len(sizes)]
        got += output.feed(whole[at : at + size])
        at, turn = at + size, turn + 1
    assert got == data
    assert output.status == status
    assert output.rest() == b""
    assert output.words() == "This session is encrypted using AWS KMS."


def test_output_comes_while_the_command_runs() -> None:
    output = Output(NONCE)
    output.feed(HEAD + f"{begin_mark(NONCE)}\r\n".encode())
    assert output.feed(b"50 %\r") == b"50 %"  # a line end may follow
    assert output.feed(b"60 %") == b"\r60 %"
    assert output.feed(b"\r\nau") == b""
    assert output.feed(b"gust\r\n") == b"\naugust"
    assert output.status is None


def test_a_session_that_breaks_off_keeps_what_was_said() -> None:
    output = Output(NONCE)
    got = output.feed(HEAD + f"{begin_mark(NONCE)}\r\nhalf\r\naurora".encode())
    assert got + output.rest() == b"half\naurora"
    assert output.began
    assert output.status is None


def test_what_was_said_instead_of_the_command() -> None:
    output = Output(NONCE)
    assert output.feed(HEAD + b'unable to start command: exec: "/bin/sh": not found\r\n' + TAIL) == b""
    assert not output.began
    assert 'exec: "/bin/sh": not found' in output.words()
    assert "SessionId" not in output.words()


def test_a_flood_without_marks_is_not_kept() -> None:
    output = Output(NONCE)
    for _ in range(100):
        output.feed(b"x" * 10_000)
    assert len(output.words()) <= 4096
