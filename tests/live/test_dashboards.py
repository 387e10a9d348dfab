"""Every query of every dashboard and rule has data in a real Prometheus, which scrapes a real cluster under load.

The cluster is on the double of DSQL, with two histories; conflicts, refused connects, cut sessions, a killed history, a
task queue that nobody polls and workflows that end otherwise than well are all in what is scraped.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.dashboards import rule_files
from auroral.dashboards.check import FAILURES, Finding
from auroral.dashboards.collected import SCRAPE_INTERVAL_S
from auroral.dashboards.metrics import ALL, GENERATOR, PERSISTENCE_REQUESTS, TARGET_LABELS, Kind, Source
from auroral.dashboards.rule_records import limits_file
from auroral.dashboards.rules import INTERVAL_S
from tests.support.benchmark import Benchmark
from tests.support.dsql_cluster import ConnectSettings, Watched, until, watched_cluster
from tests.support.prometheus import Running, Task, prometheus
from tests.support.unruly import NOBODY, all_ends
from tests.support.web import Web

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

OBSERVABILITY = Path(__file__).parents[2] / "observability"
SETTINGS = ConnectSettings(rate_per_s=4, burst=4, pool_size=6)
LOAD_S = 75
"""Five scrapes, of which the last are after the faults."""
SHARDS = 8 * SETTINGS.histories
KILLED = "history-1"
MIXED = "mixed"
"""A cluster whose one address answers for one history or the other, as a name in front of both does."""

AWAITED = {
    "dsql_limiter_failures": "there is no DynamoDB here",
    "dsql_tokens": "the double's tokens do not fail",
    "service_errors_resource_exhausted": "nor are limits of requests reached",
    "persistence_errors_resource_exhausted": "the same",
    "visibility_persistence_errors": "its store is well",
    "service_panics": "the server's own faults are not ours to make",
    "dd_current_suspected_deadlocks": "the same",
    "task_terminal_failures": "the same",
    "temporal_workflow_task_execution_failed_total": "the benchmark's own workers do not fail",
    "temporal_activity_execution_failed_total": "the same",
    "temporal_sticky_cache_total_forced_eviction_total": "the cache is not filled",
    "no_poller_tasks": "Temporal counts them after two minutes",
    "cache_entry_age_on_eviction": "caches evict after longer",
    "shardinfo_scheduled_queue_lag": "shards write their state after minutes",
    "shard_closed_count": "a history that is killed gives nothing up",
    "get_engine_for_shard_errors": "by chance",
    "task_errors_workflow_busy": "by chance",
    "task_errors": "by chance",
    "cache_errors": "by chance",
    "sharditem_removed_count": "by chance",
    "temporal_sticky_cache_miss_total": "by chance",
    "dsql_transaction_replays_exhausted": "by chance",
    "ALERTS": "by the time that they wait",
}
"""What may be without data here, and why: all else has to have some."""


@dataclass(frozen=True)
class Scraped:
    """What was scraped, and what it was scraped from."""

    prometheus: Running
    steady: str
    """Address of the metrics of the history that lived all the time."""
    shown: dict[str, Any]
    """What `auroral dashboards check --json` says."""
    status: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraped(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scraped]:
    folder = tmp_path_factory.mktemp("dashboards")
    told = limits_file(connect_rate_per_s=SETTINGS.rate_per_s * SETTINGS.processes, history_shards=SHARDS)
    rules = {f"{file.name}.yaml": file.text for file in (told, *rule_files.DEPLOYED)}
    with prometheus(folder / "prometheus", rules=rules) as running:
        async with watched_cluster(folder / "cluster", SETTINGS, conflicts=0.15) as watched:
            (benchmark_port,) = _free_ports(1)
            urls = watched.cluster.metrics_urls
            tasks = [Task(urls[one.name], str(one.role)) for one in watched.cluster.plan]
            tasks.append(Task(f"http://127.0.0.1:{benchmark_port}/metrics", GENERATOR))
            with Web(_one_or_the_other([urls[name] for name in watched.histories])) as web:
                running.find(*tasks, Task(f"{web.url}/metrics", "history", cluster=MIXED))
                await _load(watched, folder, benchmark_port)
                status, shown = _check(running)
                steady = next(urls[name] for name in watched.histories if name != KILLED)
                yield Scraped(running, steady, json.loads(shown), status)


async def _load(watched: Watched, folder: Path, port: int) -> None:
    """Load it, and do to it what fills the panels of failures."""
    with Benchmark(
        "run", "--address", watched.cluster.address, "--run-id", "dashboards", "--workload", "multi-activity=2",
        "--workload", "timer=1", "--activity-count", "2", "--target-rate", "3", "--duration", f"{LOAD_S}s",
        "--max-lag", "30s", "--start-timeout", "30s", "--completion-timeout", "60s", "--worker-count", "1",
        "--metrics-port", str(port), "--output", str(folder / "run"), directory=folder / "run",
    ) as load:  # fmt: skip
        await asyncio.to_thread(load.wait_for, "drive:", 60)
        ends = asyncio.ensure_future(all_ends(await watched.cluster.client()))
        await asyncio.sleep(2 * SCRAPE_INTERVAL_S)
        control = watched.control
        was = await asyncio.to_thread(control.settings)
        await asyncio.to_thread(control.change, conflict_rate=1.0)
        await asyncio.sleep(1)
        await asyncio.to_thread(control.change, conflict_rate=was.conflict_rate)
        # A connect is refused as there are too many a second, and others as the database is out of reach.
        await asyncio.to_thread(control.change, connect_rate_per_s=0.01, connect_burst=0)
        await _refused(watched, "rate")
        limits = {"connect_rate_per_s": was.connect_rate_per_s, "connect_burst": was.connect_burst}
        await asyncio.to_thread(control.change, **limits)
        await asyncio.to_thread(control.refuse, 20)
        await _refused(watched, "other")
        await asyncio.to_thread(control.refuse, 0)
        await watched.cluster.kill(KILLED)
        await asyncio.sleep(4)
        await watched.cluster.restart(KILLED)
        await ends
        await asyncio.to_thread(load.process.wait, LOAD_S * 3)


async def _refused(watched: Watched, reason: str) -> None:
    """Cut sessions until a process that lives on has been refused a new one."""
    lasting = [one.name for one in watched.cluster.plan if one.name != KILLED]

    def counted() -> bool:
        watched.control.cut(count=4)
        labels = {"outcome": "refused", "reason": reason}
        return any(watched.metric(process, "dsql_connects", **labels) for process in lasting)

    await until(lambda: asyncio.to_thread(counted), 20, f"a connect refused, reason {reason}", poll_s=0.5)


def _check(running: Running, directory: Path = OBSERVABILITY) -> tuple[int, str]:
    stdout = io.StringIO()
    argv = ["dashboards", "check", "--prometheus", running.url, "--directory", str(directory), "--since", "10m"]
    status = run(Process([*argv, "--json"], {}, stdout, io.StringIO(), width=100))
    return status, stdout.getvalue()


def _one_or_the_other(urls: list[str]) -> Any:
    turn, lock = [0], threading.Lock()

    def respond(path: str, headers: Mapping[str, str]) -> tuple[int, str, str]:
        with lock:
            turn[0] += 1
            url = urls[turn[0] % len(urls)]
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        kept = [line for line in lines if line.startswith(f"{PERSISTENCE_REQUESTS.name}{{")]
        return 200, "text/plain; version=0.0.4", "\n".join(kept) + "\n"

    return respond


def _free_ports(count: int) -> list[int]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return [one.getsockname()[1]][:count]


async def test_every_query_has_data(scraped: Scraped) -> None:
    results = scraped.shown["results"]
    failed = [one for one in results if one["finding"] in FAILURES]
    assert not failed, json.dumps(failed, indent=1)
    assert scraped.status == 0
    print(scraped.shown["counts"])
    awaited = [one for one in results if one["finding"] == Finding.AWAITED]
    print("\n".join(f"{one['file']} {one['name']}: {one['why']}" for one in awaited))
    lacking = {part.split()[0] for one in awaited for part in one["why"].split("; ")}
    assert {re.sub("_(bucket|count|sum)$", "", name) if name not in AWAITED else name for name in lacking} <= {*AWAITED}


async def test_an_alert_hears_of_a_queue_that_nobody_polls(scraped: Scraped) -> None:
    """It fires after five minutes; that it holds is seen sooner. Temporal writes _ for - in its labels.

    Matching tells of its backlogs once a minute; then come a scrape and an evaluation.
    """
    asked = f'max_over_time(ALERTS{{alertname="BacklogWithoutPoller",taskqueue="{NOBODY.replace("-", "_")}"}}[10m])'
    deadline_s = time.monotonic() + 60 + SCRAPE_INTERVAL_S + 2 * INTERVAL_S
    while not scraped.prometheus.query(asked):
        assert time.monotonic() < deadline_s
        await asyncio.sleep(2)


async def test_every_metric_has_its_labels(scraped: Scraped) -> None:
    lacking = []
    for metric in ALL:
        name = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
        if metric.source is Source.RULES or not scraped.prometheus.query(f"count(last_over_time({name}[10m]))"):
            continue
        lacking += [
            f"{name} has no label {label}"
            for label in (*TARGET_LABELS, *metric.labels)
            if not scraped.prometheus.query(f'count(last_over_time({name}{{{label}!=""}}[10m]))')
        ]
    assert not lacking


async def test_a_wrong_name_is_found(scraped: Scraped, tmp_path: Path) -> None:
    copied = tmp_path / "observability"
    shutil.copytree(OBSERVABILITY, copied)
    board = copied / "dashboards" / "dsql-persistence.json"
    board.write_text(board.read_text().replace("dsql_pool_in_use", "dsql_pool_in_used"))
    status, told = _check(scraped.prometheus, copied)
    assert status == 1
    missing = [one for one in json.loads(told)["results"] if one["finding"] == Finding.MISSING]
    assert missing
    assert {one["why"] for one in missing} == {"there is no metric dsql_pool_in_used"}
    assert {one["file"] for one in missing} == {"dashboards/dsql-persistence.json"}


async def test_no_counter_of_a_task_jumps(scraped: Scraped) -> None:
    """Each history at its own address: what it counts only grows. Through one address for both it goes up and down."""
    steady = scraped.steady.removeprefix("http://").removesuffix("/metrics")
    grown = scraped.prometheus.ranges(f'{PERSISTENCE_REQUESTS.name}{{cluster="local",instance="{steady}"}}', "10m")
    assert max(len(values) for _, values in grown) >= LOAD_S // SCRAPE_INTERVAL_S
    assert all(values == sorted(values) for _, values in grown)
    mixed = scraped.prometheus.ranges(f'{PERSISTENCE_REQUESTS.name}{{cluster="{MIXED}"}}', "10m")
    assert any(values != sorted(values) for _, values in mixed)
