"""Looks at everything at once, each thing with a deadline of its own. Acts: it starts threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from auroral.doctor.checks import Check, Group, State

DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to look at."""

    group: Group
    name: str
    """Of its line, should it not end."""
    look: Callable[[], Iterable[Check]]
    """Raises only what is a bug."""
    deadline_s: float = DEADLINE_S
    stop: Callable[[], object] | None = None
    """Ends what `look` waits for; called where nobody waits for it any more."""


def look_at_all(probes: Sequence[Probe], *, now_s: Callable[[], float] = time.monotonic) -> tuple[Check, ...]:
    """Look at all of them; the checks in the order of the probes. Raises what a probe raised.

    A probe that is not done by its deadline is left behind in its thread, which does not keep the process from ending.
    """
    done: queue.SimpleQueue[tuple[int, list[Check] | BaseException]] = queue.SimpleQueue()
    found: dict[int, list[Check]] = {}
    try:
        _gather(probes, done, found, now_s)
    finally:
        for number, probe in enumerate(probes):
            if probe.stop is not None and number not in found:
                probe.stop()
    return tuple(check for number in range(len(probes)) for check in found[number])


def _gather(
    probes: Sequence[Probe],
    done: queue.SimpleQueue[tuple[int, list[Check] | BaseException]],
    found: dict[int, list[Check]],
    now_s: Callable[[], float],
) -> None:
    began_s = now_s()
    for number, probe in enumerate(probes):
        threading.Thread(target=_look, args=(number, probe, done), name=f"doctor-{probe.name}", daemon=True).start()
    while waiting := [number for number in range(len(probes)) if number not in found]:
        left_s = {number: began_s + probes[number].deadline_s - now_s() for number in waiting}
        for number in (number for number in waiting if left_s[number] <= 0):
            found[number] = [_late(probes[number])]
            if (stop := probes[number].stop) is not None:
                stop()
        waited_s = min((one for one in left_s.values() if one > 0), default=0.0)
        if waited_s == 0.0:
            continue
        try:
            number, answer = done.get(timeout=waited_s)
        except queue.Empty:
            continue
        if isinstance(answer, BaseException):
            raise answer
        found.setdefault(number, answer)


def _look(number: int, probe: Probe, done: queue.SimpleQueue[tuple[int, list[Check] | BaseException]]) -> None:
    try:
        answer: list[Check] | BaseException = list(probe.look())
    except BaseException as error:  # it is raised again in the main thread
        answer = error
    done.put((number, answer))


def _late(probe: Probe) -> Check:
    found = f"no answer within {probe.deadline_s:g} s"
    return Check(group=probe.group, name=probe.name, state=State.UNKNOWN, found=found, remedy="run doctor again")
