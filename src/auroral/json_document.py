"""JSON documents as auroral prints and keeps them: indented, and told apart by the field `schema`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def json_text(document: object) -> str:
    """Any value that msgspec encodes, as JSON indented by two, without a new line at its end."""
    return _indented(document).decode()


def json_file(document: object) -> bytes:
    """The same as a file has it, with a new line at its end."""
    return _indented(document) + b"\n"


def decode_as(kind: type[T], data: bytes, *, schema_id: str, name: str) -> T:
    """Read a document of one version.

    `name` says what was expected, as in "a plan". Raises `ValueError`, which names what is wrong with it: text that is
    not JSON, another `schema` than `schema_id` or none, a field that does not fit.
    """
    try:
        found = msgspec.json.decode(data, type=_Header).schema
        if found != schema_id:
            raise ValueError(f"{name} {schema_id}, not {found or 'a document without a schema'}")
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"{name} {schema_id}: {error}") from error


def _indented(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


class _Header(msgspec.Struct):
    schema: str = ""
