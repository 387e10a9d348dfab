"""A real Prometheus: with series of the past, put into its storage before it starts, or scraping real endpoints."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import yaml

from auroral.dashboards.collected import META_CLUSTER, META_CONTAINER, META_REVISION, TARGETS_FILE, scrape_text

START_S = 60.0


@dataclass(frozen=True)
class Task:
    """A task as the collector's observer finds it."""

    url: str
    """Of its metrics."""
    service: str
    cluster: str = "local"
    revision: int = 1


class _Series(msgspec.Struct, frozen=True):
    values: list[tuple[float, str]] = []
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None


class Running:
    """One that answers."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder

    def find(self, *tasks: Task) -> None:
        """Let it scrape these from now on, as the observer writes them."""
        groups = [
            {
                "targets": [urlsplit(task.url).netloc],
                "labels": {
                    "__meta_ecs_source": f"arn:aws:ecs:us-east-1:123456789012:task/{task.cluster}/{index}",
                    "__metrics_path__": "/metrics",
                    META_CLUSTER: task.cluster,
                    "__meta_ecs_task_definition_family": f"auroral-{task.service}",
                    META_REVISION: str(task.revision),
                    "__meta_ecs_task_launch_type": "EC2",
                    META_CONTAINER: task.service,
                    "__meta_ecs_health_status": "HEALTHY",
                },
            }
            for index, task in enumerate(tasks)
        ]
        path = self._folder / TARGETS_FILE
        path.parent.mkdir(exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(yaml.safe_dump(groups))
        os.replace(scratch, path)

    def targets(self) -> list[dict[str, str]]:
        """Labels of everything that it scrapes or is about to."""
        deadline_s = time.monotonic() + START_S
        while True:
            with urllib.request.urlopen(f"{self.url}/api/v1/targets?state=active", timeout=30) as answer:
                found = json.loads(answer.read())["data"]["activeTargets"]
            if found:
                return [one["labels"] for one in found]
            assert time.monotonic() < deadline_s, "it has no targets"
            time.sleep(0.2)

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Each series of a query with its labels and its value now."""
        return [(one.metric, float(one.value[1])) for one in self._ask("query", query=expr) if one.value]

    def ranges(self, selector: str, span: str) -> list[tuple[dict[str, str], list[float]]]:
        """Each series of a selector with its labels and its raw values of this span, such as `5m`."""
        found = self._ask("query", query=f"{selector}[{span}]")
        return [(one.metric, [float(value) for _, value in one.values]) for one in found]

    def _ask(self, what: str, **given: str) -> list[_Series]:
        asked = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return msgspec.convert(msgspec.json.decode(answer.read())["data"]["result"], list[_Series], strict=False)


@contextlib.contextmanager
def prometheus(
    folder: Path,
    *,
    rules: Mapping[str, str] | None = None,
    past: str = "",
    tasks: Sequence[Task] = (),
    more: Sequence[str] = (),
) -> Iterator[Running]:
    """Run one whose configuration is the scrape file itself, and below it the names of these rule files.

    `past`: series in OpenMetrics' text with times. `tasks`: what it scrapes from the beginning. `more`: flags.
    """
    for tool in ("prometheus", "promtool"):
        assert shutil.which(tool), f"there is no {tool} on PATH: python -m tests.needs"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (rules or {}).items():
        (folder / name).write_text(text)
    config = folder / "scrape.yaml"
    config.write_text(scrape_text() + (yaml.safe_dump({"rule_files": [*rules]}) if rules else ""))
    data = folder / "data"
    if past:
        (folder / "past.txt").write_text(past)
        made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "past.txt"), str(data)]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=warn"]
    command += [f"--web.listen-address=127.0.0.1:{port}", *more]
    running = Running(port, folder)
    running.find(*tasks)
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _until_ready(running.url, process, folder)
        yield running
    finally:
        process.terminate()
        process.wait(20)


def _until_ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            if answer.status == 200:
                return
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        assert time.monotonic() < deadline_s, f"no Prometheus after {START_S:g} s"
        time.sleep(0.1)
