"""Task definitions and the services that run them."""

from __future__ import annotations

from auroral.infra.model import parse
from auroral.infra.tasks import task_of, tasks
from tests.support.deployment_document import deployment


def test_services_and_one_shots() -> None:
    found = {task.name: task for task in tasks(parse(deployment().state()))}
    assert found["history"].service is not None
    assert found["schema"].service is None
    assert found["history"].environment()["TEMPORAL_SQL_MAX_CONNS"] == "50"


def test_a_service_that_still_runs_an_older_revision() -> None:
    document = deployment()
    service = document['module.task["history"].aws_ecs_service.this[0]']
    service["task_definition"] = service["task_definition"].removesuffix(":1") + ":7"
    platform = parse(document.state())
    one = next(one for one in platform.of_type("aws_ecs_service") if one.get("name") == "demo-history")
    found = task_of(platform, one)
    assert found is not None
    assert found.get("family") == "demo-history"
