"""What must be there before Temporal's services start, and the command that makes what is missing. Pure."""

from __future__ import annotations

import json

import msgspec


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not there, or not as it must be."""

    what: str
    command: str
    """`auroral schema setup`, without flags."""


class _Status(msgspec.Struct, frozen=True):
    """Of `auroral-schema status -json`: server/internal/schema/status.go."""

    ok: bool
    installed_version: str = ""
    expected_version: str = ""
    pending_steps: tuple[str, ...] | None = None
    differences: tuple[str, ...] | None = None
    invalid_indexes: tuple[str, ...] | None = None
    key_type_problems: tuple[str, ...] | None = None
    missing_access: tuple[str, ...] | None = None


def of_schema(text: str) -> tuple[Missing, ...] | None:
    """What auroral-schema's status says is missing; None where `text` has no such document."""
    status = _document(text)
    if status is None:
        return None
    if status.ok:
        return ()
    found = []
    if status.installed_version != status.expected_version:
        version = status.installed_version
        what = f"the schema is {version or 'not there'}: expected {status.expected_version}"
        found.append(Missing(what=what, command=f"auroral schema {'update' if version else 'setup'}"))
    elif status.pending_steps:
        first = status.pending_steps[0]
        what = f"{len(status.pending_steps)} steps of the schema are pending, the first: {first}"
        found.append(Missing(what=what, command="auroral schema setup"))
    odd = (*(status.differences or ()), *(status.invalid_indexes or ()), *(status.key_type_problems or ()))
    if odd and not found:
        found.append(Missing(what=f"the schema is not as expected: {odd[0]}", command="auroral schema status"))
    if status.missing_access:
        what = f"{len(status.missing_access)} roles or grants are missing, the first: {status.missing_access[0]}"
        found.append(Missing(what=what, command="auroral schema roles"))
    return tuple(found)


def _document(text: str) -> _Status | None:
    """The JSON object in a program's output, which may have lines of others around it."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        return msgspec.convert(json.loads(text[start : end + 1]), _Status)
    except (ValueError, msgspec.ValidationError):
        return None
