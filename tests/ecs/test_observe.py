"""What ECS answers becomes what is seen: services, tasks and instances made by hand in moto, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from auroral.aws_account import AwsAccount
from auroral.ecs.fleet import Fleet, FleetService
from auroral.ecs.observe import Observer
from auroral.ecs.operation import Operation, parse, set_mark
from auroral.errors import TargetError
from tests.support.moto_server import ACCOUNT, REGION, Moto, moto_server

NOW = datetime(2026, 11, 26, tzinfo=UTC)
KEYS = ("frontend", "history", "matching", "worker", "ui", "grafana", "collector", "a", "b", "c", "d", "e")
"""More than DescribeServices takes at once."""


def _service(key: str) -> FleetService:
    return FleetService(
        key=key,
        name=f"dev-{key}",
        container=key,
        family=f"dev-{key}",
        task_definition=f"dev-{key}:1",
        log_group=f"/ecs/dev/{key}",
        cpu=256,
        memory=512,
        pool="main",
        planned=1,
        maximum=1,
    )


FLEET = Fleet(cluster="dev", region=REGION, project="dev", services={key: _service(key) for key in (*KEYS, "absent")})


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        ecs = running.client("ecs")
        ecs.create_cluster(clusterName="dev")
        for key in KEYS:
            container = {"name": key, "image": "x", "memory": 512}
            ecs.register_task_definition(family=f"dev-{key}", containerDefinitions=[container])
            ecs.create_service(cluster="dev", serviceName=f"dev-{key}", taskDefinition=f"dev-{key}", desiredCount=2)
        _instance(running)
        ecs.run_task(cluster="dev", taskDefinition="dev-ui", startedBy="somebody")
        yield running


def _instance(moto: Moto) -> None:
    ec2 = moto.client("ec2")
    (found,) = ec2.run_instances(ImageId=ec2.describe_images()["Images"][0]["ImageId"], MinCount=1, MaxCount=1)[
        "Instances"
    ]
    document = {"accountId": ACCOUNT, "region": REGION, "instanceId": found["InstanceId"], "imageId": "x"}
    moto.client("ecs").register_container_instance(cluster="dev", instanceIdentityDocument=json.dumps(document))


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount()


def _look(account: AwsAccount, **what: Any) -> Any:
    return Observer(account, FLEET, now=lambda: NOW).look(**what)


def test_every_service_is_seen_and_what_is_absent_is_said(account: AwsAccount) -> None:
    seen = _look(account)
    assert set(seen.services) == {*KEYS, "absent"}
    assert seen.services["absent"].status == "MISSING"
    history = seen.services["history"]
    assert (history.status, history.desired, history.name) == ("ACTIVE", 2, "dev-history")
    assert history.primary is not None
    assert history.primary.task_definition.endswith("dev-history:1")
    assert seen.at == NOW


def test_instances_with_what_is_left(account: AwsAccount) -> None:
    (one,) = _look(account, instances=True).instances
    assert one.connected
    assert one.status == "ACTIVE"
    assert 0 < one.memory_left < one.memory
    assert one.instance_id.startswith("i-")


def test_a_task_of_no_service_is_none_of_theirs(account: AwsAccount) -> None:
    (one,) = _look(account).tasks
    assert one.service == ""
    assert one.family == "dev-ui"
    assert one.revision.endswith("dev-ui:1")
    assert one.started_by == "somebody"


def test_the_mark_of_an_operation_is_seen(account: AwsAccount) -> None:
    seen = _look(account)
    assert parse(seen.mark) is None
    begun = Operation(name="up", state="begun", at=NOW)
    call = set_mark(seen.arn, begun)
    account.call(call.service, call.operation, **call.arguments)
    assert parse(_look(account).mark) == begun


def test_no_such_cluster(account: AwsAccount) -> None:
    fleet = Fleet(cluster="gone", region=REGION, services={})
    with pytest.raises(TargetError, match=f"there is no cluster gone in {REGION}"):
        Observer(account, fleet).look()
