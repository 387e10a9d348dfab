"""The scrape file and the collector's configuration around it: against Prometheus, Terraform and the observer's form.

`test_collector_itself.py` has the collector's own word on it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from auroral.dashboards import collected
from auroral.dashboards.metrics import GENERATOR, INSTANCE, SERVICES, TARGET_LABELS, WORKERS
from auroral.dashboards.rules import INTERVAL_S
from tests.support.contract_file import CONTRACT
from tests.support.prometheus import Task, prometheus

ROOT = Path(__file__).parents[2]
STACK = ROOT / "infra/stacks/platform"


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(collected.collector_text())
    return found


def test_it_is_what_is_committed() -> None:
    for name, text in collected.texts().items():
        assert (ROOT / name).read_text() == text, f"auroral dashboards build: {name}"


def test_the_collector_holds_the_scrape_file(collector: dict[str, Any]) -> None:
    scrape = collected.scrape_text()
    assert collector["receivers"]["prometheus"]["config"] == yaml.safe_load(scrape)
    comments = [line.strip() for line in scrape.splitlines() if line.lstrip().startswith("#")]
    assert len(comments) > 3
    assert all(f"{line}\n" in collected.collector_text() for line in comments)


def test_prometheus_takes_the_scrape_file(tmp_path: Path) -> None:
    (tmp_path / "scrape.yaml").write_text(collected.scrape_text())
    (tmp_path / "targets").mkdir()
    (tmp_path / collected.TARGETS_FILE).write_text("[]")
    command = ["promtool", "check", "config", str(tmp_path / "scrape.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_parameter_of_ssm_holds_it() -> None:
    assert len(collected.collector_text()) <= collected.MAX_CHARACTERS
    variables = (ROOT / "infra/modules/metrics/variables.tf").read_text()
    assert f"length(var.collector_config) <= {collected.MAX_CHARACTERS}" in variables


def test_its_variables_are_those_of_its_task() -> None:
    text = collected.collector_text()
    used = set(re.findall(r"\$\{env:(\w+)\}", text))
    assert text.count("$") == len(re.findall(r"\$\{env:", text))
    given = set(re.findall(r"^\s+(\w+)\s+= ", _task_environment(), re.M)) | {"AWS_REGION"}
    assert used == given


def _task_environment() -> str:
    found = re.search(r"environment = \{\n(.*?)\n  \}", (STACK / "collector.tf").read_text(), re.S)
    assert found is not None
    return found[1]


def test_targets_are_written_where_they_are_read(collector: dict[str, Any]) -> None:
    written = Path(collector["extensions"]["ecs_observer"]["result_file"])
    scrape = yaml.safe_load(collected.scrape_text())["scrape_configs"][0]
    (read,) = scrape["file_sd_configs"][0]["files"]
    assert written == Path("/") / read
    assert f'path = "{written.parent}"' in (STACK / "collector.tf").read_text(), "a file system that can be written"


def test_every_task_with_metrics_is_found_and_no_other(collector: dict[str, Any]) -> None:
    (found,) = collector["extensions"]["ecs_observer"]["task_definitions"]
    pattern = re.compile(found["arn_pattern"].replace("${env:AURORAL_PROJECT}", "dev"))
    assert found["metrics_ports"] == [collected.METRICS_PORT]

    def matches(family: str) -> bool:
        return pattern.search(f"arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:17") is not None

    assert all(matches(f"dev-{service}") for service in (*SERVICES, GENERATOR, WORKERS))
    assert not any(matches(f"dev-{other}") for other in ("ui", "grafana", "collector", "schema", "history-old"))
    assert not matches("other-history")
    assert not matches("other-dev-history")


def test_a_container_is_named_as_its_service() -> None:
    """What becomes the label `service` is the name of the container."""
    text = CONTRACT.read_text()
    assert isinstance(json.loads(text), dict)
    module = (ROOT / "infra/modules/service/task_definition.tf").read_text()
    assert re.search(r"container = \{\n\s+name\s+= var\.name\n", module)
    names = {
        match
        for path in [*STACK.glob("*.tf"), *(ROOT / "infra/modules/benchmark").glob("*.tf")]
        for match in re.findall(r'^  name\s+= "([a-z-]+)"$', path.read_text(), re.M)
    }
    assert {GENERATOR, WORKERS} <= names


def test_labels_of_a_target(tmp_path: Path) -> None:
    """As Prometheus makes them of what the observer writes: before it has scraped anything."""
    tasks = (
        Task("http://10.0.3.7:9090/metrics", "history", cluster="dev", revision=7),
        Task("http://10.0.4.1:9090/metrics", GENERATOR, cluster="dev", revision=12),
    )
    with prometheus(tmp_path, tasks=tasks) as running:
        found = sorted(running.targets(), key=lambda labels: labels[INSTANCE])
    common = {"job": "tasks", "cluster": "dev"}
    assert found == [
        {**common, "service": "history", "revision": "7", "instance": "10.0.3.7:9090"},
        {**common, "service": GENERATOR, "revision": "12", "instance": "10.0.4.1:9090"},
    ]
    assert set(found[0]) == {*TARGET_LABELS, "job"}


def test_intervals_fit_each_other() -> None:
    assert collected.SCRAPE_TIMEOUT_S < collected.SCRAPE_INTERVAL_S
    assert collected.DISCOVERY_INTERVAL_S % collected.SCRAPE_INTERVAL_S == 0
    assert INTERVAL_S == 2 * collected.SCRAPE_INTERVAL_S
    sources = yaml.safe_load((ROOT / "images/grafana/provisioning/datasources/aws.yaml").read_text())["datasources"]
    # Grafana makes its rate interval of it, and takes 15 s for it where nothing is told.
    assert sources[0]["jsonData"].get("timeInterval", "15s") == f"{collected.SCRAPE_INTERVAL_S}s"
