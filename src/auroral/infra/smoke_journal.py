"""The journal of a smoke test: settings and events, a line each, on disk before anything is done. Acts.

Who writes it holds a lock on it, and so does every command that was started with its descriptor: a runner that was
killed leaves the lock with the command that still runs, and no teardown begins beside it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from auroral.errors import OutputError, UsageError
from auroral.infra.smoke import Event, EventKind, Settings

JOURNAL = "journal.jsonl"

Now = Callable[[], str]


class Journal:
    """An open journal, this process's alone. Get one from `create` or `reopen`."""

    def __init__(self, descriptor: int, settings: Settings, events: list[Event], now: Now) -> None:
        self.descriptor = descriptor
        """For `pass_fds`: the lock lives as long as anyone has it open."""
        self.settings = settings
        self.events = events
        self._now = now

    def add(self, step: str, kind: EventKind, detail: str = "") -> None:
        """Write one event, and have it on disk. Raises `OutputError`."""
        event = Event(step=step, kind=kind, at=self._now(), detail=detail)
        self.events.append(event)
        _write(self.descriptor, event)


@contextmanager
def create(settings: Settings, now: Now) -> Iterator[Journal]:
    """Begin a journal in the directory of the settings. Raises `UsageError` where there is one."""
    path = Path(settings.directory) / JOURNAL
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    except FileExistsError as error:
        raise UsageError(
            f"{settings.directory} has the journal of another smoke test",
            hint="name another directory, or end that one with --teardown-only",
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", hint="name another directory") from error
    try:
        _lock(descriptor, path)
        _write(descriptor, settings)
        yield Journal(descriptor, settings, [], now)
    finally:
        os.close(descriptor)


@contextmanager
def reopen(directory: Path, now: Now) -> Iterator[Journal]:
    """Go on with a journal. Raises `UsageError` where there is none, it cannot be read, or its commands still run."""
    path = directory / JOURNAL
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be opened: {error.strerror}", hint="name the directory of a smoke test"
        ) from error
    try:
        _lock(descriptor, path)
        settings, events = _read(descriptor, path)
        yield Journal(descriptor, settings, events, now)
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: Path) -> tuple[Settings, list[Event]]:
    whole, end, _ = path.read_bytes().rpartition(b"\n")
    # What follows the last line's end was cut off by a crash, before the event's deed.
    os.ftruncate(descriptor, len(whole) + len(end))
    head, *rest = whole.split(b"\n")
    try:
        settings = msgspec.json.decode(head, type=Settings)
        events = [msgspec.json.decode(line, type=Event) for line in rest]
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is no journal of a smoke test: {error}") from error
    return settings, events


def _write(descriptor: int, line: Settings | Event) -> None:
    try:
        os.write(descriptor, msgspec.json.encode(line) + b"\n")
        os.fsync(descriptor)
    except OSError as error:
        raise OutputError(f"the journal cannot be written: {error.strerror}") from error


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"a smoke test, or a command that it started, still works on {path.parent}",
            hint="wait for it to end, or end it, then try again",
        ) from error
