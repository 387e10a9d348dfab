"""What stops, goes or costs money is asked for in one way, on any terminal."""

from __future__ import annotations

import io
import sys

import click
import pytest

from auroral.cli.confirm import confirm
from auroral.cli.process import Process
from auroral.errors import UsageError
from tests.cli.conftest import Terminal


def ask(text: str | None, monkeypatch: pytest.MonkeyPatch, word: str | None = None) -> tuple[str, str]:
    """Stdout and stderr of a question that was answered with the text."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", None if text is None else Terminal(text))
    process = Process((), {"TERM": "dumb"}, out, err)
    try:
        confirm(process, "Stop 4 tasks?", otherwise="4 tasks would be stopped", hint="--yes stops", word=word)
    finally:
        assert out.getvalue() == "", "what is piped on is no place for a question"
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("text", ["y\n", "YES\n", " y \n", "what?\ny\n"])
def test_yes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, err = ask(text, monkeypatch)
    assert err.startswith("Stop 4 tasks? [y/N]: ")
    assert ("expected y or n, got what?\n" in err) == ("what?" in text)


@pytest.mark.parametrize("text", ["n\n", "No\n", "\n"])
def test_no(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not confirmed: nothing was changed"):
        ask(text, monkeypatch)


def test_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("platform\n", monkeypatch, word="platform")[1] == "Stop 4 tasks? Type platform: "
    for text, got in (("y\n", "y"), ("\n", "nothing"), ("Platform\n", "Platform")):
        with pytest.raises(UsageError, match=f"expected platform, got {got}: nothing was changed"):
            ask(text, monkeypatch, word="platform")


@pytest.mark.parametrize("word", [None, "platform"])
def test_the_end_of_the_input_is_an_interruption(word: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.Abort):
        ask("", monkeypatch, word=word)


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="4 tasks would be stopped, and nobody is here to confirm it") as found:
        ask(None, monkeypatch)
    assert found.value.hint == "--yes stops"
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="nobody is here"):
        confirm(Process((), {}, io.StringIO(), io.StringIO()), "Stop?", otherwise="it would be stopped", hint="")


def test_what_is_no_text_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bytes(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Bytes(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    process = Process((), {}, io.StringIO(), io.StringIO())
    with pytest.raises((UsageError, click.Abort)):
        confirm(process, "Stop?", otherwise="it would be stopped", hint="", word="yes")
