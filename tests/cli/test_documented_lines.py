"""Every command line of the guides names a command that is there, with options that it has."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from auroral.cli.smoke import missing_commands

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINE = re.compile(r"^(?:\$ )?(auroral [a-z][^\n]*)$", re.MULTILINE)
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = "|&;<>"


def lines(text: str) -> list[str]:
    """The command lines of a page's blocks, as they stand."""
    blocks = "".join(BLOCK.findall(text.replace("\\\n", " ")))
    return LINE.findall(blocks)


def words_of(line: str) -> list[str]:
    """Without the program's name, comments, pipes and redirections."""
    words = shlex.shlex(line, posix=True, punctuation_chars=SHELL)
    words.whitespace_split = True
    return list(itertools.takewhile(lambda word: word.strip(SHELL) != "", words))[1:]


@pytest.mark.parametrize("page", [page for page in PAGES if lines(page.read_text())], ids=lambda page: page.name)
def test_every_command_line_of_a_guide_is_understood(page: Path) -> None:
    assert missing_commands(map(words_of, lines(page.read_text()))) == []


def test_what_would_be_wrong_is_found() -> None:
    told = ("auroral cluster fly --far  # no", "auroral schema roles --server-arn x", "auroral schema roles -- --any y")
    text = "\n".join(("```sh", *told, "```\n"))
    assert missing_commands(map(words_of, lines(text))) == ["auroral cluster fly", "auroral schema roles --server-arn"]
