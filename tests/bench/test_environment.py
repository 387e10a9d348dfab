"""What a run says of where it took place."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from auroral import __version__
from auroral.bench.environment import Cloud, cloud_of, describe, machine_of
from auroral.temporal.connect import connect
from auroral.temporal.local import LocalServer
from auroral.temporal.spec import ConnectionSpec

TASK = {
    "Cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/load",
    "Family": "auroral-bench",
    "Revision": "7",
    "AvailabilityZone": "eu-west-1b",
    "LaunchType": "FARGATE",
}


class Metadata:
    """A metadata service on this machine: IMDSv2 and the ECS task endpoint."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {
            "/latest/meta-data/instance-type": "c7g.xlarge",
            "/latest/meta-data/placement/availability-zone": "eu-west-1a",
        }
        self.delay_s = 0.0
        self.requests: list[tuple[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                service.requests.append(("PUT", self.path))
                granted = self.headers["X-aws-ec2-metadata-token-ttl-seconds"] is not None
                self._answer(200 if granted else 400, "the-token")

            def do_GET(self) -> None:
                service.requests.append(("GET", self.path))
                time.sleep(service.delay_s)
                if self.path.startswith("/latest/") and self.headers["X-aws-ec2-metadata-token"] != "the-token":
                    self._answer(401, "")  # IMDSv1 is off
                elif (page := service.pages.get(self.path)) is not None:
                    self._answer(200, page)
                else:
                    self._answer(404, "")

            def _answer(self, status: int, body: str) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    service = Metadata()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,))
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


def system(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


EC2 = {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}


def test_an_instance_tells_its_type_by_imdsv2(metadata: Metadata, tmp_path: Path) -> None:
    found = cloud_of({}, metadata.url, system(tmp_path, EC2))
    assert found == Cloud(instance_type="c7g.xlarge", availability_zone="eu-west-1a")
    assert metadata.requests[0] == ("PUT", "/latest/api/token")


def test_another_machine_is_not_asked(metadata: Metadata, tmp_path: Path) -> None:
    other = system(tmp_path, {"sys/class/dmi/id/sys_vendor": "QEMU\n"})
    assert cloud_of({}, metadata.url, other) == Cloud()
    assert cloud_of({}, metadata.url, tmp_path / "without") == Cloud()
    assert metadata.requests == []


def test_a_fargate_task_tells_itself(metadata: Metadata, tmp_path: Path) -> None:
    metadata.pages["/v4/abc/task"] = json.dumps(TASK)
    found = cloud_of({"ECS_CONTAINER_METADATA_URI_V4": f"{metadata.url}/v4/abc"}, metadata.url, tmp_path)
    assert found == Cloud(instance_type="AWS Fargate", availability_zone="eu-west-1b", container="load/auroral-bench:7")


def test_a_task_on_an_instance_tells_both(metadata: Metadata, tmp_path: Path) -> None:
    metadata.pages["/v4/abc/task"] = json.dumps({**TASK, "LaunchType": "EC2"})
    environ = {"ECS_CONTAINER_METADATA_URI_V4": f"{metadata.url}/v4/abc"}
    found = cloud_of(environ, metadata.url, system(tmp_path, EC2))
    assert found == Cloud(instance_type="c7g.xlarge", availability_zone="eu-west-1b", container="load/auroral-bench:7")


@pytest.mark.parametrize("page", ["not JSON", "[]", "{}", '{"Family": null}'])
def test_strange_answers_tell_nothing(metadata: Metadata, tmp_path: Path, page: str) -> None:
    metadata.pages = {"/v4/abc/task": page}
    environ = {"ECS_CONTAINER_METADATA_URI_V4": f"{metadata.url}/v4/abc"}
    assert cloud_of(environ, metadata.url, system(tmp_path, EC2)) == Cloud()


def test_a_service_that_does_not_answer_costs_little(metadata: Metadata, tmp_path: Path) -> None:
    metadata.delay_s = 1.5
    started = time.monotonic()
    assert cloud_of({}, metadata.url, system(tmp_path, EC2)) == Cloud()
    assert time.monotonic() - started < 1.2
    assert cloud_of({}, "http://127.0.0.1:1", tmp_path) == Cloud()


def test_a_cgroup_bounds_cores_and_memory(tmp_path: Path) -> None:
    here = machine_of(tmp_path / "without")
    assert here.cores == len(os.sched_getaffinity(0))
    assert here.memory_bytes == psutil.virtual_memory().total
    second = system(tmp_path / "v2", {"sys/fs/cgroup/cpu.max": "50000 100000\n", "sys/fs/cgroup/memory.max": "1048576"})
    assert machine_of(second).cores == 1
    assert machine_of(second).memory_bytes == 1 << 20
    unlimited = system(tmp_path / "no", {"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"})
    assert machine_of(unlimited) == here
    first = system(
        tmp_path / "v1",
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
    )
    assert machine_of(first).cores == 1
    none = system(
        tmp_path / "v1-none",
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
    )
    assert machine_of(none).cores == here.cores


def test_the_processor_is_named(tmp_path: Path) -> None:
    root = system(tmp_path, {"proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"})
    assert machine_of(root).cpu_model == "Some CPU @ 2 GHz"


@pytest.mark.live
async def test_a_real_cluster_tells_its_stores(temporal_server: LocalServer, tmp_path: Path) -> None:
    spec = ConnectionSpec(address=temporal_server.address, namespace="benchmark")
    client = await connect(spec)
    found = await describe(client, spec, local_server=True, environ={}, root=tmp_path)
    assert found.server_version is not None
    assert found.server_version[0].isdigit()
    assert found.persistence_store == "sqlite"
    assert found.visibility_store == "sqlite"
    assert found.history_shards is not None
    assert found.history_shards > 0
    assert found.local_server
    assert found.auroral_version == __version__
    assert found.sdk_version
    assert found.cores > 0


@pytest.mark.live
async def test_a_dead_cluster_does_not_stop_it(make_temporal_server: Any, tmp_path: Path) -> None:
    server: LocalServer = await make_temporal_server()
    spec = ConnectionSpec(address=server.address, namespace="benchmark")
    client = await connect(spec)
    await server.kill()
    found = await describe(client, spec, local_server=False, environ={}, root=tmp_path)
    assert found.server_version is None
    assert found.address == server.address
