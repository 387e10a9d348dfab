"""The state file of a cluster that runs apart from whoever started it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from enum import StrEnum
from pathlib import Path

import msgspec

from auroral.errors import OutputError
from auroral.json_document import json_text
from auroral.local.plan import ClusterOptions, ServerProcess

FILE = "state.json"


class Phase(StrEnum):
    """Where a cluster is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """A process that was started: its id together with its start time names it for good."""

    name: str
    pid: int
    started_s: float
    """Seconds since the epoch, as the operating system tells it."""
    address: str
    log_path: str
    server: ServerProcess | None = None
    """None: a database's."""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """What `up` leaves for `status`, `logs` and `down`."""

    phase: Phase
    supervisor_pid: int
    supervisor_started_s: float
    options: ClusterOptions
    address: str = ""
    """Of the frontend; empty until it is known."""
    control_url: str = ""
    """Of the double of DSQL; empty without one."""
    processes: list[ProcessState] = []


def default_directory() -> Path:
    """Where a cluster lives that was given no directory."""
    from platformdirs import user_state_path

    return user_state_path("auroral") / "local"


def read_state(directory: Path) -> ClusterState | None:
    """The state of the directory's cluster; None: there is none. Raises `OutputError` for a file that is not ours."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClusterState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise OutputError(
            f"the state of a local cluster cannot be read from {path}: {error}",
            hint="if no cluster runs there, remove that file",
        ) from error


def write_state(directory: Path, state: ClusterState) -> None:
    """Replace the state file as a whole. Raises `OutputError`."""
    try:
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=f".{FILE}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(json_text(state).encode())
        os.replace(name, directory / FILE)
    except OSError as error:
        raise OutputError(f"{directory / FILE} cannot be written: {error.strerror}") from error


def remove_state(directory: Path) -> None:
    """Forget the cluster of a directory."""
    with contextlib.suppress(FileNotFoundError):
        (directory / FILE).unlink()
