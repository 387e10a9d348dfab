"""Properties 25, 27 and 30: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from auroral.infra.model import parse
from tests.support.deployment_document import Document, assert_breaks, deployment, findings_of

TEMPLATE = 'module.capacity["main"].aws_launch_template.this'
GROUP = 'module.capacity["benchmark"].aws_autoscaling_group.this'


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[TEMPLATE]["metadata_options"][0].update(http_tokens="optional"),
        lambda d: d[TEMPLATE]["metadata_options"][0].update(http_put_response_hop_limit=2),
        lambda d: d[TEMPLATE].update(metadata_options=[]),
        lambda d: d[TEMPLATE].update(block_device_mappings=[]),
        lambda d: d[TEMPLATE]["block_device_mappings"][0]["ebs"][0].update(encrypted="false"),
    ],
)
def test_guarded_instances(change: Callable[[Document], object]) -> None:
    document = deployment()
    change(document)
    assert_breaks(document, 25, "expected")


def test_benchmark_from_zero() -> None:
    document = deployment()
    document[GROUP]["min_size"] = 1
    assert_breaks(document, 27, "min_size 1: expected 0")


@pytest.mark.parametrize(
    ("task", "expression"),
    [
        ("benchmark-worker", "attribute:workload == main"),
        ("history", "attribute:workload == benchmark"),
        ("history", "attribute:ecs.os-type == linux"),
    ],
)
def test_benchmark_apart(task: str, expression: str) -> None:
    document = deployment()
    definition = document[f'module.task["{task}"].aws_ecs_task_definition.this']
    definition["placement_constraints"] = [{"type": "memberOf", "expression": expression}]
    assert_breaks(document, 27)


def test_anywhere_is_on_the_benchmarks_instances_too() -> None:
    document = deployment()
    document['module.task["ui"].aws_ecs_task_definition.this']["placement_constraints"] = []
    assert_breaks(document, 27, "anywhere")
    expression = [{"expression": "attribute:workload != benchmark"}]
    document['module.task["ui"].aws_ecs_task_definition.this']["placement_constraints"] = expression
    assert findings_of(parse(document.state()), "broken") == {}


@pytest.mark.parametrize(("cpu", "memory"), [("4096", "512"), ("256", "16200"), ("8192", "512")])
def test_tasks_fit(cpu: str, memory: str) -> None:
    document = deployment()
    for name in ("history", "matching", "frontend"):
        document[f'module.task["{name}"].aws_ecs_task_definition.this'].update(cpu=cpu, memory=memory)
    assert_breaks(document, 30, "capacity.main")


def test_a_deployments_surge_needs_room() -> None:
    document = deployment(limiter="distributed")
    for name in ("main", "benchmark"):
        document.contract["capacity"][name]["max"] = 3
        document[f'module.capacity["{name}"].aws_autoscaling_group.this']["max_size"] = 3
    document['module.task["history"].aws_ecs_task_definition.this'].update(cpu="2900", memory="8000")
    assert findings_of(parse(document.state()), "broken") == {}
    document.contract["services"]["history"]["max_percent"] = 200
    document['module.task["history"].aws_ecs_service.this[0]']["deployment_maximum_percent"] = 200
    assert_breaks(document, 30, "while history is deployed")


def test_a_pool_is_as_large_as_the_contract_says() -> None:
    document = deployment()
    document['module.capacity["main"].aws_autoscaling_group.this']["max_size"] = 4
    assert_breaks(document, 30, "max_size 4")


def test_an_instance_type_that_nobody_knows() -> None:
    document = deployment()
    document.contract["capacity"]["main"]["instance_type"] = "m9g.huge"
    assert_breaks(document, 30, "m9g.huge")
