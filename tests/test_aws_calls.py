"""Calls as values: what reads, what a shell would run, and what AWS's failures mean."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from auroral.aws_calls import Call, Failure, Kind, api_name, kind_of


@pytest.mark.parametrize(
    ("operation", "reads"),
    [
        *((name, True) for name in ("describe_services", "list_tasks", "get_log_events", "filter_log_events")),
        *((name, False) for name in ("update_service", "run_task", "execute_command", "tag_resource")),
    ],
)
def test_what_changes_nothing(operation: str, reads: bool) -> None:
    assert Call(service="ecs", operation=operation, arguments={}).reads is reads


def test_every_operation_that_counts_as_reading_reads() -> None:
    """AWS's own models: an operation with one of our prefixes has no counterpart that changes something."""
    import botocore.session

    loader = botocore.session.Session()
    for service in ("ecs", "logs", "cloudwatch", "dsql", "autoscaling", "application-autoscaling"):
        for name in loader.get_service_model(service).operation_names:
            operation = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
            changes = ("create_", "delete_", "put_", "update_", "start_", "stop_", "run_", "register_", "tag_", "set_")
            if operation.startswith(changes):
                assert not Call(service=service, operation=operation, arguments={}).reads, operation


def test_a_shells_line_holds_every_argument() -> None:
    strategy = [{"capacityProvider": "main", "weight": 1}]
    arguments: dict[str, Any] = {
        "cluster": "dev",
        "taskDefinition": "dev-history:3",
        "desiredCount": 4,
        "services": ["a b", "c"],
        "forceNewDeployment": True,
        "enableExecuteCommand": False,
        "capacityProviderStrategy": strategy,
    }
    call = Call(service="ecs", operation="update_service", arguments=arguments)
    parts = shlex.split(call.shell(region="eu-west-1", profile="ops"))
    assert parts[:7] == ["aws", "--profile", "ops", "--region", "eu-west-1", "ecs", "update-service"]
    assert parts[parts.index("--task-definition") + 1] == "dev-history:3"
    assert parts[parts.index("--desired-count") + 1] == "4"
    after = parts.index("--services")
    assert parts[after : after + 3] == ["--services", "a b", "c"]
    assert "--force-new-deployment" in parts
    assert "--no-enable-execute-command" in parts
    assert json.loads(parts[parts.index("--capacity-provider-strategy") + 1]) == strategy


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Kind.THROTTLED),
        ("ExpiredTokenException", Kind.EXPIRED),
        ("AccessDeniedException", Kind.DENIED),
        ("ServiceNotFoundException", Kind.MISSING),
        ("UpdateInProgressException", Kind.CONFLICT),
        ("InsufficientInstanceCapacity", Kind.CAPACITY),
        ("ServiceUnavailable", Kind.UNREACHABLE),
        ("InvalidParameterException", Kind.INVALID),
        ("SomethingNew", Kind.UNKNOWN),
    ],
)
def test_kinds(code: str, kind: Kind) -> None:
    assert kind_of(code) is kind


def test_what_passes_by_itself() -> None:
    passing = {kind for kind in Kind if Failure(kind=kind, code="", words="").passes}
    assert passing == {Kind.THROTTLED, Kind.UNREACHABLE, Kind.CONFLICT}


def test_names_as_policies_have_them() -> None:
    assert api_name("ecs", "update_service") == "ecs:UpdateService"
    assert api_name("logs", "filter_log_events") == "logs:FilterLogEvents"
