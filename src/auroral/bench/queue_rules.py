"""Rules on task queues: who is to blame where tasks wait although workers have room. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auroral.bench.detector import WORKER_CPU, Detector, any_cpu, exhausted, machine_busy
from auroral.bench.limits import QueueReading, Reading
from auroral.units import format_duration, format_rate

BACKLOG_S = 1.0
"""A queue has a backlog when its tasks wait this long."""
BACKLOG_TASKS = 10
"""Fewer tasks than this are no backlog."""
IN_A_ROW = 7
"""Seconds that a rule on queues has to hold: one answer of DescribeTaskQueue is repeated for 5 s from a cache
(matching.TaskQueueInfoByBuildIdTTL), and one moment is no backlog."""
TURNAROUND_S = 0.05
"""Polls that each bring a task within this time are too few; slower ones wait for the server."""


@dataclass(frozen=True)
class _Queue:
    """Where the readings keep one kind of task."""

    task: str
    field: str
    worker: str
    poller: str
    pollers_setting: str

    def of(self, reading: Reading) -> QueueReading | None:
        queue: QueueReading | None = getattr(reading, self.field)
        return queue

    def waits(self, reading: Reading) -> bool | None:
        """Whether tasks wait in the queue for about `BACKLOG_S` or longer."""
        queue = self.of(reading)
        if queue is None:
            return None
        waits = queue.backlog_age_s >= BACKLOG_S or queue.backlog >= queue.add_per_s * BACKLOG_S
        return queue.backlog >= BACKLOG_TASKS and waits

    def unserved(self, reading: Reading) -> bool | None:
        """Whether tasks wait and nobody asks for them."""
        queue = self.of(reading)
        waits = self.waits(reading)
        return waits and queue is not None and queue.pollers == 0 and not reading.pollers.get(self.poller)

    def waits_unseen(self, reading: Reading) -> bool | None:
        """Whether tasks wait although somebody asks for them, where the workers cannot be seen."""
        queue = self.of(reading)
        waits = self.waits(reading)
        return waits and queue is not None and queue.pollers > 0 and self.worker not in reading.slots

    def _idle(self, reading: Reading) -> bool | None:
        """Whether tasks wait although workers have room for them; None: where workers cannot be seen."""
        waits = self.waits(reading)
        slots = reading.slots.get(self.worker)
        if not waits:
            return waits
        if slots is None or self.poller not in reading.pollers:
            return None
        busy = any_cpu("worker-", WORKER_CPU)(reading) or machine_busy(reading)
        return not exhausted(slots) and not busy and reading.pollers[self.poller] > 0

    def turnaround_s(self, reading: Reading) -> float | None:
        """Mean time that a poll takes to bring a task, by Little's law: polls under way / tasks dispatched."""
        queue = self.of(reading)
        if queue is None or queue.dispatch_per_s <= 0:
            return None
        return reading.pollers.get(self.poller, 0) / queue.dispatch_per_s

    def lacks_pollers(self, reading: Reading) -> bool | None:
        turnaround_s = self.turnaround_s(reading)
        idle = self._idle(reading)
        return idle and turnaround_s is not None and turnaround_s <= TURNAROUND_S

    def lacks_dispatch(self, reading: Reading) -> bool | None:
        idle = self._idle(reading)
        return idle and not self.lacks_pollers(reading)

    def evidence(self, held: Sequence[Reading]) -> str:
        queues = [(reading, queue) for reading in held if (queue := self.of(reading)) is not None]
        reading, queue = max(queues, key=lambda pair: pair[1].backlog)
        text = (
            f"up to {queue.backlog:,} {self.task}s waited, the oldest for "
            f"{format_duration(max(each.backlog_age_s for _, each in queues))}; "
            f"{format_rate(queue.add_per_s)} came and {format_rate(queue.dispatch_per_s)} were dispatched"
        )
        slots = reading.slots.get(self.worker)
        if slots is not None:
            polls = reading.pollers.get(self.poller, 0)
            text += f", with {slots.available:,} slots free and {polls:,} polls under way"
        turnaround_s = self.turnaround_s(reading)
        return f"{text}, each for {format_duration(turnaround_s)}" if slots and turnaround_s else text

    def detectors(self) -> tuple[Detector, ...]:
        """Nobody polls, too few poll, or the server does not hand out."""
        kind = self.task.split()[0]
        backlog = f"at least {BACKLOG_TASKS} {self.task}s wait for about {format_duration(BACKLOG_S)} or longer"
        room = f"{backlog}; slots are free, polls are under way, and neither worker nor machine is busy"
        turnaround = format_duration(TURNAROUND_S)
        return (
            Detector(
                name=f"{kind}-unserved",
                whose="workers",
                rule=f"{backlog}, and nobody polls",
                holds=self.unserved,
                evidence=self.evidence,
                advice="Start workers for this run's task queues: `auroral bench worker`, or --worker-count.",
                in_a_row=IN_A_ROW,
            ),
            Detector(
                name=f"{kind}-waits",
                whose="workers",
                rule=f"{backlog}, and the workers run elsewhere, where their slots and CPU cannot be seen",
                holds=self.waits_unseen,
                evidence=self.evidence,
                advice=(
                    "Look at the workers first: their free slots (temporal_worker_task_slots_available) and CPU. Where "
                    "both are left, the server hands tasks out too slowly."
                ),
                in_a_row=IN_A_ROW,
            ),
            Detector(
                name=f"{kind}-pollers",
                whose="workers",
                rule=f"{room}; a poll brings a task within {turnaround} (polls under way / tasks dispatched a second)",
                holds=self.lacks_pollers,
                evidence=self.evidence,
                advice=f"Raise {self.pollers_setting}, or --worker-count where cores are free.",
                in_a_row=IN_A_ROW,
            ),
            Detector(
                name=f"{kind}-backlog",
                whose="server",
                rule=f"{room}; a poll takes longer than {turnaround} to bring one",
                holds=self.lacks_dispatch,
                evidence=self.evidence,
                advice=(
                    "The server hands tasks out more slowly than they come: look at its matching and history services "
                    "and their database; spread the run with --task-queues, or raise "
                    "matching.numTaskqueueWritePartitions and matching.numTaskqueueReadPartitions (4 by default). "
                    "Polls that frontend.namespaceRPS refuses look the same from here: --server-metrics tells."
                ),
                in_a_row=IN_A_ROW,
            ),
        )


_WORKFLOW_TASKS = _Queue(
    "workflow task",
    "workflow_queue",
    "WorkflowWorker",
    "workflow_task",
    "--workflow-task-pollers or --nonsticky-to-sticky-poll-ratio (only that share of them serves the normal queue)",
)
_ACTIVITY_TASKS = _Queue(
    "activity task", "activity_queue", "ActivityWorker", "activity_task", "--activity-task-pollers"
)

QUEUE_DETECTORS = (*_WORKFLOW_TASKS.detectors(), *_ACTIVITY_TASKS.detectors())
