"""Property 31: kept by the base, and broken by one change alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.deployment_document import assert_breaks, broken_by, deployment


def test_no_contract() -> None:
    document = deployment()
    del document.outputs["contract"]
    assert 31 in broken_by(document.state())


def test_a_second_contract() -> None:
    document = deployment()
    document.outputs["contract2"] = dict(document.contract)
    assert_breaks(document, 31, "contract2", "expected one")


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("aws_secretsmanager_secret_version.x", {"secret_string": "hunter2"}),
        ("aws_ssm_parameter.x", {"type": "SecureString", "value": "hunter2"}),
        ("aws_iam_access_key.x", {"secret": "hunter2"}),
        ("aws_s3_object.x", {"content": "-----BEGIN RSA PRIVATE KEY-----\n"}),
        ("aws_s3_object.x", {"metadata": {"key": "AKIAABCDEFGHIJKLMNOP"}}),
    ],
)
def test_secrets_among_the_resources(address: str, values: dict[str, Any]) -> None:
    document = deployment()
    document.add(f"module.x.{address}", **values)
    assert_breaks(document, 31, "expected")


def test_secrets_in_outputs_and_environment() -> None:
    document = deployment()
    document.outputs["url"] = "https://b.s3.amazonaws.com/k?X-Amz-Signature=0123"
    assert_breaks(document, 31, "output.url")
    document = deployment()
    document.set_environment("grafana", "GF_SECURITY_ADMIN_PASSWORD", "hunter2")
    assert_breaks(document, 31, "GF_SECURITY_ADMIN_PASSWORD")


def test_a_password_of_the_search_domain() -> None:
    document = deployment()
    domain = document["module.visibility.aws_opensearch_domain.this"]
    domain["advanced_security_options"] = [{"master_user_options": [{"master_user_password": "hunter2"}]}]
    assert_breaks(document, 31, "master_user_password")


def test_what_is_no_secret() -> None:
    document = deployment()
    document.add("module.x.aws_ssm_parameter.collector", type="String", value="receivers: {}")
    document.add("module.x.aws_secretsmanager_secret_version.outside", secret_string=None)
    assert broken_by(document.state()) == {}
