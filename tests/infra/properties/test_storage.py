"""Properties 24, 28 and 29: each kept by the base, and broken by one change alone."""

from __future__ import annotations

from typing import Any

import pytest

from auroral.infra.model import parse
from tests.support.deployment_document import assert_breaks, deployment, findings_of

LOG = 'module.task["ui"].aws_cloudwatch_log_group.this'
TABLE = "module.dsql.aws_dynamodb_table.limiter"
DOMAIN = "module.visibility.aws_opensearch_domain.this"


@pytest.mark.parametrize("change", [{"retention_in_days": 0}, {"retention_in_days": None}, {"kms_key_id": ""}])
def test_logs_kept_and_encrypted(change: dict[str, Any]) -> None:
    document = deployment()
    document[LOG].update(change)
    assert_breaks(document, 24, next(iter(change)))


def test_a_key_that_the_plan_makes_is_a_key() -> None:
    document = deployment()
    del document[LOG]["kms_key_id"]
    platform = parse(document.plan(unknown={LOG: {"kms_key_id": True}}))
    assert findings_of(platform, "broken") == {} == findings_of(platform, "unknown")


@pytest.mark.parametrize(
    "change",
    [
        {"hash_key": "id", "attribute": [{"name": "id", "type": "S"}]},
        {"attribute": [{"name": "pk", "type": "N"}]},
        {"range_key": "sk"},
        {"billing_mode": "PROVISIONED"},
        {"ttl": []},
        {"ttl": [{"attribute_name": "ttl", "enabled": True}]},
        {"ttl": [{"attribute_name": "ttl_epoch", "enabled": False}]},
    ],
)
def test_limiter_table(change: dict[str, Any]) -> None:
    document = deployment()
    document[TABLE].update(change)
    assert_breaks(document, 28, "expected")


def test_a_limiter_without_its_table() -> None:
    document = deployment(limiter="distributed")
    del document.resources[TABLE]
    assert_breaks(document, 28, "demo-dsql-rate-limiter is not here")


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("cluster_config", {"instance_count": 4}),
        ("cluster_config", {"instance_count": 1}),
        ("cluster_config", {"zone_awareness_enabled": False}),
        ("cluster_config", {"zone_awareness_config": [{"availability_zone_count": 2}]}),
        ("encrypt_at_rest", {"enabled": False}),
        ("node_to_node_encryption", {"enabled": False}),
        ("domain_endpoint_options", {"enforce_https": False}),
        ("domain_endpoint_options", {"tls_security_policy": "Policy-Min-TLS-1-0-2019-07"}),
    ],
)
def test_search_guarded(argument: str, change: dict[str, Any]) -> None:
    document = deployment()
    document[DOMAIN][argument][0].update(change)
    assert_breaks(document, 29, "expected")
