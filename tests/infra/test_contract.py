"""The contract: what the stack says is what auroral understands, and its schema is that of the types.

infra/tests/platform/contract.json is the contract of the stack as applied with mocks; stack.tftest.hcl compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from auroral.deployment import OUTPUTS, load_outputs, parse_outputs
from auroral.errors import UsageError
from auroral.infra import contract as contracts
from tests.support.contract_file import CONTRACT, SCHEMA


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    value = json.loads(CONTRACT.read_text())
    assert isinstance(value, dict)
    return value


def test_the_schema_is_that_of_the_types() -> None:
    assert SCHEMA.read_text() == contracts.schema(), "run: python -m tests.support.contract_file"


def test_what_the_stack_says_is_understood_whole(stored: dict[str, Any]) -> None:
    parsed = contracts.parse(stored, "contract.json")
    assert json.loads(msgspec.json.encode(parsed)) == stored, (
        "the stack says something that auroral does not know, or leaves out"
    )


def test_what_the_stack_says_is_valid_by_the_schema(stored: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)


def test_no_value_is_a_secret(stored: dict[str, Any]) -> None:
    """ARNs and names only: outputs are written to files."""
    assert stored["grafana_secret_arn"].startswith("arn:aws:secretsmanager:")
    text = json.dumps(stored).lower()
    assert "password" not in text
    assert "token" not in text


@pytest.mark.parametrize("form", ["terraform output -json", "terraform output -json contract", "names and values"])
def test_commands_learn_everything_from_the_contract(form: str, stored: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    described = {"contract": {"value": stored, "type": ["object", {}], "sensitive": False}}
    documents = {"terraform output -json": described, "terraform output -json contract": stored}
    path.write_text(json.dumps(documents.get(form, {"contract": stored})))
    found = load_outputs(path)
    empty = [name for name in OUTPUTS if not getattr(found, name) and name != "dsql_host_address"]
    assert empty == []
    assert found.ecs_services["history"] == "dev-history"
    servers = ("frontend", "history", "matching", "worker")
    assert found.server_role_arns == tuple(f"arn:aws:iam::123456789012:role/dev-{name}-task" for name in servers)
    assert found.task_role_arns["schema"] == stored["tasks"]["schema"]["role_arn"]
    assert found.schema_container == "schema"
    assert found.schema_log_group == found.log_groups["schema"] == "/ecs/dev/schema"
    assert found.capacity_provider == "dev-main"
    assert found.contract is not None
    assert found.contract.services["history"].dsql == contracts.DsqlBudget(
        pool_size=50, rate_per_s=8.1, burst=50, reservoir=0
    )
    assert found.unknown == ()


def test_an_output_of_ones_own_counts_before_the_contract(stored: dict[str, Any]) -> None:
    found = parse_outputs(json.dumps({"contract": stored, "dsql_host_address": "10.0.0.7", "ecs_cluster": "other"}))
    assert (found.dsql_host_address, found.ecs_cluster, found.project) == ("10.0.0.7", "other", "dev")


def test_what_a_later_stack_adds_does_no_harm(stored: dict[str, Any]) -> None:
    later = {**stored, "added": {"a": 1}, "cluster": {**stored["cluster"], "added": 1}}
    assert contracts.parse(later, "outputs.json") == contracts.parse(stored, "outputs.json")


@pytest.mark.parametrize(
    ("version", "told"), [(2, "version 2"), (0, "version 0"), (None, "without a version"), (True, "")]
)
def test_another_version_is_refused(version: Any, told: str, stored: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"of version 1 in outputs\.json, found") as caught:
        parse_outputs(json.dumps({"contract": {**stored, "version": version}}), "outputs.json")
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [[], "x", 3, {}])
def test_what_is_no_contract_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="expected the output contract of version 1"):
        contracts.parse(value, "outputs.json")


def test_a_part_of_another_form_is_named(stored: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(stored))
    broken["services"]["history"]["planned_count"] = "six"
    with pytest.raises(UsageError, match=r"outputs\.json has another form.*planned_count"):
        contracts.parse(broken, "outputs.json")
    del broken["dsql"]
    broken["services"]["history"]["planned_count"] = 6
    with pytest.raises(UsageError, match="dsql"):
        contracts.parse(broken, "outputs.json")
