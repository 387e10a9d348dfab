"""Looks at real programs: Temporal's own UI and frontend, a Prometheus, servers that do not answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import AwsError
from auroral.ecs.fleet import TEMPORAL
from auroral.ecs.health.prometheus import workspace
from auroral.ecs.verify.look import Looks, get
from auroral.errors import TargetError
from auroral.temporal.build import obtain_cli
from tests.support.fake_ecs import door
from tests.support.verified import Deployment, Session, deployment
from tests.support.web import Web

PROMETHEUS = shutil.which("prometheus")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)
    with deployment(tmp_path) as found:
        yield found


def looks(made: Deployment, **changed: Any) -> Looks:
    given: dict[str, Any] = {
        "ask": workspace(Session(), region="us-east-1", url=f"{made.metrics.url}/workspaces/ws-1/"),
        "environ": made.environ,
        "say": lambda text: made.err.write(f"{text}\n"),
        "wait_s": 60.0,
        "sleep": made.clock.sleep,
        "now_s": made.clock.now_s,
        "utc": made.clock.utc,
        **changed,
    }
    return Looks(made.aws, made.fleet, **given)


# Temporal itself


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of a development server's UI and HTTP API."""
    folder = tmp_path_factory.mktemp("temporal")
    program = asyncio.run(obtain_cli(report=print, given=os.environ.get("AURORAL_TEMPORAL_CLI") or None))
    grpc, ui, http, metrics = _ports(4)
    command = [str(program), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(grpc), "--ui-port", str(ui)]
    command += ["--http-port", str(http), "--metrics-port", str(metrics), "--log-level", "error"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            for port in (ui, http):
                _until(lambda port=port: get(port, "/api/v1/cluster-info").status == 200)  # type: ignore[misc]
            yield ui, http
        finally:
            process.terminate()
            process.wait(20)


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _until(true: Callable[[], bool], within_s: float = 30.0) -> None:
    end_s = time.monotonic() + within_s
    while True:
        with contextlib.suppress(TargetError, OSError):
            if true():
                return
        assert time.monotonic() < end_s, "not within its time"
        time.sleep(0.05)


def test_temporals_own_ui_and_frontend(made: Deployment, temporal: tuple[int, int]) -> None:
    made.ports["ui"], made.ports["frontend"] = temporal
    ui = looks(made).ui()
    assert ui.passed, ui.text
    assert "it reaches the frontend (Temporal 1." in ui.text
    listed = looks(made).workflows()
    assert listed.passed, listed.text
    assert made.sessions == [("ui", 8080), ("frontend", 7243)]


def test_one_is_not_taken_for_the_other(made: Deployment, temporal: tuple[int, int]) -> None:
    made.ports["frontend"] = made.ports["grafana"]
    made.ports["ui"] = temporal[1]
    assert not looks(made).ui().passed
    assert not looks(made).workflows().passed


# A Prometheus


@contextlib.contextmanager
def prometheus(folder: Path, targets: list[dict[str, Any]]) -> Iterator[str]:
    """The URL of a Prometheus that scrapes these."""
    assert PROMETHEUS is not None
    (port,) = _ports(1)
    scrape = {"job_name": "tasks", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": targets}
    config = folder / "prometheus.json"
    config.write_text(json.dumps({"scrape_configs": [scrape]}))  # JSON is YAML
    command = [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=error"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _until(lambda: get(port, "/-/ready").status == 200)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def exporters(made: Deployment, web: Web) -> list[dict[str, Any]]:
    """A target for each task, labelled as infra/stacks/platform/collector.yaml has them."""
    return [
        {
            "targets": [f"127.0.0.1:{web.port}"],
            "labels": {"__metrics_path__": f"/{address}", "service": key, "instance": f"{address}:9090"},
        }
        for key in TEMPORAL
        for address in made.addresses(key)
    ]


@pytest.mark.whole
@pytest.mark.parametrize("real", [True] if PROMETHEUS else [])
def test_what_a_prometheus_answers(made: Deployment, tmp_path: Path, real: bool) -> None:
    assert real
    broken: set[str] = set()

    def respond(path: str, _: Any) -> tuple[int, str, str]:
        if path[1:] in broken:
            return 500, "text/plain", ""
        return 200, "text/plain; version=0.0.4", 'dsql_pool_open{service_name="x"} 50\ndsql_pool_open 1\n'

    made.clock.advance(300)
    lost, down = made.addresses("history")[2], made.addresses("worker")[0]
    with Web(respond) as web:
        targets = [one for one in exporters(made, web) if lost not in one["labels"]["instance"]]
        with prometheus(tmp_path, targets) as made.workspace.behind:
            _until(lambda: looks(made).metrics().text.startswith("1 of 11 tasks: "))  # ten of them are well
            assert f"history at {lost} has no series" in looks(made).metrics().text
            assert looks(made).budget().passed
            broken.add(down)
            _until(lambda: looks(made).metrics().text.startswith("2 of 11 tasks: "))
            assert f"worker at {down} does not answer the collector (up is 0)" in looks(made).metrics().text


# What does not answer


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.ecs.verify.look.WEB_S", 0.2)
    gone = pytest.raises(TargetError, match=r"GET /x gets no answer: timed out")
    with socket.create_server(("127.0.0.1", 0)) as listener, gone:
        get(listener.getsockname()[1], "/x")


def test_a_server_that_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(TargetError, match="gets no answer"):
            get(listener.getsockname()[1], "/x")
        thread.join()


def test_no_more_is_read_of_an_answer_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.ecs.verify.look.MOST_BYTES", 10)
    with Web(lambda *_: (200, "text/html", "x" * 1_000_000)) as web:
        assert get(web.port, "/").text == "x" * 10


# Waiting


def test_a_failure_that_passes_is_borne_and_told_once(made: Deployment) -> None:
    made.aws.faults.throttle("ecs:ListTasks", times=None, from_s=made.clock.elapsed_s + 1)
    made.aws.service("history").desired, made.aws.service("history").steady = 5, False
    with pytest.raises(AwsError):
        looks(made).services()
    assert made.said.count("ecs:ListTasks failed") == 1
    assert sum(made.clock.slept) == pytest.approx(60)


def test_one_that_does_not_pass_ends_the_wait(made: Deployment) -> None:
    made.aws.faults.deny("ecs:ListTasks")
    with pytest.raises(AwsError, match="ecs:ListTasks failed"):
        looks(made).services()
    assert made.clock.slept == []


def test_services_whose_revisions_are_all_deregistered_are_believed_without_a_health_check(made: Deployment) -> None:
    made.aws.faults.fail("ecs:DescribeTaskDefinition", "ClientException", "Unable to describe", times=1)
    assert looks(made).services().passed


def test_a_workspace_that_nobody_can_ask_is_a_failure(made: Deployment) -> None:
    assert not looks(made, ask=None).metrics().passed


def test_expired_credentials_are_never_swallowed(made: Deployment) -> None:
    made.aws.faults.expire()
    for look in (looks(made).budget, looks(made).search, looks(made).exec):
        with pytest.raises(AwsError, match="ExpiredToken"):
            look()


def test_tags_that_may_not_be_read_are_a_note(made: Deployment) -> None:
    made.aws.faults.deny("ecr:DescribeImages")
    found = looks(made).exec()
    assert found.passed
    assert "the tags of its image are not known: ecr:DescribeImages failed" in found.notes[0]
