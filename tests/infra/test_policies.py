"""Statements of policies, and what their patterns cover."""

from __future__ import annotations

import pytest

from auroral.infra.model import parse
from auroral.infra.policies import Statement, Unread, matches, policies
from tests.support.deployment_document import deployment


@pytest.mark.parametrize(
    ("pattern", "action", "covers"),
    [
        ("dsql:DbConnect", "dsql:DbConnect", True),
        ("DSQL:dbconnect", "dsql:DbConnect", True),
        ("dsql:DbConnect", "dsql:DbConnectAdmin", False),
        ("dsql:Db*", "dsql:DbConnectAdmin", True),
        ("dsql:DbConnect?????", "dsql:DbConnectAdmin", True),
        ("*", "dsql:DbConnect", True),
        ("dsql:[D]bConnect", "dsql:DbConnect", False),
    ],
)
def test_patterns(pattern: str, action: str, covers: bool) -> None:
    assert matches(pattern, action) is covers


def test_single_values_and_lists_are_read_alike() -> None:
    found = [one for one in policies(parse(deployment().state())) if isinstance(one, Statement)]
    schema = [one for one in found if one.role == "demo-schema-task" and one.allows("dsql:DbConnectAdmin")]
    assert len(schema) == 1
    assert schema[0].resources == ("arn:aws:dsql:us-east-1:123456789012:cluster/abcdefghijklmnopqrstuvwxyz",)


def test_policies_inside_a_role_count_once() -> None:
    document = deployment()
    text = '{"Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::a/*"}]}'
    document.add("module.x.aws_iam_role.own", name="own", id="own", inline_policy=[{"name": "p", "policy": text}])
    role = 'module.task["ui"].aws_iam_role.task'
    before = len(list(policies(parse(document.state()))))
    document[role]["inline_policy"] = [{"name": "task", "policy": text}]
    after = list(policies(parse(document.state())))
    assert len(after) == before
    assert any(isinstance(one, Statement) and one.role == "own" for one in after)


def test_what_is_not_known_is_told() -> None:
    document = deployment()
    address = 'module.task["ui"].aws_iam_role_policy.task'
    del document[address]["policy"]
    found = [one for one in policies(parse(document.plan(unknown={address: {"policy": True}})))]
    assert [one.resource.address for one in found if isinstance(one, Unread)] == [address]
