"""The request for a one-shot task, and what its states mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.deployment import load_outputs
from auroral.ecs.one_shot.request import (
    MAX_OVERRIDE_BYTES,
    PROGRAMS,
    LogStream,
    OneShot,
    Place,
    Seen,
    container_of,
    ended,
    log_stream,
    no_room,
    place_of,
    refused,
    run_request,
    seen,
    task_id,
)
from auroral.errors import ExitCode, TargetError, UsageError

PLACE = Place(
    cluster="orders",
    task_definition="orders-schema",
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
)
TASK = OneShot(
    place=PLACE,
    command=("setup", "--index-timeout", "1h"),
    started_by="auroral-schema",
    client_token="t",
)
CONTRACT = Path(__file__).parents[3] / "infra/tests/platform/contract.json"
CONTAINER: dict[str, Any] = {
    "name": "schema",
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/orders/schema", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ecs"},
    },
}


def at(**changed: Any) -> OneShot:
    """The task at another place."""
    return msgspec.structs.replace(TASK, place=msgspec.structs.replace(PLACE, **changed))


def test_the_request() -> None:
    request = run_request(TASK, "schema")
    assert request["overrides"] == {"containerOverrides": [{"name": "schema", "command": list(TASK.command)}]}
    network = request["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
    assert request["launchType"] == "EC2"
    placed = run_request(at(capacity_provider="spot"), "schema")
    assert placed["capacityProviderStrategy"] == [{"capacityProvider": "spot", "weight": 1}]
    assert "launchType" not in placed


def test_what_the_environment_gets_beside_its_own() -> None:
    request = run_request(msgspec.structs.replace(TASK, environment={"AURORAL_OUTPUT": "marked"}), "schema")
    (override,) = request["overrides"]["containerOverrides"]
    assert override["environment"] == [{"name": "AURORAL_OUTPUT", "value": "marked"}]


@pytest.mark.parametrize(
    "argument",
    [
        "--plain-dsn=postgres://user:secret@host/db",
        "postgres://user:secret@host/db",
        "https://x/?X-Amz-Signature=secret",
        "--password=secret",
        "postgresql://h/db?user=a&password=secret",
        "host=h user=a password=secret",
        "--client-secret",
    ],
)
def test_no_secret_is_sent(argument: str) -> None:
    with pytest.raises(UsageError, match="a password or a signature is among the arguments") as caught:
        run_request(msgspec.structs.replace(TASK, command=("setup", argument)), "schema")
    assert "secret" not in str(caught.value).replace("secret-", "")


@pytest.mark.parametrize(
    "argument", ["arn:aws:iam::123456789012:role/me@example.com", "postgres://host/db", "--user", "a:b@c", "1@2026:01"]
)
def test_what_only_looks_like_one_is(argument: str) -> None:
    run_request(msgspec.structs.replace(TASK, command=("setup", argument)), "schema")


def test_a_deployment_names_its_tasks() -> None:
    contract = load_outputs(CONTRACT).contract
    assert contract is not None
    for key in PROGRAMS:
        place = place_of(contract, key)
        task = getattr(contract.tasks, key)
        assert (place.cluster, place.task_definition, place.container) == ("dev", task.task_family, task.container)
        assert (place.subnets, place.security_groups) == (task.subnet_ids, task.group_ids)
        assert (place.capacity_provider, place.group, place.most_instances) == ("dev-main", "dev-main", 7)
    with pytest.raises(KeyError):
        place_of(contract, "generator")  # runs a benchmark, not a command of these


def test_what_a_task_without_room_waits_for() -> None:
    assert no_room(PLACE) == "it waits for a container instance with room"
    placed = msgspec.structs.replace(PLACE, capacity_provider="spot")
    assert "room in the capacity provider spot: its Auto Scaling group grows" in no_room(placed)
    known = msgspec.structs.replace(placed, pool="main", group="dev-main", most_instances=7)
    assert no_room(known) == (
        "it waits for room in the pool main: its Auto Scaling group dev-main grows, which takes minutes, "
        "to 7 instances at most"
    )


@given(st.integers(0, 2 * MAX_OVERRIDE_BYTES))
def test_a_command_that_ecs_would_refuse_is_refused_here(size: int) -> None:
    task = msgspec.structs.replace(TASK, command=("x" * size,))
    try:
        request = run_request(task, "schema")
    except UsageError:
        assert size > MAX_OVERRIDE_BYTES - 100
    else:
        assert len(msgspec.json.encode(request["overrides"])) <= MAX_OVERRIDE_BYTES


def test_the_container_is_named_or_the_only_one() -> None:
    one, two = {"containerDefinitions": [CONTAINER]}, {"containerDefinitions": [CONTAINER, {"name": "sidecar"}]}
    assert container_of(one, None)["name"] == "schema"
    assert container_of(two, "sidecar")["name"] == "sidecar"
    with pytest.raises(UsageError, match="2 containers: schema, sidecar"):
        container_of(two, None)
    with pytest.raises(UsageError, match="expected the container x"):
        container_of(two, "x")


def test_where_the_lines_go() -> None:
    arn = "arn:aws:ecs:eu-west-1:123456789012:task/orders/abc"
    assert log_stream(CONTAINER, task_id(arn)) == LogStream(
        group="/orders/schema", stream="ecs/schema/abc", region="eu-west-1"
    )
    assert log_stream({"name": "x"}, "abc") is None
    assert log_stream({"name": "x", "logConfiguration": {"logDriver": "awsfirelens"}}, "abc") is None


@pytest.mark.parametrize("code", list(ExitCode))
def test_our_programs_codes_are_kept(code: ExitCode) -> None:
    assert ended(Seen(status="STOPPED", exit_code=int(code)), "x") is code


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (Seen(status="STOPPED", reason="CannotPullContainerError: no route"), "did not run: CannotPullContainerError"),
        (Seen(status="STOPPED", exit_code=137, reason="OutOfMemoryError"), "by signal 9: OutOfMemoryError"),
        (Seen(status="STOPPED", exit_code=127), "status 127"),
    ],
)
def test_what_is_no_code_of_ours_is_told(last: Seen, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        ended(last, "auroral-schema setup")


def test_a_description_is_read() -> None:
    description = {
        "lastStatus": "STOPPED",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "log"}, {"name": "schema", "exitCode": 1, "reason": "OOM"}],
    }
    assert seen(description, "schema") == Seen(
        status="STOPPED", exit_code=1, reason="Essential container in task exited: OOM"
    )
    assert seen({}, "schema") == Seen(status="")


def test_a_placement_that_fails_says_why() -> None:
    error = refused([{"arn": "a", "reason": "RESOURCE:MEMORY"}, {"arn": "b", "reason": "RESOURCE:MEMORY"}], "orders")
    assert str(error).startswith("ECS could not place the task on cluster orders: RESOURCE:MEMORY\n  hint: no instance")
