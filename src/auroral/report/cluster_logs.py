"""Lines of logs as a person or a program reads them. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from auroral.ecs.logs.merge import Event

_NAMES = (36, 32, 35, 34, 96, 92)
"""ANSI colours of services: none of those of levels."""
_LEVELS = {"error": 31, "fatal": 31, "panic": 31, "dpanic": 31, "warn": 33, "warning": 33, "debug": 90}
_TIMES = ("ts", "time", "timestamp", "t")
_MESSAGES = ("msg", "message")
_PLACES = ("logging-call-at", "caller")
SHORT_ID = 8


def line(event: Event, *, colour: bool = False, raw: bool = False) -> str:
    """`TIME SERVICE/TASK LEVEL message key=value…`; a message that is no JSON, and with `raw` every one, as it is."""
    parts = [_paint(_time(event.at_ms), 90, colour), _paint(_name(event), _name_colour(event.source), colour)]
    document = None if raw else _document(event.message)
    parts.append(_plain(event.message) if document is None else _readable(document, colour))
    return " ".join(parts)


def record(event: Event) -> bytes:
    """One event as a line of JSON; `fields` are those of a message that is JSON itself."""
    found: dict[str, Any] = {
        "time": _time(event.at_ms, "T"),
        "service": event.source,
        "task": event.task,
        "container": event.container,
        "stream": event.stream,
        "id": event.id,
        "message": event.message,
    }
    document = _document(event.message)
    if document is not None:
        found["fields"] = document
    return msgspec.json.encode(found)


def _document(message: str) -> Mapping[str, Any] | None:
    """The JSON object of a structured line: one with a message and a level."""
    if not message.startswith("{"):
        return None
    try:
        found = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return None
    structured = isinstance(found, dict) and "level" in found and any(name in found for name in _MESSAGES)
    return found if structured else None


def _readable(document: Mapping[str, Any], colour: bool) -> str:
    level = _plain(str(document["level"]).lower())
    message = next(name for name in _MESSAGES if name in document)
    known = {"level", message, *_TIMES, *_PLACES}
    parts = [_paint(f"{level[:5]:5}", _LEVELS.get(level, 0), colour), _plain(str(document[message]))]
    parts += [f"{_plain(name)}={_value(value)}" for name, value in document.items() if name not in known]
    place = next((str(document[name]) for name in _PLACES if name in document), "")
    if place:
        parts.append(_paint(f"({_plain(place)})", 90, colour))
    return " ".join(parts)


def _value(value: Any) -> str:
    """As `key=value` shows it: in quotes where it would not be one word."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    plain = text and text.isprintable() and not any(one in text for one in ' "=')
    return _plain(text if plain or not isinstance(value, str) else msgspec.json.encode(text).decode())


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor; further lines of one message are indented."""
    lines = text.replace("\t", "    ").splitlines() or [""]
    return "\n    ".join("".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in part) for part in lines)


def _name(event: Event) -> str:
    task = event.task[:SHORT_ID] or event.stream
    own = event.container in ("", event.source)
    return _plain(f"{event.source}/{task}" if own else f"{event.source}/{task}/{event.container}")


def _name_colour(name: str) -> int:
    return _NAMES[zlib.crc32(name.encode()) % len(_NAMES)]


def _time(at_ms: int, between: str = " ") -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%d}{between}{at:%H:%M:%S}.{at_ms % 1000:03d}Z"


def _paint(text: str, code: int, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
