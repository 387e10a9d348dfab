"""Every query of every dashboard and rule has data in a real Prometheus, which scrapes a real cluster under load.

The cluster is on the double of DSQL, with two histories; conflicts, refused connects, cut sessions, a killed history, a
task queue that nobody polls and workflows that end otherwise than well are all in what is scraped.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
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
from tests.support.benchmark import Benchmark
from tests.support.dsql_cluster import ConnectSettings, Watched, watched_cluster
from tests.support.prometheus import Running, Task, prometheus
from tests.support.web import Web

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

OBSERVABILITY = Path(__file__).parents[2] / "observability"
SETTINGS = ConnectSettings(rate_per_s=4, burst=4, pool_size=6)
LOAD_S = 75
"""Five scrapes, of which the last are after the faults."""
KILLED = "history-1"
MIXED = "mixed"
"""A cluster whose one address answers for one history or the other, as a name in front of both does."""

AWAITED = {
    "a counter in DynamoDB that could not be asked": "the double has no DynamoDB",
}


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
    rules = {Path(name).name: text for name, text in rule_files.texts().items() if name.startswith(rule_files.FOLDER)}
    with prometheus(folder / "prometheus", rules=rules) as running:
        async with watched_cluster(folder / "cluster", SETTINGS, conflicts=0.15) as watched:
            (benchmark_port,) = _free_ports(1)
            urls = watched.cluster.metrics_urls
            tasks = [Task(urls[one.name], str(one.role)) for one in watched.cluster.plan]
            tasks.append(Task(f"http://127.0.0.1:{benchmark_port}/metrics", GENERATOR))
            with Web(_one_or_the_other([urls[name] for name in watched.histories])) as web:
                running.find(*tasks, Task(f"{web.url}/metrics", "history", cluster=MIXED))
                await _load(watched, folder, benchmark_port)
                status, told = _check(running)
                steady = next(urls[name] for name in watched.histories if name != KILLED)
                yield Scraped(running, steady, json.loads(told), status)


async def _load(watched: Watched, folder: Path, port: int) -> None:
    """Load it, and do to it what fills the panels of failures."""
    with Benchmark(
        "run", "--address", watched.cluster.address, "--run-id", "dashboards", "--workload", "multi-activity=2",
        "--workload", "timer=1", "--activity-count", "2", "--target-rate", "3", "--duration", f"{LOAD_S}s",
        "--max-lag", "30s", "--start-timeout", "30s", "--completion-timeout", "60s", "--worker-count", "1",
        "--metrics-port", str(port), "--output", str(folder / "run"), directory=folder / "run",
    ) as load:  # fmt: skip
        await asyncio.to_thread(load.wait_for, "drive:", 60)
        unpolled = asyncio.ensure_future(_unpolled(watched))
        await asyncio.sleep(2 * SCRAPE_INTERVAL_S)
        await asyncio.to_thread(watched.control.cut, count=12)
        await asyncio.to_thread(watched.control.refuse, 3)
        await watched.cluster.kill(KILLED)
        await asyncio.sleep(4)
        await watched.cluster.restart(KILLED)
        await unpolled
        await asyncio.to_thread(load.process.wait, LOAD_S * 3)


async def _unpolled(watched: Watched) -> None:
    """Workflows of a task queue that nobody polls: some time out, some are terminated or canceled, some stay."""
    client = await watched.cluster.client()
    for number in range(12):
        limit = timedelta(seconds=5) if number % 3 == 0 else None
        handle = await client.start_workflow(
            "nobody-knows", id=f"unpolled-{number}", task_queue="nobody-polls", execution_timeout=limit
        )
        if number % 3 == 1:
            await handle.terminate("of the tests")


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
    for one in results:
        if one["finding"] == Finding.AWAITED:
            print(f"{one['file']} {one['name']}: {one['why']}")
    print(scraped.shown["counts"])


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
