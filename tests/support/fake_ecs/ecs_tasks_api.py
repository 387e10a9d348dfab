"""ECS's operations on tasks and task definitions, in boto3's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.fake_ecs.definitions import Definition
from tests.support.fake_ecs.failures import Refused, client, cluster_not_found, invalid
from tests.support.fake_ecs.tasks import EXEC_AGENT_S, Task
from tests.support.fake_ecs.world import World

TASKS_OF_A_RUN = 10
PROVISIONING_MOST = 500
"""Tasks of a cluster in PROVISIONING at once (Service Quotas of ECS)."""


class TasksApi:
    """RunTask, StopTask, ListTasks, DescribeTasks, ExecuteCommand; task definitions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens: dict[str, tuple[dict[str, Any], list[Task]]] = {}

    def operations(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        names = (
            "run_task",
            "stop_task",
            "list_tasks",
            "describe_tasks",
            "execute_command",
            "describe_task_definition",
            "list_task_definitions",
            "register_task_definition",
        )
        return {name: getattr(self, name) for name in names}

    def run_task(self, **request: Any) -> dict[str, Any]:
        """At once, or waiting in PROVISIONING where a capacity provider is named."""
        in_cluster(self._world, request.get("cluster"))
        token = request.get("clientToken")
        if token in self._tokens:
            before, begun = self._tokens[token]
            if before != request:
                raise Refused("ConflictException", "The clientToken is in use by another request.")
            return self._ran(begun, [])
        definition = self._checked(request)
        provider = self._provider(request)
        tasks: list[Task] = []
        failures: list[dict[str, Any]] = []
        for _ in range(request.get("count", 1)):
            if not provider:
                lacks, closest = self._world.lacking(definition)
                if lacks == "NONE":
                    raise invalid("No Container Instances were found in your cluster.")
                if lacks:
                    failures.append({"reason": _reason(lacks), **({"arn": closest.arn} if closest else {})})
                    continue
            elif sum(one.status == "PROVISIONING" for one in self._world.tasks) >= PROVISIONING_MOST:
                raise client("You've reached the limit on the number of tasks that can be in the PROVISIONING state.")
            made = self._world.run(
                definition,
                started_by=request.get("startedBy", ""),
                provider=provider,
                overrides=request.get("overrides", {}),
                group=request.get("group", f"family:{definition.family}"),
                exec_enabled=request.get("enableExecuteCommand", False),
            )
            made.tags = {one["key"]: one["value"] for one in request.get("tags", ())}
            tasks.append(made)
        if token:
            self._tokens[token] = (request, tasks)
        return self._ran(tasks, failures)

    def stop_task(self, *, task: str, cluster: str | None = None, reason: str = "") -> dict[str, Any]:
        """SIGTERM; a stopped task stays stopped."""
        in_cluster(self._world, cluster)
        clock = self._world.clock
        for one in self._world.tasks:
            if task in (one.arn, one.id):
                one.stop("UserInitiated", reason or "Task stopped by user", clock.utc(), clock.elapsed_s)
                return {"task": one.described(self._world.names.cluster_arn)}
        raise invalid("The referenced task was not found.")

    def list_tasks(
        self,
        *,
        cluster: str | None = None,
        containerInstance: str | None = None,
        family: str | None = None,
        startedBy: str | None = None,
        serviceName: str | None = None,
        desiredStatus: str = "RUNNING",
        launchType: str | None = None,
        nextToken: str | None = None,
        maxResults: int = 100,
    ) -> dict[str, Any]:
        """By desired status; the older first."""
        in_cluster(self._world, cluster)
        if startedBy is not None and (family or serviceName or containerInstance or launchType):
            raise invalid("startedBy must be the only filter.")
        group = f"service:{self._world.service(serviceName).name}" if serviceName else None
        found = [
            one["taskArn"]
            for one in self._world.listed()
            if one["desiredStatus"] == desiredStatus
            if family is None or _family(one) == family
            if startedBy is None or one["startedBy"] == startedBy
            if group is None or one["group"] == group
            if containerInstance is None or containerInstance in one.get("containerInstanceArn", "")
            if launchType is None or one["launchType"] == launchType
        ]
        return paged("taskArns", found, nextToken, maxResults)

    def describe_tasks(
        self, *, tasks: list[str], cluster: str | None = None, include: list[str] | None = None
    ) -> dict[str, Any]:
        """Up to 100; those that are not known are failures."""
        in_cluster(self._world, cluster)
        if not 1 <= len(tasks) <= 100:
            raise invalid("Tasks must be between 1 and 100.")
        known: dict[str, dict[str, Any]] = {}
        for one in self._world.told({*tasks}):
            known[one["taskArn"]] = known[one["taskArn"].rsplit("/", 1)[-1]] = one
        found = [dict(known[name]) for name in dict.fromkeys(tasks) if name in known]
        if "TAGS" not in (include or ()):
            found = [one | {"tags": []} for one in found]
        arn = self._world.names.arn
        missing = [name if name.startswith("arn:") else arn("task", name) for name in tasks if name not in known]
        return {"tasks": found, "failures": [{"arn": name, "reason": "MISSING"} for name in missing]}

    def execute_command(
        self, *, task: str, command: str, interactive: bool, cluster: str | None = None, container: str | None = None
    ) -> dict[str, Any]:
        """A session of Session Manager, which nobody serves here."""
        in_cluster(self._world, cluster)
        found = next((one for one in self._world.tasks if task in (one.arn, one.id)), None)
        if found is None:
            raise invalid("The referenced task was not found.")
        if not found.exec_enabled:
            raise invalid(
                "The execute command failed because execute command was not enabled when the task was run or the "
                "execute command agent isn't running."
            )
        started_s = found.started_s
        ready = started_s is not None and self._world.clock.elapsed_s - started_s >= EXEC_AGENT_S
        if found.status != "RUNNING" or not ready:
            raise Refused("TargetNotConnectedException", "The execute command failed due to an internal error.")
        name = container or found.definition.container["name"]
        if name not in {one["name"] for one in found.definition.containers}:
            raise invalid("The container was not found in the task.")
        session = f"ecs-execute-command-{self._world.names.hex(17)}"
        url = f"wss://ssmmessages.{self._world.names.region}.amazonaws.com/v1/data-channel/{session}"
        return {
            "clusterArn": self._world.names.cluster_arn,
            "containerName": name,
            "containerArn": f"{found.arn.replace(':task/', ':container/')}/{found.attachment_id}",
            "interactive": interactive,
            "session": {"sessionId": session, "streamUrl": url, "tokenValue": self._world.names.hex(40)},
            "taskArn": found.arn,
        }

    def describe_task_definition(self, *, taskDefinition: str, include: list[str] | None = None) -> dict[str, Any]:
        """By ARN, `family:revision`, or a family's last."""
        found = self._world.definitions.find(taskDefinition)
        tags = self._world.tags.get(found.arn, {})
        told = [{"key": key, "value": value} for key, value in tags.items()]
        return {"taskDefinition": found.described(), "tags": told if "TAGS" in (include or ()) else []}

    def list_task_definitions(
        self,
        *,
        familyPrefix: str | None = None,
        status: str = "ACTIVE",
        sort: str = "ASC",
        nextToken: str | None = None,
        maxResults: int = 100,
    ) -> dict[str, Any]:
        """ARNs; `familyPrefix` is a family's whole name."""
        found = self._world.definitions.listed(familyPrefix) if status == "ACTIVE" else []
        return paged("taskDefinitionArns", found[::-1] if sort == "DESC" else found, nextToken, maxResults)

    def register_task_definition(
        self, *, family: str, containerDefinitions: list[dict[str, Any]], cpu: str, memory: str, **rest: Any
    ) -> dict[str, Any]:
        """The next revision of a family."""
        made = self._world.definitions.register(
            family, containerDefinitions, cpu=int(cpu), memory=int(memory), attribute=_attribute(rest)
        )
        return {"taskDefinition": made.described(), "tags": []}

    def _checked(self, request: Mapping[str, Any]) -> Definition:
        if not 1 <= request.get("count", 1) <= TASKS_OF_A_RUN:
            raise invalid("count must be between 1 and 10")
        if "launchType" in request and "capacityProviderStrategy" in request:
            raise invalid("Specifying both a launch type and capacity provider strategy is not supported.")
        definition = self._world.definitions.find(request["taskDefinition"])
        if "awsvpcConfiguration" not in request.get("networkConfiguration", {}):
            raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        names = {one["name"] for one in definition.containers}
        for one in request.get("overrides", {}).get("containerOverrides", ()):
            if one.get("name") not in names:
                raise invalid(
                    f"Override for container named {one.get('name')} is not a container in the TaskDefinition."
                )
        return definition

    def _provider(self, request: Mapping[str, Any]) -> str:
        strategy = request.get("capacityProviderStrategy")
        if not strategy:
            return ""
        name = str(strategy[0]["capacityProvider"])
        if name not in self._world.groups:
            raise invalid("The specified capacity provider was not found. Specify a valid name or ARN and try again.")
        return name

    def _ran(self, tasks: list[Task], failures: list[dict[str, Any]]) -> dict[str, Any]:
        cluster = self._world.names.cluster_arn
        return {"tasks": [one.described(cluster) for one in tasks], "failures": failures}


def in_cluster(world: World, cluster: str | None) -> None:
    """Raises `Refused` where no cluster of that name or ARN is there; none given means `default`."""
    if (cluster or "default") not in (world.names.cluster, world.names.cluster_arn):
        raise cluster_not_found()


def paged(field: str, found: list[Any], token: str | None, most: int) -> dict[str, Any]:
    """One page, and where to go on."""
    if not 1 <= most <= 100:
        raise invalid("maxResults must be between 1 and 100")
    skip = int(token or 0)
    following = {"nextToken": str(skip + most)} if skip + most < len(found) else {}
    return {field: found[skip : skip + most], **following}


def _reason(lacks: str) -> str:
    return "AGENT" if lacks == "AGENT" else f"RESOURCE:{lacks}"


def _family(task: Mapping[str, Any]) -> str:
    return str(task["taskDefinitionArn"]).rsplit("/", 1)[-1].partition(":")[0]


def _attribute(rest: Mapping[str, Any]) -> str:
    for one in rest.get("placementConstraints") or ():
        if "attribute:workload == " in one.get("expression", ""):
            return str(one["expression"]).partition(" == ")[2]
    return ""
