"""The operator's pages: command lines that parse, findings that are covered, output that was printed, links."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from auroral.cli.main import root
from auroral.ecs.health import crash_loop
from auroral.ecs.health import judgement as health
from auroral.ecs.health import judgement_stores as health_stores
from tests.support.operate_scenes import SCENES

DOCS = Path(__file__).parents[1] / "docs"
GUIDE, TROUBLES = DOCS / "operate.md", DOCS / "troubleshooting.md"
PAGES = sorted({GUIDE, TROUBLES, *DOCS.glob("operate-*.md"), DOCS / "doctor.md", DOCS / "remote-benchmark.md"})
MAKERS = ("note", "unhealthy", "make")
LEAST_PHRASE = 10
"""Shorter parts of a finding are ` of `, `: ` and the like."""


def _lines(text: str) -> Iterator[str]:
    """Command lines: in blocks from the beginning of a line or after `$ `, elsewhere between backticks."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.match(r" *(?:\$ )?(auroral .*)", line):
                yield found[1]
    prose = re.sub(r"^ *```[a-z]*\n.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`(auroral [^`]+)`", prose)


def _words(line: str) -> list[str]:
    """Those of the command itself: without a pipe, a redirection, a comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(itertools.takewhile(lambda word: word[0] not in "|<>&;", (word or "''" for word in lexer)))


def _faults(line: str) -> str:
    """Why the command line is none of auroral's; empty: it is one. Capitals stand for what a reader fills in."""
    words = _words(line)[1:]
    command: click.Command = root
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            return f"there is no `{name}`" if name.islower() else ""
        command = found
    try:
        given, left, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    if left:
        return f"it takes no {left[0]}"
    for one in command.params:
        value = given.get(str(one.name))
        if isinstance(one.type, click.Choice) and isinstance(value, str) and value.islower():
            try:
                one.type.convert(value, one, None)
            except click.UsageError as error:
                return error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_one(page: Path) -> None:
    found = list(_lines(page.read_text(encoding="utf-8")))
    assert found, "the page names commands"
    assert [f"{line}: {fault}" for line in found if (fault := _faults(line))] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("auroral cluster rol", "there is no `rol`"),
        ("auroral cluster roll --forse", "No such option '--forse'."),
        ("auroral cluster status --where nowhere", "Invalid value for '--where': 'nowhere' is not one of"),
        ("auroral cluster status --outputs", "Option '--outputs' requires an argument."),
        ("auroral infra apply platform", "it takes no platform"),
        ("auroral cluster roll history --force --outputs outputs.json", ""),
        ("auroral cluster status --watch --json", ""),
        ("auroral cluster exec history -- env --anything", ""),
        ("auroral infra unlock ID", ""),
        ("auroral cluster NAME", ""),
        ("auroral cluster logs -f --outputs outputs.json | head  # a few", ""),
    ],
)
def test_a_line_that_is_none_is_told(line: str, fault: str) -> None:
    assert _faults(line).startswith(fault) if fault else _faults(line) == ""


def _flat(text: str) -> str:
    """One line, without the marks of code: a finding may be quoted with them."""
    return " ".join(text.replace("`", "").split())


def _assigned(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What each name is given in a function or module."""
    names: dict[str, list[ast.expr]] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                one, value = target, node.value
                targets = one.elts if isinstance(one, ast.Tuple) else [one]
                pairs = isinstance(one, ast.Tuple) and isinstance(value, ast.Tuple)
                for number, part in enumerate(targets):
                    if isinstance(part, ast.Name):
                        given = value.elts[number] if pairs and isinstance(value, ast.Tuple) else value
                        names.setdefault(part.id, []).append(given)
    return names


def _texts(node: ast.expr, names: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Every text that it may hold, names followed to what they are given; conditions hold none."""
    parts: list[ast.expr] = []
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values) | ast.BoolOp(values=values):
            parts = values
        case ast.FormattedValue(value=value):
            parts = [value]
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.Dict(values=values) | ast.Tuple(elts=values):
            parts = values
        case ast.Call(func=ast.Attribute(value=table, attr="get")):
            parts = [table]
        case ast.Name(id=name):
            parts = names.get(name, [])
            names = {key: value for key, value in names.items() if key != name}
    for part in parts:
        yield from _texts(part, names)


def _findings() -> Iterator[tuple[str, list[str], list[str]]]:
    """Where `status` makes a finding, the phrases of its text, and the commands that may mend it."""
    for module in (health, health_stores):
        path = Path(str(module.__file__))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tables = _assigned(ast.Module(body=[one for one in tree.body if isinstance(one, ast.Assign)], type_ignores=[]))
        for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
            names = tables | _assigned(function)
            for call in (one for one in ast.walk(function) if isinstance(one, ast.Call)):
                if isinstance(call.func, ast.Name) and call.func.id in MAKERS and len(call.args) > 1:
                    told = [_flat(text).strip(" :,.()") for text in _texts(call.args[1], names)]
                    mends = [text.strip() for one in call.args[2:] for text in _texts(one, names)]
                    where = f"{path.name}:{call.lineno}"
                    yield where, [one for one in told if len(one) >= LEAST_PHRASE], [one for one in mends if " " in one]


def test_every_finding_of_status_is_covered_with_what_mends_it() -> None:
    page = _flat(TROUBLES.read_text(encoding="utf-8"))
    found = list(_findings())
    assert len(found) > 25, "the findings are made elsewhere now: collect them there"
    assert [where for where, phrases, _ in found if not phrases] == []
    missing = [f"{where}: {text}" for where, phrases, mends in found for text in (*phrases, *mends) if text not in page]
    assert missing == []


def test_the_evidence_of_a_crash_loop_is_covered() -> None:
    tree = ast.parse(Path(str(crash_loop.__file__)).read_text(encoding="utf-8"))
    (lines,) = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name == "lines"]
    told = [
        _flat(text).strip(" :,.()")
        for one in ast.walk(lines)
        if isinstance(one, ast.JoinedStr)
        for text in _texts(one, {})
    ]
    phrases = [one for one in told if len(one) >= LEAST_PHRASE]
    assert len(phrases) >= 3
    page = _flat(TROUBLES.read_text(encoding="utf-8"))
    assert [one for one in phrases if one not in page] == []


def _anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    heads = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in _anchors(other)):
            broken.append(target)
    assert broken == []


def _quoted() -> Iterator[tuple[str, str, str]]:
    for page in (GUIDE, TROUBLES):
        text = page.read_text(encoding="utf-8")
        for name, block in re.findall(r"<!-- scene: ([a-z ]+) -->\n```text\n(.*?)\n```", text, re.DOTALL):
            yield page.name, name, block


def test_every_scene_is_quoted_once_and_every_printed_block_is_of_a_scene() -> None:
    quoted = [name for _, name, _ in _quoted()]
    assert sorted(quoted) == sorted(SCENES)
    for page in (GUIDE, TROUBLES):
        text = page.read_text(encoding="utf-8")
        assert text.count("```text\n") == text.count("<!-- scene: "), page.name


@pytest.mark.parametrize(("page", "name", "block"), list(_quoted()), ids=lambda value: str(value)[:20].split("\n")[0])
def test_what_is_quoted_was_printed(page: str, name: str, block: str, tmp_path: Path) -> None:
    """Line by line; `…` stands for any number of lines."""
    parts = [re.escape(line) for line in block.split("\n")]
    pattern = "\n".join("…" if part == "…" else part for part in parts)
    pattern = pattern.replace("\n…\n", "\n(?:.*\n)*?").removesuffix("\n…")
    more = r"(?:\n.*)*" if block.endswith("\n…") else ""
    printed = SCENES[name](tmp_path)
    assert re.fullmatch(pattern + more, printed), f"{page}, scene {name}; printed is\n{printed}"
