"""The question before something stops, goes, or costs money: asked on stderr, answered on stdin."""

from __future__ import annotations

import sys

import click

from auroral.cli.process import Process
from auroral.errors import UsageError


def confirm(
    process: Process,
    question: str,
    *,
    otherwise: str,
    hint: str,
    word: str | None = None,
    kept: str = "nothing was changed",
) -> None:
    """Ask a person, who answers y or, where `word` is given, that word. Returns where that was the answer.

    Raises `UsageError` where nobody is there (`otherwise` says what would have happened, `hint` how to go on without
    an answer) or the answer is another (`kept` says what that means), and `click.Abort` at the end of the input.
    """
    # Of stdin alone: with `2>&1 | tee log` whoever types reads the question still.
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{otherwise}, and nobody is here to confirm it", hint=hint)
    if word is not None:
        answer = _answer(process, f"{question} Type {word}: ")
        if answer != word:
            raise UsageError(f"expected {word}, got {answer or 'nothing'}: {kept}")
        return
    while (answer := _answer(process, f"{question} [y/N]: ").lower()) not in ("y", "yes"):
        if answer in ("", "n", "no"):
            raise UsageError(f"not confirmed: {kept}")
        process.err(f"expected y or n, got {answer}")


def _answer(process: Process, prompt: str) -> str:
    process.stderr.write(prompt)
    process.stderr.flush()
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        return "what is no text"
    if not line:
        process.err("")
        raise click.Abort
    return line.strip()
