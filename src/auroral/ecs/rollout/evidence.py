"""What a server task's log says of its start: its address and its warm pool. Pure.

The lines are JSON, as the server writes them: server/internal/host/prepare.go, server/internal/pool/keeper.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from auroral.ecs.fleet import ADDRESS_LINE, WARMUP_LINE
from auroral.ecs.seen import StartLines, TaskSeen

LINES = (ADDRESS_LINE, WARMUP_LINE)


class LogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log group."""

    stream: str
    """`<prefix>/<container>/<task id>`."""
    text: str


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs of some tasks say together."""

    warm: int
    """Tasks whose pool is warm."""
    opened: int
    """Connections, all of them."""
    refused: int
    """Attempts of theirs that failed."""
    silent: tuple[str, ...]
    """Ids of tasks that have said nothing at all."""
    lacking: tuple[str, ...]
    """Ids of tasks that lack one of the two lines, the silent ones too."""
    astray: tuple[str, ...]
    """Tasks that tell their peers another address than they have, each in words."""


def read(events: Iterable[LogEvent]) -> dict[str, StartLines]:
    """Task id → what its lines say. A task that starts a pool twice is taken by its last line."""
    found: dict[str, StartLines] = {}
    for event in events:
        task = event.stream.rsplit("/", 1)[-1]
        known = found.get(task, StartLines())
        line = _object(event.text)
        message = line.get("msg")
        if message == ADDRESS_LINE:
            found[task] = msgspec.structs.replace(known, address=str(line.get("ip", "")))
        elif message == WARMUP_LINE:
            found[task] = msgspec.structs.replace(
                known, created=_count(line, "connections_created"), failed=_count(line, "connections_failed")
            )
    return found


def judge(tasks: Sequence[TaskSeen], lines: Mapping[str, StartLines]) -> Started:
    """Hold what the logs say against the tasks."""
    said = {one.id: lines.get(one.id, StartLines()) for one in tasks}
    return Started(
        warm=sum(one.warm for one in said.values()),
        opened=sum(one.created or 0 for one in said.values()),
        refused=sum(one.failed for one in said.values()),
        silent=tuple(id for id, one in said.items() if not one.warm and not one.address),
        lacking=tuple(id for id, one in said.items() if not one.warm or not one.address),
        astray=tuple(
            f"task {task.id} tells its peers {said[task.id].address} and has {task.address}"
            for task in tasks
            if said[task.id].address and task.address and said[task.id].address != task.address
        ),
    )


def _object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _count(line: Mapping[str, object], name: str) -> int:
    value = line.get(name)
    return value if isinstance(value, int) else 0
