"""ECS's operations on services, instances, the cluster and tags; Auto Scaling groups. In boto3's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.fake_ecs.ecs_tasks_api import in_cluster, paged
from tests.support.fake_ecs.failures import Refused, invalid
from tests.support.fake_ecs.instances import Group, Instance
from tests.support.fake_ecs.world import World

TAG_VALUE_MOST, TAG_KEY_MOST, TAGS_MOST = 256, 128, 50
"""ECS API Reference, `Tag`."""
TAG_TEXT = re.compile(r"[\w\s+\-=.:/@]*")


class ClusterApi:
    """UpdateService, DescribeServices, container instances, capacity providers, tags."""

    def __init__(self, world: World) -> None:
        self._world = world

    def operations(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        names = (
            "update_service",
            "describe_services",
            "list_services",
            "describe_clusters",
            "list_clusters",
            "list_container_instances",
            "describe_container_instances",
            "describe_capacity_providers",
            "tag_resource",
            "untag_resource",
            "list_tags_for_resource",
        )
        return {name: getattr(self, name) for name in names}

    def update_service(
        self,
        *,
        service: str,
        cluster: str | None = None,
        desiredCount: int | None = None,
        taskDefinition: str | None = None,
        forceNewDeployment: bool = False,
        deploymentConfiguration: Mapping[str, Any] | None = None,
        enableExecuteCommand: bool | None = None,
    ) -> dict[str, Any]:
        """A count changes no deployment; another task definition, or force, begins one (ECS API Reference)."""
        world = self._world
        in_cluster(world, cluster)
        found = world.service(service)
        if found.status != "ACTIVE":
            raise Refused("ServiceNotActiveException", "Service was not ACTIVE.")
        if desiredCount is not None and desiredCount < 0:
            raise invalid("desiredCount cannot be negative")
        definition = world.definitions.find(taskDefinition).arn if taskDefinition else found.task_definition
        if desiredCount is not None and desiredCount != found.desired:
            found.desired = desiredCount
            found.primary.updated_at = world.clock.utc()
            world.scheduler.resume(found)
        changed = deploymentConfiguration or {}
        found.min_healthy_percent = changed.get("minimumHealthyPercent", found.min_healthy_percent)
        found.max_percent = changed.get("maximumPercent", found.max_percent)
        breaker = changed.get("deploymentCircuitBreaker", {})
        found.breaker, found.rollback = breaker.get("enable", found.breaker), breaker.get("rollback", found.rollback)
        if enableExecuteCommand is not None:
            found.exec_enabled = enableExecuteCommand
        if definition != found.task_definition or forceNewDeployment:
            world.scheduler.deploy(found, definition)
        return {"service": found.described(world.names.cluster_arn) | {"tags": self._tags(found.arn)}}

    def describe_services(
        self, *, services: list[str], cluster: str | None = None, include: list[str] | None = None
    ) -> dict[str, Any]:
        """Up to 10; those that are not known are failures."""
        world = self._world
        in_cluster(world, cluster)
        if not 1 <= len(services) <= 10:
            raise invalid("Services cannot be empty." if not services else "Services must not exceed 10.")
        known = {one.name: one for one in world.services.values()} | {one.arn: one for one in world.services.values()}
        found = [known[name].described(world.names.cluster_arn) for name in services if name in known]
        if "TAGS" in (include or ()):
            found = [one | {"tags": self._tags(one["serviceArn"])} for one in found]
        arn = world.names.arn
        missing = [name if name.startswith("arn:") else arn("service", name) for name in services if name not in known]
        return {"services": found, "failures": [{"arn": name, "reason": "MISSING"} for name in missing]}

    def list_services(
        self,
        *,
        cluster: str | None = None,
        nextToken: str | None = None,
        maxResults: int = 10,
        launchType: str | None = None,
        schedulingStrategy: str | None = None,
    ) -> dict[str, Any]:
        """ARNs, ten a page unless asked otherwise."""
        in_cluster(self._world, cluster)
        return paged("serviceArns", [one.arn for one in self._world.services.values()], nextToken, maxResults)

    def list_clusters(self, *, nextToken: str | None = None, maxResults: int = 100) -> dict[str, Any]:
        """The one."""
        return paged("clusterArns", [self._world.names.cluster_arn], nextToken, maxResults)

    def describe_clusters(
        self, *, clusters: list[str] | None = None, include: list[str] | None = None
    ) -> dict[str, Any]:
        """Tags and settings where they are asked for."""
        world = self._world
        names = world.names
        asked = clusters or ["default"]
        arns = [f"arn:aws:ecs:{names.region}:{names.account}:cluster/{one.rsplit('/', 1)[-1]}" for one in asked]
        missing = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn != names.cluster_arn]
        if names.cluster_arn not in arns:
            return {"clusters": [], "failures": missing}
        tasks = world.tasks
        found: dict[str, Any] = {
            "clusterArn": names.cluster_arn,
            "clusterName": names.cluster,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": len(world.instances),
            "runningTasksCount": sum(one.status == "RUNNING" for one in tasks),
            "pendingTasksCount": sum(one.pending for one in tasks),
            "activeServicesCount": len(world.services),
            "statistics": [],
            "tags": self._tags(names.cluster_arn) if "TAGS" in (include or ()) else [],
            "settings": [{"name": "containerInsights", "value": "enhanced"}] if "SETTINGS" in (include or ()) else [],
            "capacityProviders": list(world.groups),
            "defaultCapacityProviderStrategy": [],
        }
        return {"clusters": [found], "failures": missing}

    def list_container_instances(
        self,
        *,
        cluster: str | None = None,
        nextToken: str | None = None,
        maxResults: int = 100,
        status: str | None = None,
        filter: str | None = None,
    ) -> dict[str, Any]:
        """ARNs; filters of the query language are not known here."""
        if filter:
            raise AssertionError("this double knows no cluster query language")
        in_cluster(self._world, cluster)
        found = [one.arn for one in self._world.instances if status in (None, one.status)]
        return paged("containerInstanceArns", found, nextToken, maxResults)

    def describe_container_instances(
        self, *, containerInstances: list[str], cluster: str | None = None, include: list[str] | None = None
    ) -> dict[str, Any]:
        """Up to 100."""
        in_cluster(self._world, cluster)
        if not 1 <= len(containerInstances) <= 100:
            raise invalid("Container Instances must be between 1 and 100.")
        by_name = {one.arn: one for one in self._world.instances} | {one.id: one for one in self._world.instances}
        arn = self._world.names.arn
        missing = [name for name in containerInstances if name not in by_name]
        missing = [name if name.startswith("arn:") else arn("container-instance", name) for name in missing]
        return {
            "containerInstances": [self._instance(by_name[name]) for name in containerInstances if name in by_name],
            "failures": [{"arn": name, "reason": "MISSING"} for name in missing],
        }

    def describe_capacity_providers(
        self,
        *,
        capacityProviders: list[str] | None = None,
        cluster: str | None = None,
        include: list[str] | None = None,
        maxResults: int = 10,
        nextToken: str | None = None,
    ) -> dict[str, Any]:
        """Those of Auto Scaling groups."""
        names = capacityProviders or list(self._world.groups)
        shorts = [name.rsplit("/", 1)[-1] for name in names]
        found = [self._provider(self._world.groups[name]) for name in shorts if name in self._world.groups]
        answer = paged("capacityProviders", found, nextToken, maxResults)
        missing = [name for name in shorts if name not in self._world.groups]
        return answer | {"failures": [{"arn": self._provider_arn(name), "reason": "MISSING"} for name in missing]}

    def tag_resource(self, *, resourceArn: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        """Tags that are not named stay."""
        found = self._taggable(resourceArn)
        for one in tags:
            key, value = one.get("key", ""), one.get("value", "")
            if len(key) > TAG_KEY_MOST or len(value) > TAG_VALUE_MOST or not TAG_TEXT.fullmatch(key + value):
                raise invalid("Invalid tag: see the restrictions of keys and values.")
            if key.lower().startswith("aws:"):
                raise invalid("Tag keys may not start with the reserved prefix aws:")
            found[key] = value
        if len(found) > TAGS_MOST:
            raise invalid("Tags can not be more than 50")
        return {}

    def untag_resource(self, *, resourceArn: str, tagKeys: list[str]) -> dict[str, Any]:
        """Keys that are not there are no error."""
        found = self._taggable(resourceArn)
        for key in tagKeys:
            found.pop(key, None)
        return {}

    def list_tags_for_resource(self, *, resourceArn: str) -> dict[str, Any]:
        """All of them."""
        self._taggable(resourceArn)
        return {"tags": self._tags(resourceArn)}

    def _taggable(self, arn: str) -> dict[str, str]:
        world = self._world
        for task in world.tasks:
            if task.arn == arn:
                return task.tags
        known = {world.names.cluster_arn, *(one.arn for one in world.services.values())}
        known |= {one.arn for one in world.instances} | {self._provider_arn(name) for name in world.groups}
        if arn not in known and arn not in world.definitions.listed(None):
            raise invalid("The specified resource was not found.")
        return world.tags.setdefault(arn, {})

    def _tags(self, arn: str) -> list[dict[str, str]]:
        return [{"key": key, "value": value} for key, value in self._taggable(arn).items()]

    def _instance(self, one: Instance) -> dict[str, Any]:
        attributes = {
            "ecs.availability-zone": one.zone,
            "ecs.instance-type": one.type.name,
            "ecs.cpu-architecture": "arm64",
            "ecs.os-type": "linux",
            **({"ecs.awsvpc-trunk-id": f"eni-{one.ec2_id[2:]}"} if one.trunking else {}),
            **one.attributes,
        }
        tasks = [task for task in self._world.tasks if task.instance is one and task.status != "STOPPED"]
        return {
            "containerInstanceArn": one.arn,
            "ec2InstanceId": one.ec2_id,
            "capacityProviderName": one.provider,
            "version": 1 + len(tasks),
            "status": one.status,
            "agentConnected": one.connected,
            "runningTasksCount": sum(task.status == "RUNNING" for task in tasks),
            "pendingTasksCount": sum(task.pending for task in tasks),
            "registeredAt": one.registered_at,
            "registeredResources": _resources(one.type.cpu_units, one.memory),
            "remainingResources": _resources(one.cpu_left, one.memory_left),
            "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
            "attachments": [],
            "tags": [],
        }

    def _provider(self, group: Group) -> dict[str, Any]:
        scaling = {
            "status": "ENABLED" if group.managed else "DISABLED",
            "targetCapacity": 100,
            "minimumScalingStepSize": 1,
            "maximumScalingStepSize": group.maximum or 1,
            "instanceWarmupPeriod": 60,
        }
        return {
            "capacityProviderArn": self._provider_arn(group.provider),
            "name": group.provider,
            "status": "ACTIVE",
            "autoScalingGroupProvider": {
                "autoScalingGroupArn": _group_arn(self._world, group),
                "managedScaling": scaling,
                "managedTerminationProtection": "ENABLED",
                "managedDraining": "ENABLED",
            },
            "tags": [],
        }

    def _provider_arn(self, name: str) -> str:
        names = self._world.names
        return f"arn:aws:ecs:{names.region}:{names.account}:capacity-provider/{name}"


class GroupsApi:
    """Auto Scaling groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def operations(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        names = (
            "describe_auto_scaling_groups",
            "set_desired_capacity",
            "update_auto_scaling_group",
            "describe_scaling_activities",
        )
        return {name: getattr(self, name) for name in names}

    def describe_auto_scaling_groups(
        self,
        *,
        AutoScalingGroupNames: list[str] | None = None,
        NextToken: str | None = None,
        MaxRecords: int = 50,
    ) -> dict[str, Any]:
        """Names that are not known are left out."""
        found = [
            self._described(one)
            for one in self._world.groups.values()
            if AutoScalingGroupNames is None or one.name in AutoScalingGroupNames
        ]
        skip = int(NextToken or 0)
        following = {"NextToken": str(skip + MaxRecords)} if skip + MaxRecords < len(found) else {}
        return {"AutoScalingGroups": found[skip : skip + MaxRecords], **following}

    def set_desired_capacity(
        self, *, AutoScalingGroupName: str, DesiredCapacity: int, HonorCooldown: bool = False
    ) -> dict[str, Any]:
        """Within the group's bounds."""
        self._group(AutoScalingGroupName).ask(DesiredCapacity)
        return {}

    def update_auto_scaling_group(
        self,
        *,
        AutoScalingGroupName: str,
        MinSize: int | None = None,
        MaxSize: int | None = None,
        DesiredCapacity: int | None = None,
    ) -> dict[str, Any]:
        """The desired capacity follows new bounds."""
        group = self._group(AutoScalingGroupName)
        least = group.minimum if MinSize is None else MinSize
        most = group.maximum if MaxSize is None else MaxSize
        if least > most:
            raise Refused("ValidationError", f"Max bound, {most}, must be greater than or equal to min bound, {least}")
        desired = min(max(group.desired, least), most) if DesiredCapacity is None else DesiredCapacity
        group.ask(desired, minimum=least, maximum=most)
        return {}

    def describe_scaling_activities(
        self, *, AutoScalingGroupName: str, MaxRecords: int = 100, NextToken: str | None = None
    ) -> dict[str, Any]:
        """The newest first."""
        return {"Activities": self._group(AutoScalingGroupName).activities[:MaxRecords]}

    def _group(self, name: str) -> Group:
        for one in self._world.groups.values():
            if one.name == name:
                return one
        raise Refused("ValidationError", "AutoScalingGroup name not found - null")

    def _described(self, group: Group) -> dict[str, Any]:
        instances = [
            {
                "InstanceId": one.ec2_id,
                "InstanceType": one.type.name,
                "AvailabilityZone": one.zone,
                "LifecycleState": "InService",
                "HealthStatus": "Healthy",
                "ProtectedFromScaleIn": bool(one.held),
            }
            for one in group.instances
        ]
        return {
            "AutoScalingGroupName": group.name,
            "AutoScalingGroupARN": _group_arn(self._world, group),
            "MinSize": group.minimum,
            "MaxSize": group.maximum,
            "DesiredCapacity": group.desired,
            "DefaultCooldown": 300,
            "AvailabilityZones": list(self._world.zones),
            "HealthCheckType": "EC2",
            "CreatedTime": self._world.clock.utc(),
            "Instances": instances,
            "NewInstancesProtectedFromScaleIn": True,
            "Tags": [],
        }


def _group_arn(world: World, group: Group) -> str:
    names = world.names
    prefix = f"arn:aws:autoscaling:{names.region}:{names.account}:autoScalingGroup"
    return f"{prefix}:{group.key}:autoScalingGroupName/{group.name}"


def _resources(cpu: int, memory: int) -> list[dict[str, Any]]:
    both = (("CPU", cpu), ("MEMORY", memory))
    numbers = [
        {"name": name, "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": value}
        for name, value in both
    ]
    ports = {"name": "PORTS", "type": "STRINGSET", "doubleValue": 0.0, "longValue": 0, "integerValue": 0}
    return [*numbers, {**ports, "stringSetValue": ["22", "2376", "2375", "51678", "51679"]}]
