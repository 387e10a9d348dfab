"""Which log groups are meant: names of services, of one-shot tasks and of other logs → groups. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import msgspec.structs

from auroral.config import did_you_mean
from auroral.ecs.fleet import Fleet
from auroral.errors import UsageError


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One log."""

    name: str
    group: str


def sources(fleet: Fleet, names: Sequence[str]) -> tuple[Source, ...]:
    """The logs of these names; of all services where there is none. Raises `UsageError`."""
    known = known_groups(fleet)
    wanted = list(dict.fromkeys(names)) or [key for key in fleet.services if known.get(key)]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"there is no log {unknown[0]}{did_you_mean(unknown[0], list(known))}", hint=f"there are {', '.join(known)}"
        )
    found = tuple(Source(name=name, group=known[name]) for name in wanted)
    if not found:
        raise UsageError(f"no service of cluster {fleet.cluster} has a log group that is known")
    return found


def known_groups(fleet: Fleet) -> dict[str, str]:
    """Name → log group: services, then one-shot tasks, then what is neither."""
    groups = {key: one.log_group for key, one in fleet.services.items() if one.log_group}
    if fleet.contract is not None:
        tasks = msgspec.structs.asdict(fleet.contract.tasks)
        groups |= {name: task.log_group for name, task in tasks.items() if name not in groups}
        groups |= {name: group for name, group in fleet.contract.log_groups.items() if name not in groups}
    return groups


def pattern(text: str) -> str:
    """A text as CloudWatch's filter pattern: a phrase, unless it is a pattern already (`{ $.level = "error" }`, `%…%`,
    `?a ?b`, `"…"`)."""
    if text[:1] in ("{", "%", "?", '"', "["):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
