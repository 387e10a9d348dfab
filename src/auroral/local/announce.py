"""What a supervisor tells whoever waits for its cluster: lines of JSON until it is ready or has failed. Pure."""

from __future__ import annotations

import msgspec

from auroral import errors
from auroral.errors import AuroralError, TargetError


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """One step."""

    line: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The cluster serves."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It does not, and nothing of it is left."""

    error: str
    """The class of the error."""
    message: str
    hint: str = ""


Announcement = Progress | Ready | Failed


def encode(announcement: Announcement) -> bytes:
    """One line."""
    return msgspec.json.encode(announcement) + b"\n"


def decode(line: bytes) -> Announcement:
    """Read one line. Raises `ValueError` for any other text."""
    announcement: Announcement = msgspec.json.decode(line, type=Announcement)
    return announcement


def failed(error: AuroralError) -> Failed:
    """Make an error travel."""
    return Failed(error=type(error).__name__, message=error.message, hint=error.hint)


def error_of(announcement: Failed) -> AuroralError:
    """The error that was announced, of its own class where that takes a message and a hint."""
    kinds = {kind.__name__: kind for kind in (errors.UsageError, errors.OutputError, errors.TargetError)}
    return kinds.get(announcement.error, TargetError)(announcement.message, hint=announcement.hint)
