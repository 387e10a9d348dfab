"""What moto 5.2 lacks of the AWS that infra/ uses, filled in at its server's boundary. Each says what is missing."""

from __future__ import annotations

import json
import uuid
from typing import Any

_kept: list[dict[str, Any]] = []
"""What the filled gaps remember."""


def _memory() -> dict[str, Any]:
    """A dictionary that a reset of moto empties."""
    _kept.append({})
    return _kept[-1]


def fill() -> None:
    """Fill every gap in this process."""
    _forgotten_with_the_rest()
    _account_setting_default()
    _application_autoscaling_tags()
    _backup_selections()
    _alert_manager()
    _services_forget()
    _services_deploy()
    _instances_forget()


def _forgotten_with_the_rest() -> None:
    from moto.moto_api._internal.models import MotoAPIBackend

    own = MotoAPIBackend.reset

    def reset(self: Any) -> None:
        own(self)
        for memory in _kept:
            memory.clear()

    MotoAPIBackend.reset = reset


def _account_setting_default() -> None:
    """ECS has PutAccountSetting, but not PutAccountSettingDefault, which sets it for every principal."""
    from moto.ecs.responses import EC2ContainerServiceResponse

    def put_account_setting_default(self: Any) -> Any:
        return self.put_account_setting()

    EC2ContainerServiceResponse.put_account_setting_default = put_account_setting_default


def _application_autoscaling_tags() -> None:
    """Application Auto Scaling lists no tags, which the provider reads after each target it makes."""
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

    tags: dict[str, dict[str, str]] = _memory()

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})

    def tag_resource(self: Any) -> str:
        tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags"))
        return "{}"

    def untag_resource(self: Any) -> str:
        for name in self._get_param("TagKeys"):
            tags.get(self._get_param("ResourceARN"), {}).pop(name, None)
        return "{}"

    ApplicationAutoScalingResponse.list_tags_for_resource = list_tags_for_resource
    ApplicationAutoScalingResponse.tag_resource = tag_resource
    ApplicationAutoScalingResponse.untag_resource = untag_resource


def _backup_selections() -> None:
    """AWS Backup has plans, but nothing that says what a plan copies."""
    from moto.backup.responses import BackupResponse

    selections: dict[str, dict[str, Any]] = _memory()

    def plan_of(self: Any) -> str:
        return str(self.path.split("/plans/")[1].split("/")[0])

    def create_backup_selection(self: Any) -> str:
        name = str(uuid.uuid4())
        selections[name] = {
            "BackupSelection": json.loads(self.body)["BackupSelection"],
            "BackupPlanId": plan_of(self),
            "SelectionId": name,
            "CreationDate": 0,
        }
        return json.dumps({key: selections[name][key] for key in ("BackupPlanId", "SelectionId", "CreationDate")})

    def get_backup_selection(self: Any) -> Any:
        found = selections.get(self.path.rstrip("/").rpartition("/")[2])
        if found is None:
            return 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, "{}"
        return json.dumps(found)

    def delete_backup_selection(self: Any) -> str:
        selections.pop(self.path.rstrip("/").rpartition("/")[2], None)
        return "{}"

    BackupResponse.create_backup_selection = create_backup_selection
    BackupResponse.get_backup_selection = get_backup_selection
    BackupResponse.delete_backup_selection = delete_backup_selection


def _alert_manager() -> None:
    """Amazon Managed Prometheus has workspaces and rules, but no definition of the alert manager."""
    from moto.amp import urls
    from moto.amp.responses import PrometheusServiceResponse

    definitions: dict[str, dict[str, Any]] = _memory()
    path = "{0}/workspaces/(?P<workspace_id>[^/]+)/alertmanager/definition$"
    urls.url_paths[path] = PrometheusServiceResponse.dispatch

    def workspace_of(self: Any) -> str:
        return str(self.path.split("/workspaces/")[1].split("/")[0])

    def create(self: Any) -> Any:
        status = {"statusCode": "ACTIVE"}
        told = {"status": status, "data": json.loads(self.body)["data"], "createdAt": 0, "modifiedAt": 0}
        definitions[workspace_of(self)] = told
        return 202, {}, json.dumps({"status": status})

    def describe(self: Any) -> Any:
        found = definitions.get(workspace_of(self))
        if found is None:
            return 404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, "{}"
        return json.dumps({"alertManagerDefinition": found})

    def delete(self: Any) -> Any:
        definitions.pop(workspace_of(self), None)
        return 202, {}, "{}"

    PrometheusServiceResponse.create_alert_manager_definition = create
    PrometheusServiceResponse.put_alert_manager_definition = create
    PrometheusServiceResponse.describe_alert_manager_definition = describe
    PrometheusServiceResponse.delete_alert_manager_definition = delete


def _services_forget() -> None:
    """A service of ECS forgets whether sessions may enter it, where its tasks go, and when it rolls back."""
    from moto.ecs.responses import EC2ContainerServiceResponse

    own = EC2ContainerServiceResponse.create_service
    kept = {
        "enableExecuteCommand": "enable_execute_command",
        "capacityProviderStrategy": "capacity_provider_strategy",
        "placementStrategy": "placement_strategy",
        "placementConstraints": "placement_constraints",
        "availabilityZoneRebalancing": "availability_zone_rebalancing",
        "deploymentConfiguration": "deployment_configuration",
    }

    def create_service(self: Any) -> Any:
        answer = own(self)
        service = answer.result["service"]
        for parameter, attribute in kept.items():
            value = self._get_param(parameter)
            if value is not None:
                setattr(service, attribute, value)
        return answer

    EC2ContainerServiceResponse.create_service = create_service


def _services_deploy() -> None:
    """A service that is updated keeps the deployment that it was created with, whatever it runs by then.

    moto starts no tasks and has all that is wanted run at once: so has the deployment.
    """
    from moto.core.utils import utcnow
    from moto.ecs.models import EC2ContainerServiceBackend
    from moto.moto_api._internal import mock_random

    own = EC2ContainerServiceBackend.update_service

    def update_service(self: Any, service_properties: dict[str, Any]) -> Any:
        asked = dict(service_properties)
        service = own(self, service_properties)
        if not service.deployments:
            return service
        now = utcnow()
        one = service.deployments[0]
        if asked.get("task_definition"):
            service.task_definition = self.describe_task_definition(asked["task_definition"]).arn
        if asked.get("force_new_deployment") or service.task_definition != one["taskDefinition"]:
            one |= {"id": f"ecs-svc/{mock_random.randint(0, 10**19)}", "createdAt": now}
        one |= {
            "taskDefinition": service.task_definition,
            "desiredCount": service.desired_count,
            "runningCount": service.running_count,
            "pendingCount": service.pending_count,
            "updatedAt": now,
        }
        if service.running_count == service.desired_count:
            one |= {"rolloutState": "COMPLETED", "rolloutStateReason": f"ECS deployment {one['id']} completed."}
        return service

    EC2ContainerServiceBackend.update_service = update_service


def _instances_forget() -> None:
    """An instance that registers forgets what its agent tells of it, and which capacity provider it came by."""
    from moto.autoscaling.models import autoscaling_backends
    from moto.ecs.responses import EC2ContainerServiceResponse

    own = EC2ContainerServiceResponse.register_container_instance

    def register_container_instance(self: Any) -> Any:
        answer = own(self)
        one = answer.result["containerInstance"]
        backend = self.ecs_backend
        for told in self._get_param("totalResources") or []:
            for listed in (one.registered_resources, one.remaining_resources):
                listed[:] = [told if old["name"] == told["name"] else old for old in listed]
        one.attributes |= {told["name"]: told.get("value", "") for told in self._get_param("attributes") or []}
        groups = autoscaling_backends[backend.account_id][backend.region_name].autoscaling_groups.values()
        arns = {
            group.arn
            for group in groups
            if one.ec2_instance_id in {state.instance.id for state in group.instance_states}
        }
        for name, provider in backend.capacity_providers.items():
            if provider.auto_scaling_group_provider["autoScalingGroupArn"] in arns:
                one.capacity_provider_name = name
        return answer

    EC2ContainerServiceResponse.register_container_instance = register_container_instance
