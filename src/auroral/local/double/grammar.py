"""SQL text → parse trees. DSQL's own syntax, which PostgreSQL's parser does not know, is taken out first. Pure.

The parser is PostgreSQL's own (libpg_query). DSQL adds `CREATE INDEX ASYNC`, `ALTER TABLE ASYNC … VALIDATE
CONSTRAINT` and `AWS IAM GRANT … TO`/`REVOKE … FROM`; its tokens are PostgreSQL's, so its scanner finds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import postgast
from google.protobuf.message import Message

_SEMICOLON = 59
_STRING = 261


class SyntaxRefusedError(Exception):
    """The text is no SQL; the argument is the parser's message."""


class _Token(NamedTuple):
    text: str
    """Lower case, unless it is quoted."""
    start: int
    end: int
    string: bool


@dataclass(frozen=True, slots=True)
class IamChange:
    """`AWS IAM GRANT role TO 'arn'`, or REVOKE … FROM."""

    grant: bool
    role: str
    arn: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement: its text without DSQL's own words, and its tree."""

    text: bytes
    kind: str
    """The name of the tree's root, e.g. `select_stmt`; empty for one of DSQL's own."""
    node: Any
    asynchronous: bool = False
    """It had the word ASYNC."""
    using: bool = False
    """An index with the word USING: the tree does not tell it from the default."""
    iam: IamChange | None = None


def read(sql: bytes) -> list[Parsed]:
    """The statements of a text. Raises `SyntaxRefusedError`."""
    upper = sql.upper()
    if b"ASYNC" in upper or b"AWS" in upper or b"INDEX" in upper:
        return [one for piece in _split(sql) for one in _read_piece(*piece)]
    return _parse(sql)


def nodes(message: Message) -> Iterator[tuple[str, Any]]:
    """Every message below one, itself not among them, with the name of the field it stands in."""
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.message_type is None:
                continue
            for one in value if isinstance(value, Sequence) or hasattr(value, "append") else (value,):
                yield field.name, one
                waiting.append(one)


def _parse(text: bytes) -> list[Parsed]:
    try:
        tree = postgast.parse(text.decode(errors="replace"))
    except postgast.PgQueryError as error:
        raise SyntaxRefusedError(error.message) from error
    parsed = []
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text)
        kind = raw.stmt.WhichOneof("node") or ""
        parsed.append(Parsed(text[raw.stmt_location : end].strip(), kind, getattr(raw.stmt, kind)))
    return parsed


def _split(sql: bytes) -> list[tuple[bytes, list[_Token]]]:
    """The statements of a text and their tokens, cut at semicolons."""
    try:
        scanned = postgast.scan(sql.decode(errors="replace"))
    except postgast.PgQueryError as error:
        raise SyntaxRefusedError(error.message) from error
    pieces: list[tuple[bytes, list[_Token]]] = []
    start = 0
    tokens: list[_Token] = []
    for one in scanned.tokens:
        if one.token == _SEMICOLON:
            pieces.append((sql[start : one.start], tokens))
            start, tokens = one.end, []
        elif one.token not in (275, 276):  # comments
            word = sql[one.start : one.end].decode(errors="replace")
            quoted = word[:1] in ("'", '"')
            tokens.append(
                _Token(word if quoted else word.lower(), one.start - start, one.end - start, one.token == _STRING)
            )
    pieces.append((sql[start:], tokens))
    return [piece for piece in pieces if piece[1]]


def _read_piece(text: bytes, tokens: list[_Token]) -> list[Parsed]:
    words = [token.text for token in tokens]
    if words[:2] == ["aws", "iam"]:
        return [Parsed(text.strip(), "", None, iam=_read_iam(tokens))]
    at = _async_position(words)
    cut = text
    if at is not None:
        cut = text[: tokens[at].start] + b" " * (tokens[at].end - tokens[at].start) + text[tokens[at].end :]
    parsed = _parse(cut)
    if len(parsed) != 1:
        return parsed
    only = parsed[0]
    using = only.kind == "index_stmt" and "using" in words[: words.index("(") if "(" in words else None]
    return [Parsed(only.text, only.kind, only.node, asynchronous=at is not None, using=using)]


def _async_position(words: list[str]) -> int | None:
    for start in (["create", "index"], ["create", "unique", "index"], ["alter", "table"]):
        if words[: len(start) + 1] == [*start, "async"]:
            return len(start)
    return None


def _read_iam(tokens: list[_Token]) -> IamChange:
    words = [token.text for token in tokens]
    shape = words[2:3] + words[4:5]
    if len(tokens) != 6 or not tokens[5].string or shape not in (["grant", "to"], ["revoke", "from"]):
        raise SyntaxRefusedError("syntax error: expected AWS IAM GRANT role TO 'arn' or AWS IAM REVOKE role FROM 'arn'")
    role = words[3]
    if role.startswith('"'):
        role = role[1:-1].replace('""', '"')
    return IamChange(words[2] == "grant", role, words[5][1:-1].replace("''", "'"))
