"""The Prometheus endpoint of a run: its own numbers, and those of each of its processes, on one port.

Each child has a port of its own, as an SDK runtime binds one, so their texts are fetched at each scrape and shown again
with a label `process`. The benchmark's own numbers are of the whole run and carry no such label.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from auroral.bench.progress import Buckets, RunSnapshot
from auroral.bench.scrape import fetch
from auroral.errors import UsageError

DEFAULT_PORT = 9090
_PREFIX = "auroral_benchmark"
INFO = f"{_PREFIX}_info"
TARGET_RATE = f"{_PREFIX}_target_rate"
WORKFLOWS = f"{_PREFIX}_workflows_total"
SCHEDULED = f"{_PREFIX}_scheduled_total"
LATENCY = f"{_PREFIX}_latency_seconds"
LAG = f"{_PREFIX}_lag_seconds"
IN_FLIGHT = f"{_PREFIX}_in_flight"
PROCESS_UP = f"{_PREFIX}_process_up"
"""Names as a scrape has them; a family of counters is named without its `_total`."""

_CHILD_ANSWER_S = 2.0
_REQUEST_S = 5.0
_SNAPSHOT_ATTEMPTS = 5


class MetricsEndpoint:
    """Serves `/metrics` from threads of its own."""

    def __init__(
        self,
        snapshot: Callable[[], RunSnapshot] | None,
        children: Callable[[], Mapping[str, str]],
        *,
        run_id: str = "",
        host: str = "0.0.0.0",
    ) -> None:
        """Show `snapshot()`, where there is a run, and the metrics at the URLs that `children()` gives by process name.

        Both are called in the endpoint's threads, at each scrape.
        """
        self._registry = CollectorRegistry()
        if snapshot is not None:
            self._registry.register(_Run(snapshot, run_id))
        self._registry.register(_Children(children))
        self._host = host
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int | None = None) -> int | None:
        """Listen, and return the port. None: 9090, or a free one where that is taken; 0: do not listen.

        Raises `UsageError` when a given port cannot be listened on.
        """
        if port == 0:
            return None
        self._server = self._listen(port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="metrics", daemon=True)
        self._thread.start()
        return self._server.server_port

    def stop(self) -> None:
        """Stop listening and wait for the threads. Does nothing where it is not listening."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def text(self) -> bytes:
        """What a scrape gets."""
        return generate_latest(self._registry)

    def _listen(self, port: int | None) -> _Server:
        try:
            return _Server((self._host, DEFAULT_PORT if port is None else port), self.text)
        except (OSError, OverflowError) as error:
            if port is None:
                return _Server((self._host, 0), self.text)
            raise UsageError(
                f"port {port} for the metrics cannot be listened on: {getattr(error, 'strerror', None) or error}",
                hint="choose another with --metrics-port, leave it out to take any free one, or 0 for no metrics",
            ) from error


class _Server(ThreadingHTTPServer):
    """One thread per scrape, all of which `server_close` waits for."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], text: Callable[[], bytes]) -> None:
        self.text = text
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the host's name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_S
    server: _Server

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"the metrics are at /metrics\n")
            return
        self._answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, self.server.text())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stderr belongs to the run's own lines."""


class _Run(Collector):
    """The benchmark's own numbers."""

    def __init__(self, snapshot: Callable[[], RunSnapshot], run_id: str) -> None:
        self._snapshot = snapshot
        self._run_id = run_id

    def collect(self) -> Iterable[Metric]:
        """Make the families anew."""
        run = self._take()
        yield InfoMetricFamily(_PREFIX, "The run that this process coordinates.", value={"run_id": self._run_id})
        yield GaugeMetricFamily(TARGET_RATE, "Starts per second that the schedule intends now.", value=run.target_per_s)
        workflows = CounterMetricFamily(WORKFLOWS, "Intended starts by outcome.", labels=["process", "outcome"])
        scheduled = CounterMetricFamily(SCHEDULED, "Intended starts.", labels=["process"])
        latency = HistogramMetricFamily(
            LATENCY,
            "Time from the intended start to the close of what completed.",
            labels=["process"],
        )
        lag = HistogramMetricFamily(
            LAG,
            "Time from the intended start to the sending of what was sent.",
            labels=["process"],
        )
        in_flight = GaugeMetricFamily(IN_FLIGHT, "Workflows accepted and not yet closed.", labels=["process"])
        for each in run.generators:
            process = [each.process]
            for outcome, count in each.outcomes.items():
                workflows.add_metric([*process, outcome], count)
            scheduled.add_metric(process, each.scheduled)
            latency.add_metric(process, _shown(each.latency_buckets, each.latency_count), each.latency_sum_s)
            lag.add_metric(process, _shown(each.lag_buckets, each.lag_count), each.lag_sum_s)
            in_flight.add_metric(process, each.in_flight)
        yield from (workflows, scheduled, latency, lag, in_flight)

    def _take(self) -> RunSnapshot:
        """Take the snapshot; the run's thread may be writing what it is made from."""
        for _ in range(_SNAPSHOT_ATTEMPTS):
            try:
                return self._snapshot()
            except RuntimeError:  # "dictionary changed size during iteration": once more
                continue
        return self._snapshot()


def _shown(buckets: Buckets, count: int) -> list[tuple[str, float]]:
    # The count may be older than the buckets by what came in between: a histogram never falls.
    most = max([count, *(reached for _, reached in buckets)])
    return [*((str(float(bound_s)), float(reached)) for bound_s, reached in buckets), ("+Inf", float(most))]


class _Children(Collector):
    """The metrics of every child, with a label that says whose they are."""

    def __init__(self, children: Callable[[], Mapping[str, str]]) -> None:
        self._children = children

    def collect(self) -> Iterable[Metric]:
        """Fetch all children at once; one that does not answer is shown as not up."""
        children = dict(self._children())
        up = GaugeMetricFamily(PROCESS_UP, "Whether the process answered with its own metrics.", labels=["process"])
        families: dict[str, Metric] = {}
        with ThreadPoolExecutor(max_workers=max(1, min(16, len(children)))) as pool:
            for process, text in zip(children, pool.map(_text, children.values()), strict=True):
                answered = text is not None and _merge(families, process, text)
                up.add_metric([process], float(answered))
        yield up
        yield from families.values()


def _text(url: str) -> str | None:
    try:
        return fetch(url, _CHILD_ANSWER_S).decode("utf-8", "replace")
    except OSError:
        return None


def _merge(families: dict[str, Metric], process: str, text: str) -> bool:
    """Add one process's families to those of the others. False when its text cannot be read; nothing is added then."""
    try:
        own = list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError):
        return False
    for family in own:
        if family.name.startswith(_PREFIX):
            continue
        known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        if known.type != family.type:
            # Two types under one name make the whole text invalid.
            continue
        for name, labels, value in _samples(family):
            known.add_sample(name, _labelled(labels, process), value)
    return True


def _samples(family: Metric) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for sample in family.samples:
        # The SDK names counters without `_total` unless told otherwise; their family is then named with it.
        plain = family.type == "counter" and not sample.name.endswith(("_total", "_created"))
        yield f"{sample.name}_total" if plain else sample.name, sample.labels, sample.value


def _labelled(labels: Mapping[str, str], process: str) -> dict[str, str]:
    """Add the label; one of that name that is there already moves aside, as Prometheus does it."""
    moved = {f"exported_{name}" if name == "process" else name: value for name, value in labels.items()}
    return {"process": process, **moved}
