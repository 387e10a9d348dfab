"""The collector with our configuration: finds tasks through the API of ECS, scrapes them, and writes to a Prometheus.

The collector, its observer, its exporter and the Prometheus are real; ECS's API is a double of the five calls that the
observer makes. Beside it runs the same with the exporter's defaults, for what they would make of names and labels.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from auroral.dashboards.collected import METRICS_PORT, collector_text
from auroral.dashboards.metrics import GENERATOR
from tests.support.collector_build import BUILD_S, built_collector
from tests.support.prometheus import Running, prometheus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_S + 300)]

ARN = "arn:aws:ecs:us-east-1:123456789012"
TASKS = (("history", "127.0.0.2", 7), ("history", "127.0.0.3", 8), (GENERATOR, "127.0.0.4", 2), ("ui", "127.0.0.5", 1))
"""Service, address and revision; nothing listens at the second, and the last has no metrics."""

EXPOSED = """\
# TYPE dsql_connects counter
dsql_connects{outcome="ok",service_name="history"} 8
# TYPE temporal_request_total counter
temporal_request_total{process="w1"} 7
# TYPE dsql_token_age gauge
dsql_token_age 12.5
# TYPE service_latency histogram
service_latency_bucket{operation="X",le="0.1"} 3
service_latency_bucket{operation="X",le="+Inf"} 5
service_latency_sum{operation="X"} 2.5
service_latency_count{operation="X"} 5
"""


def answer(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What ECS says."""
    instance = f"{ARN}:container-instance/dev/1"
    match operation:
        case "ListTasks":
            return {"taskArns": [f"{ARN}:task/dev/{number}" for number in range(len(TASKS))]}
        case "DescribeTasks":
            return {
                "tasks": [
                    {
                        "taskArn": f"{ARN}:task/dev/{number}",
                        "taskDefinitionArn": f"{ARN}:task-definition/dev-{service}:{revision}",
                        "launchType": "EC2",
                        "containerInstanceArn": instance,
                        "attachments": [
                            {
                                "type": "ElasticNetworkInterface",
                                "status": "ATTACHED",
                                "details": [{"name": "privateIPv4Address", "value": address}],
                            }
                        ],
                    }
                    for number, (service, address, revision) in enumerate(TASKS)
                ]
            }
        case "DescribeTaskDefinition":
            family, _, revision = asked["taskDefinition"].rpartition("/")[2].partition(":")
            ports = [{"containerPort": METRICS_PORT, "hostPort": METRICS_PORT, "protocol": "tcp"}]
            container = {"name": family.removeprefix("dev-"), "portMappings": ports}
            told = {"family": family, "revision": int(revision), "networkMode": "awsvpc"}
            return {"taskDefinition": {**told, "containerDefinitions": [container]}}
        case "DescribeContainerInstances":
            return {"containerInstances": [{"containerInstanceArn": instance, "ec2InstanceId": "i-1"}]}
    return {"serviceArns": []}


_INSTANCES = (
    '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet>'
    "<item><instanceId>i-1</instanceId></item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
)


class _Aws(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        text = json.dumps(answer(operation, json.loads(body))) if operation else _INSTANCES
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1" if operation else "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Exposes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(EXPOSED)))
        self.end_headers()
        self.wfile.write(EXPOSED.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(address, handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{address[0]}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def collector(folder: Path, config: str, aws: str, written_to: str, cluster: str) -> Iterator[None]:
    """Run one in a working directory of its own, which stands for the image's `/`."""
    (folder / "targets").mkdir(parents=True)
    (folder / "config.yaml").write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        health = f"127.0.0.1:{free.getsockname()[1]}"
    command: Sequence[str] = [
        str(built_collector()), "--config=config.yaml",
        f"--set=extensions.ecs_observer.result_file={folder / 'targets/tasks.yaml'}",
        "--set=service.telemetry.metrics.level=none", "--set=extensions.ecs_observer.refresh_interval=1s",
        f"--set=extensions.health_check.endpoint={health}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=environ(aws=aws, written_to=written_to, cluster=cluster)
        )
    try:
        yield
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(20)


def environ(*, aws: str = "", written_to: str = "http://x/api/v1/write", cluster: str = "dev") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given = {"AURORAL_PROJECT": "dev", "AURORAL_CLUSTER": cluster, "AURORAL_REMOTE_WRITE_URL": written_to}
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **given, **keys, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": aws}


def validated(tmp_path: Path, config: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "config.yaml").write_text(config)
    command = [str(built_collector()), "validate", f"--config={tmp_path / 'config.yaml'}"]
    return subprocess.run(command, env=environ(), check=False, capture_output=True, text=True, timeout=120)


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    done = validated(tmp_path, collector_text())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("word", ["translation_strategy", "relabel_configs", "arn_pattern", "authenticator"])
def test_a_word_that_the_collector_does_not_know(tmp_path: Path, word: str) -> None:
    """Else its saying that the configuration is valid would prove nothing."""
    done = validated(tmp_path, collector_text().replace(word, f"{word}x"))
    assert done.returncode != 0
    assert f"{word}x" in done.stderr


def test_tasks_are_found_scraped_and_written(tmp_path: Path) -> None:
    defaults = yaml.safe_load(collector_text())
    for setting in ("translation_strategy", "disable_scope_info", "target_info"):
        del defaults["exporters"]["prometheusremotewrite"][setting]
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(serving(("127.0.0.1", 0), _Aws))
        for address in ("127.0.0.2", "127.0.0.4"):
            stack.enter_context(serving((address, METRICS_PORT), _Exposes))
        running = stack.enter_context(prometheus(tmp_path / "p", more=["--web.enable-remote-write-receiver"]))
        for cluster, config in (("dev", collector_text()), ("defaults", yaml.safe_dump(defaults))):
            stack.enter_context(collector(tmp_path / cluster, config, aws, f"{running.url}/api/v1/write", cluster))
        until(running, 'count(up{cluster="dev"}) + count(up{cluster="defaults"}) == 6')
        until(running, "count(dsql_token_age) == 4")
        dev, other = (running.query(f'{{cluster="{cluster}"}}') for cluster in ("dev", "defaults"))
    up = {(one["instance"], one["service"], one["revision"]): value for one, value in dev if one["__name__"] == "up"}
    assert up == {
        ("127.0.0.2:9090", "history", "7"): 1,
        ("127.0.0.3:9090", "history", "8"): 0,
        ("127.0.0.4:9090", GENERATOR, "2"): 1,
    }
    names = {line.split("{")[0].split(" ")[0] for line in EXPOSED.splitlines() if not line.startswith("#")}
    written = {one["__name__"] for one, _ in dev if not one["__name__"].startswith(("up", "scrape_"))}
    assert written == names
    (connects,) = (one for one, _ in dev if one["__name__"] == "dsql_connects" and one["service"] == "history")
    assert connects == {
        "__name__": "dsql_connects", "job": "tasks", "cluster": "dev", "service": "history", "revision": "7",
        "instance": "127.0.0.2:9090", "outcome": "ok", "service_name": "history",
    }  # fmt: skip
    assert "dsql_connects_total" in {one["__name__"] for one, _ in other}, "what the exporter does by itself"
    assert any("otel_scope_name" in one for one, _ in other)


def until(running: Running, query: str, within_s: float = 90) -> None:
    deadline_s = time.monotonic() + within_s
    while not running.query(query):
        assert time.monotonic() < deadline_s, f"{query}: {running.query('up')}"
        time.sleep(0.5)
