"""Properties 10 to 13: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from typing import Any

import pytest

from auroral.infra.model import parse
from tests.support.deployment_document import CLUSTER, assert_breaks, broken_by, deployment, findings_of

HISTORY = 'module.task["history"].aws_iam_role_policy.task'
UI = 'module.task["ui"].aws_iam_role_policy.task'
INSTANCE = 'module.capacity["main"].aws_iam_role_policy.instance'


@pytest.mark.parametrize(
    ("actions", "resource"),
    [
        (["dsql:DbConnect"], "arn:aws:dsql:us-east-1:123456789012:cluster/*"),
        (["dsql:DbConnect"], "arn:aws:dsql:*:123456789012:cluster/abc"),
        (["dsql:Get*"], CLUSTER),
        (["dsql:GetCluster"], "arn:aws:dsql:us-east-1:123456789012:*"),
    ],
)
def test_dsql_scoped(actions: list[str], resource: str) -> None:
    document = deployment()
    document.set_statements(HISTORY, {"Action": actions, "Resource": resource})
    broken = broken_by(document.state())
    assert set(broken) - {13} == {10}
    assert "expected" in broken[10][0]


@pytest.mark.parametrize("action", ["dsql:DbConnectAdmin", "dsql:dbconnectadmin"])
def test_admin_for_schema_alone(action: str) -> None:
    document = deployment()
    document.set_statements(HISTORY, {"Action": action, "Resource": CLUSTER})
    assert_breaks(document, 11, "demo-history-task may dsql:DbConnectAdmin")


def test_a_pattern_gives_admin_too() -> None:
    document = deployment()
    document.set_statements(HISTORY, {"Action": "dsql:*", "Resource": CLUSTER})
    assert set(broken_by(document.state())) == {10, 11}


@pytest.mark.parametrize(
    "action", ["dynamodb:PutItem", "s3:GetObject", "secretsmanager:GetSecretValue", "es:ESHttpGet", "logs:PutLogEvents"]
)
def test_no_data_on_instances(action: str) -> None:
    document = deployment()
    document.set_statements(INSTANCE, {"Action": action, "Resource": "arn:aws:x:us-east-1:123456789012:y/z"})
    assert_breaks(document, 12, action)


def test_no_managed_policy_on_instances() -> None:
    document = deployment()
    arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
    document.add("module.x.aws_iam_role_policy_attachment.ecs", role="demo-main-instance", policy_arn=arn)
    assert_breaks(document, 12, arn)


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:GetObject", "Resource": "*"},
        {"Action": ["ecs:UpdateService"], "Resource": ["*"]},
        {"Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:123456789012:*"},
        {"NotAction": "iam:*", "Resource": "arn:aws:s3:::a/b"},
    ],
)
def test_no_star_resource(statement: dict[str, Any]) -> None:
    document = deployment()
    document.set_statements(UI, statement)
    broken = broken_by(document.state())
    assert 13 in broken
    assert set(broken) <= {10, 11, 13}


def test_a_condition_on_the_cluster_narrows() -> None:
    document = deployment()
    narrowed = {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/demo"}}
    document.set_statements(UI, {"Action": "ecs:ListTasks", "Resource": "*", "Condition": narrowed})
    assert broken_by(document.state()) == {}


def test_policies_of_users_and_of_their_own_count() -> None:
    document = deployment()
    text = '{"Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}'
    document.add("module.x.aws_iam_policy.wide", policy=text)
    assert_breaks(document, 13, "s3:PutObject on *")


def test_what_is_denied_is_no_right() -> None:
    document = deployment()
    document.set_statements(UI, {"Effect": "Deny", "Action": "*", "Resource": "*"})
    assert broken_by(document.state()) == {}


def test_a_plan_does_not_know_policies_with_new_arns() -> None:
    document = deployment()
    del document[HISTORY]["policy"]
    found = findings_of(parse(document.plan(unknown={HISTORY: {"policy": True}})), "unknown")
    assert set(found) == {10, 11, 13}
