"""An `Account` whose ECS is a local cluster: counts start and stop real processes of Temporal, health is what they say.

Its answers are held to AWS's models as those of `tests.support.fake_ecs` are. Services that Temporal does not need
(UI, Grafana, collector, benchmark workers) are at 0 and stay there. Every process has the address 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from auroral.aws_calls import api_name
from auroral.ecs.fleet import BENCHMARK_WORKER, ORDER
from auroral.local.cluster import STOP_TIMEOUT_S, LocalCluster
from auroral.local.health import why_unhealthy
from auroral.local.plan import HOST, ServerProcess
from tests.support.fake_ecs.failures import Refused
from tests.support.fake_ecs.models import check_answer, check_request

POLL_S = 0.2
ACCOUNT, REGION, CLUSTER = "123456789012", "us-east-1", "dev"
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
CLUSTER_ARN = f"{ARN}:cluster/{CLUSTER}"


@contextlib.contextmanager
def metadata_endpoint() -> Iterator[str]:
    """ECS's task metadata as a task of awsvpc sees it, for `ECS_CONTAINER_METADATA_URI_V4`."""
    document = json.dumps({"Containers": [{"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [HOST]}]}]})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/v4/task"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class _Task:
    process: str
    """Name of the local cluster's."""
    log_from: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "RUNNING"
    health: str = "UNKNOWN"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopped_at: datetime | None = None
    exit_code: int | None = None
    stop_code: str = ""
    reason: str = ""

    @property
    def arn(self) -> str:
        return f"{ARN}:task/{CLUSTER}/{self.id}"


@dataclass
class _Service:
    key: str
    processes: Sequence[ServerProcess]
    desired: int
    tasks: list[_Task] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{CLUSTER}-{self.key}"

    @property
    def definition(self) -> str:
        return f"{ARN}:task-definition/{self.name}:1"

    def there(self) -> list[_Task]:
        return [one for one in self.tasks if one.status != "STOPPED"]

    @property
    def running(self) -> int:
        return sum(one.status == "RUNNING" for one in self.tasks)


class LocalEcs:
    """The account. Use `alive` around whatever acts on it; that must be in another thread."""

    region, profile = REGION, None

    def __init__(self, cluster: LocalCluster) -> None:
        """The cluster runs."""
        self.cluster = cluster
        self.tags: dict[str, str] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        """Those that change something."""
        self._lock = threading.RLock()
        self._services = {key: _Service(key, (), 0) for key in (*ORDER, BENCHMARK_WORKER)}
        for key, one in self._services.items():
            one.processes = [process for process in cluster.plan if process.role == key]
            one.desired = len(one.processes)
            one.tasks = [_Task(process.name, 0) for process in one.processes]
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[LocalEcs]:
        """Do what ECS's scheduler does, as long as the block lasts."""
        scheduler = asyncio.create_task(self._schedule())
        try:
            yield self
        finally:
            scheduler.cancel()
            await asyncio.gather(scheduler, *self._ending, return_exceptions=True)

    async def crash(self, key: str, *, times: int) -> None:
        """Kill one task of a service again and again, each as soon as it is there."""
        for _ in range(times):
            while not (there := self._services[key].there()):
                await asyncio.sleep(POLL_S)
            await self.cluster.kill(there[0].process)
            while there[0].status != "STOPPED":
                await asyncio.sleep(POLL_S)

    def running(self) -> dict[str, int]:
        """Tasks by key."""
        return {key: one.running for key, one in self._services.items() if one.running}

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """As `Account` says."""
        answer: Callable[..., Mapping[str, Any]] | None
        answer = getattr(self, f"_{service.replace('-', '_')}_{operation}", None)
        if answer is None:
            raise AssertionError(f"this account knows no {service}.{operation}")
        try:
            with self._lock:
                check_request(service, operation, arguments)
                found = answer(**arguments)
                check_answer(service, operation, found)
        except Refused as refusal:
            raise refusal.of(api_name(service, operation)) from None
        if operation in ("update_service", "tag_resource", "untag_resource"):
            self.calls.append((operation, arguments))
        return found

    # The scheduler

    async def _schedule(self) -> None:
        while True:
            for service in self._services.values():
                self._notice(service)
                await self._scale(service)
                for task in service.there():
                    if task.status == "RUNNING":
                        why = await why_unhealthy(self._process(service, task))
                        task.health = "UNKNOWN" if why else "HEALTHY"
            await asyncio.sleep(POLL_S)

    def _notice(self, service: _Service) -> None:
        for task in service.there():
            if task.status == "RUNNING" and not self.cluster.process(task.process).running:
                self._stopped(task, 137, "EssentialContainerExited", "Essential container in task exited")

    async def _scale(self, service: _Service) -> None:
        running = [one for one in service.there() if one.status == "RUNNING"]
        for task in running[service.desired :]:
            task.status = "DEACTIVATING"
            ending = asyncio.create_task(self._end(task))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        taken = {one.process for one in service.there()}
        free = [one.name for one in service.processes if one.name not in taken]
        for name in free[: max(0, service.desired - len(running))]:
            log = self.cluster.logs / f"{name}.log"
            task = _Task(name, log.stat().st_size if log.exists() else 0)
            await self.cluster.restart(name, wait=False)
            service.tasks.append(task)

    async def _end(self, task: _Task) -> None:
        await self.cluster.process(task.process).stop(STOP_TIMEOUT_S)
        self._stopped(task, 0, "ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)")

    def _stopped(self, task: _Task, exit_code: int, stop_code: str, reason: str) -> None:
        task.status, task.health, task.stopped_at = "STOPPED", "UNKNOWN", datetime.now(UTC)
        task.exit_code, task.stop_code, task.reason = exit_code, stop_code, reason

    def _process(self, service: _Service, task: _Task) -> ServerProcess:
        return next(one for one in service.processes if one.name == task.process)

    # The APIs

    def _ecs_describe_clusters(self, **_: Any) -> Mapping[str, Any]:
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        return {"clusters": [{"clusterArn": CLUSTER_ARN, "clusterName": CLUSTER, "status": "ACTIVE", "tags": tags}]}

    def _ecs_describe_services(self, *, services: list[str], **_: Any) -> Mapping[str, Any]:
        return {"services": [self._described(one) for one in self._services.values() if one.name in services]}

    def _described(self, one: _Service) -> dict[str, Any]:
        pending = max(0, one.desired - one.running)
        deployment = {
            "id": f"ecs-svc/{one.key}",
            "status": "PRIMARY",
            "rolloutState": "COMPLETED",
            "taskDefinition": one.definition,
            "desiredCount": one.desired,
            "runningCount": one.running,
            "pendingCount": pending,
            "failedTasks": 0,
            "createdAt": datetime.fromtimestamp(0, UTC),
        }
        return {
            "serviceName": one.name,
            "status": "ACTIVE",
            "desiredCount": one.desired,
            "runningCount": one.running,
            "pendingCount": pending,
            "taskDefinition": one.definition,
            "deployments": [deployment],
            "events": [],
        }

    def _ecs_update_service(self, *, service: str, desiredCount: int, **_: Any) -> Mapping[str, Any]:
        one = next(one for one in self._services.values() if one.name == service)
        assert desiredCount <= len(one.processes), "a local cluster has so many processes"
        one.desired = desiredCount
        return {"service": self._described(one)}

    def _ecs_list_tasks(self, *, desiredStatus: str, **_: Any) -> Mapping[str, Any]:
        wanted = ("RUNNING",) if desiredStatus == "RUNNING" else ("DEACTIVATING", "STOPPED")
        return {"taskArns": [task.arn for _, task in self._tasks() if task.status in wanted]}

    def _ecs_describe_tasks(self, *, tasks: list[str], **_: Any) -> Mapping[str, Any]:
        return {"tasks": [self._task(service, task) for service, task in self._tasks() if task.arn in tasks]}

    def _tasks(self) -> list[tuple[_Service, _Task]]:
        return [(service, task) for service in self._services.values() for task in service.tasks]

    def _task(self, service: _Service, task: _Task) -> dict[str, Any]:
        container: dict[str, Any] = {"name": service.key}
        if task.exit_code is not None:
            container["exitCode"] = task.exit_code
        told = {
            "taskArn": task.arn,
            "taskDefinitionArn": service.definition,
            "group": f"service:{service.name}",
            "lastStatus": task.status,
            "desiredStatus": "RUNNING" if task.status == "RUNNING" else "STOPPED",
            "healthStatus": task.health,
            "createdAt": task.created_at,
            "startedAt": task.created_at,
            "attachments": [{"details": [{"name": "privateIPv4Address", "value": HOST}]}],
            "containers": [container],
        }
        if task.stopped_at is not None:
            told |= {"stoppedAt": task.stopped_at, "stopCode": task.stop_code, "stoppedReason": task.reason}
        return told

    def _ecs_describe_task_definition(self, *, taskDefinition: str) -> Mapping[str, Any]:
        check = {"command": ["CMD", "auroral-server", "health"]}
        containers = [{"name": taskDefinition.removeprefix(f"{CLUSTER}-"), "essential": True, "healthCheck": check}]
        arn = f"{ARN}:task-definition/{taskDefinition}:1"
        return {"taskDefinition": {"taskDefinitionArn": arn, "containerDefinitions": containers}}

    def _ecs_tag_resource(self, *, tags: list[Mapping[str, str]], **_: Any) -> Mapping[str, Any]:
        self.tags |= {one["key"]: one["value"] for one in tags}
        return {}

    def _ecs_untag_resource(self, *, tagKeys: list[str], **_: Any) -> Mapping[str, Any]:
        for key in tagKeys:
            self.tags.pop(key, None)
        return {}

    def _sts_get_caller_identity(self) -> Mapping[str, Any]:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/jane", "UserId": "jane"}

    def _application_autoscaling_describe_scalable_targets(self, **_: Any) -> Mapping[str, Any]:
        return {"ScalableTargets": []}

    def _logs_filter_log_events(self, *, logGroupName: str, filterPattern: str, **_: Any) -> Mapping[str, Any]:
        """What the processes themselves wrote, with the texts that are looked for."""
        wanted = [text for text in filterPattern.split('"')[1::2] if text.strip(" ?")]
        return {
            "events": [
                {"logStreamName": f"{service.key}/{service.key}/{task.id}", "message": line}
                for service in self._services.values()
                if logGroupName.endswith(f"/{service.key}")
                for task in service.tasks
                for line in self._lines(service, task)
                if any(text in line for text in wanted)
            ]
        }

    def _lines(self, service: _Service, task: _Task) -> list[str]:
        """A task's part of its process's log: up to where the next one began."""
        later = [one.log_from for one in service.tasks if one.process == task.process and one.log_from > task.log_from]
        with (self.cluster.logs / f"{task.process}.log").open("rb") as file:
            file.seek(task.log_from)
            return file.read(min(later) - task.log_from if later else -1).decode(errors="replace").splitlines()
