"""What processes have used: CPU of all their threads, and how often these went to sleep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Used:
    """By one process since it started."""

    cpu_s: float
    switches: int | None
    """Voluntary context switches of its live threads; None where the system does not tell."""


def read(pid: int, proc: Path = _PROC) -> Used | None:
    """Read one process; None: it is gone. `proc` stands for the system's."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return Used(times.user + times.system, _switches(pid, proc))


def _switches(pid: int, proc: Path) -> int | None:
    # psutil's own count is that of the first thread alone.
    total = 0
    found = False
    for status in (proc / str(pid) / "task").glob("*/status"):
        with contextlib.suppress(OSError):  # a thread that has ended
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
                    found = True
    return total if found else None


def read_all(processes: Mapping[str, int]) -> dict[str, Used]:
    """Read the processes that are there, by name."""
    return {name: used for name, pid in processes.items() if (used := read(pid)) is not None}


def spent(before: Mapping[str, Used], after: Mapping[str, Used]) -> dict[str, Used]:
    """What each process of `after` has used since `before`; one that was not there then: all of it.

    Raises `ValueError` for a process that has gone in between: what it used last is not known.
    """
    if gone := sorted(before.keys() - after.keys()):
        raise ValueError(f"{', '.join(gone)} ended while being measured")
    return {name: _difference(before.get(name, Used(0.0, 0)), used) for name, used in after.items()}


def _difference(before: Used, after: Used) -> Used:
    known = before.switches is not None and after.switches is not None
    return Used(
        max(0.0, after.cpu_s - before.cpu_s),
        max(0, (after.switches or 0) - (before.switches or 0)) if known else None,
    )


def total(parts: Iterable[Used]) -> Used:
    """All of them together."""
    held = list(parts)
    known = [one.switches for one in held if one.switches is not None]
    return Used(sum(one.cpu_s for one in held), sum(known) if len(known) == len(held) else None)
