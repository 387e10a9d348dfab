"""Takes a reading each second: task queues, slots and pollers, CPU, the server's metrics.

Nothing here waits for a slow server: what is not there within `ANSWER_S` is left out of the reading, and `unread`
says what was missing and how often.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import psutil
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from auroral.bench import server_metrics as rates_of
from auroral.bench.exposition import samples
from auroral.bench.limits import QueueReading, Reading, SlotsReading
from auroral.bench.manifest import Manifest
from auroral.bench.protocol import Tick
from auroral.bench.scrape import fetch

ANSWER_S = 0.7
"""How long a source may take to answer."""
_FOR_GOOD = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)
"""After these a question is not asked again."""
_SPAN = 2
"""Readings that a rate of the server spans: it shows its counters once a second, and so now and then not in ours."""
_SLOTS = "temporal_worker_task_slots_"
_POLLERS = "temporal_num_pollers"
_WORKER = "worker-"


class Sampler:
    """Reads what tells who was the limit."""

    def __init__(
        self,
        client: Client,
        manifest: Manifest,
        *,
        child_metrics: Callable[[], Mapping[str, str]],
        processes: Callable[[], Mapping[str, int]],
        server_metrics: Sequence[str] = (),
        in_flight_limit: int = 0,
        watcher_limit: int = 0,
    ) -> None:
        """Read the run of `manifest`.

        `child_metrics` gives the URL of each live child's metrics by its name, `processes` the process ids to
        measure, `server_metrics` are URLs of the server's own metrics.
        """
        self._client = client
        self._manifest = manifest
        self._child_metrics = child_metrics
        self._cpu = _Cpu(processes)
        self._in_flight_limit = in_flight_limit
        self._watcher_limit = watcher_limit
        self._server_urls = tuple(server_metrics)
        self._scrapes: dict[str, asyncio.Task[tuple[float, bytes] | OSError]] = {}
        self._before: dict[str, deque[tuple[float, rates_of.Totals]]] = {}
        self._asks_queues = True
        self._reads = 0
        self._missing: dict[str, tuple[int, str]] = {}
        self._missing_now: dict[str, str] = {}

    @property
    def unread(self) -> list[str]:
        """What could not be read, how often, and why."""
        return [
            f"{source}: not read in {count:,} of {self._reads:,} s: {reason}"
            for source, (count, reason) in self._missing.items()
        ]

    async def read(self, t_s: float, ticks: Sequence[Tick]) -> Reading:
        """Take the reading of the second that ended at `t_s`, from the generators' ticks and from all around.

        Takes about `ANSWER_S` at most, and raises nothing for what cannot be read.
        """
        self._reads += 1
        self._missing_now = {}
        children = {name: url for name, url in self._child_metrics().items() if name.startswith(_WORKER)}
        texts, (workflow_queue, activity_queue) = await asyncio.gather(
            self._scrape([*children.values(), *self._server_urls]), self._queues()
        )
        slots, pollers = self._slots(children, texts)
        server = self._server(texts)
        cpu, machine_cpu = self._cpu.read()
        for source, reason in self._missing_now.items():
            self._missing[source] = (self._missing.get(source, (0, ""))[0] + 1, reason)
        in_flight, watchers = _held(ticks)
        lags_us = [tick.lag_p99_us for tick in ticks if tick.lag_p99_us is not None]
        return Reading(
            t_s=t_s,
            in_flight=in_flight,
            in_flight_limit=self._in_flight_limit,
            watchers=watchers,
            watcher_limit=self._watcher_limit,
            refusals=_refusals(ticks),
            back_pressured=sum(tick.back_pressured for tick in ticks),
            generator_limited=sum(tick.generator_limited for tick in ticks),
            lag_p99_ms=max(lags_us) / 1e3 if lags_us else None,
            workflow_queue=workflow_queue,
            activity_queue=activity_queue,
            slots=slots,
            pollers=pollers,
            cpu=cpu,
            machine_cpu=machine_cpu,
            server=server,
        )

    # Task queues

    async def _queues(self) -> tuple[QueueReading | None, QueueReading | None]:
        if not self._asks_queues:
            self._miss("task queues", self._missing["task queues"][1])
            return None, None
        kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
        names = self._manifest.task_queues
        answers = await asyncio.gather(*(self._describe(name, kind) for kind in kinds for name in names))
        return _queue(answers[: len(names)]), _queue(answers[len(names) :])

    async def _describe(self, name: str, kind: TaskQueueType.ValueType) -> DescribeTaskQueueResponse | None:
        request = DescribeTaskQueueRequest(
            namespace=self._manifest.namespace,
            task_queue=TaskQueue(name=name),
            task_queue_type=kind,
            report_stats=True,
            report_pollers=True,
        )
        asking = self._client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=ANSWER_S))
        try:
            # The SDK's own time-out needs its connection to live; ours does not.
            return await asyncio.wait_for(asking, ANSWER_S + 0.2)
        except RPCError as error:
            self._asks_queues = self._asks_queues and error.status not in _FOR_GOOD
            self._miss("task queues", f"{error.status.name}: {error.message}")
        except TimeoutError:
            self._miss("task queues", f"no answer within {ANSWER_S} s")
        return None

    # Over HTTP

    async def _scrape(self, urls: Sequence[str]) -> dict[str, tuple[float, bytes]]:
        """Fetch the texts, with the time of each. One that is late is taken up by the next reading."""
        for url in urls:
            if url not in self._scrapes:
                self._scrapes[url] = asyncio.create_task(asyncio.to_thread(_fetch, url))
        if self._scrapes:
            await asyncio.wait(self._scrapes.values(), timeout=ANSWER_S + 0.1)
        texts = {}
        for url, task in list(self._scrapes.items()):
            if not task.done():
                self._miss(url, f"no answer within {ANSWER_S} s")
                continue
            del self._scrapes[url]
            result = task.result()
            if not isinstance(result, OSError):
                texts[url] = result
            elif url in urls:
                self._miss(url, str(result))
        return texts

    def _slots(
        self, children: Mapping[str, str], texts: Mapping[str, tuple[float, bytes]]
    ) -> tuple[dict[str, SlotsReading], dict[str, int]]:
        used: dict[str, int] = {}
        available: dict[str, int] = {}
        pollers: dict[str, int] = {}
        for url in children.values():
            if url not in texts:
                continue
            for name, labels, value in samples(texts[url][1], (_SLOTS, _POLLERS)):
                if name == _POLLERS:
                    _add(pollers, labels.get("poller_type", ""), value)
                elif name == f"{_SLOTS}used":
                    _add(used, labels.get("worker_type", ""), value)
                elif name == f"{_SLOTS}available":
                    _add(available, labels.get("worker_type", ""), value)
        kinds = sorted({*used, *available})
        return {kind: SlotsReading(used=used.get(kind, 0), available=available.get(kind, 0)) for kind in kinds}, pollers

    def _server(self, texts: Mapping[str, tuple[float, bytes]]) -> dict[str, float]:
        scrapes = []
        for url in self._server_urls:
            if url not in texts:
                continue
            at_s, text = texts[url]
            totals = rates_of.totals(text, self._manifest.namespace)
            if not totals:
                self._miss(url, "it holds no metrics of a Temporal server")
                continue
            earlier = self._before.setdefault(url, deque(maxlen=_SPAN))
            if earlier:
                before_s, before = earlier[0]
                scrapes.append((before, totals, at_s - before_s))
            earlier.append((at_s, totals))
        return rates_of.rates(scrapes)

    def _miss(self, source: str, reason: str) -> None:
        self._missing_now[source] = reason


class _Cpu:
    """What processes and machine have used since it was last asked."""

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        self._processes = processes
        self._known: dict[str, tuple[psutil.Process, float, float]] = {}
        psutil.cpu_percent(None)  # The first answer is about nothing.
        self.read()

    def read(self) -> tuple[dict[str, float], float]:
        """Cores used by each process seen before and still there, and the share of the machine that was busy."""
        cores = {}
        known = {}
        for name, pid in self._processes().items():
            before = self._known.get(name)
            try:
                process = before[0] if before is not None and before[0].pid == pid else psutil.Process(pid)
                times = process.cpu_times()
            except psutil.Error:
                continue
            now_s, used_s = time.monotonic(), times.user + times.system
            if before is not None and before[0] is process and now_s > before[1]:
                cores[name] = max(0.0, used_s - before[2]) / (now_s - before[1])
            known[name] = (process, now_s, used_s)
        self._known = known
        return cores, psutil.cpu_percent(None) / 100


def _fetch(url: str) -> tuple[float, bytes] | OSError:
    """In a thread: the text and when it was there. An error is a value, as nobody may wait for it any more."""
    try:
        text = fetch(url, ANSWER_S)
    except OSError as error:
        return error
    return time.monotonic(), text


def _add(counts: dict[str, int], key: str, value: float) -> None:
    counts[key] = counts.get(key, 0) + round(value)


def _queue(answers: Sequence[DescribeTaskQueueResponse | None]) -> QueueReading | None:
    """Add up the queues; None where one did not answer, as the sum would mislead."""
    known = [answer for answer in answers if answer is not None]
    if not known or len(known) < len(answers):
        return None
    return QueueReading(
        backlog=sum(answer.stats.approximate_backlog_count for answer in known),
        backlog_age_s=max(answer.stats.approximate_backlog_age.ToTimedelta().total_seconds() for answer in known),
        add_per_s=sum(answer.stats.tasks_add_rate for answer in known),
        dispatch_per_s=sum(answer.stats.tasks_dispatch_rate for answer in known),
        pollers=len({poller.identity for answer in known for poller in answer.pollers}),
    )


def _held(ticks: Sequence[Tick]) -> tuple[int, int]:
    """Workflows in flight and watchers, over the generators: of each its last tick."""
    latest = {tick.generator: tick for tick in ticks}
    return sum(tick.in_flight for tick in latest.values()), sum(tick.watchers for tick in latest.values())


def _refusals(ticks: Sequence[Tick]) -> dict[str, int]:
    refusals: dict[str, int] = {}
    for tick in ticks:
        for cause, count in tick.refusals.items():
            _add(refusals, cause, count)
    return refusals
