"""The contract between Terraform's outputs and the commands."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroral.deployment import MAX_BYTES, OUTPUTS, Deployment, load_outputs, missing_output, parse_outputs
from auroral.errors import OutputError, UsageError

VALUES: dict[str, Any] = {
    "project": "orders",
    "region": "eu-west-1",
    "dsql_endpoint": "abc.dsql.eu-west-1.on.aws",
    "task_subnets": ["subnet-1", "subnet-2"],
    "task_role_arns": {"history": "arn:h", "matching": "arn:m", "frontend": "arn:m", "ui": "arn:ui", "worker": None},
    "opensearch_endpoint": None,
}
DESCRIBED = {name: {"value": value, "type": "string", "sensitive": False} for name, value in VALUES.items()}


@pytest.mark.parametrize("document", [VALUES, DESCRIBED], ids=["plain", "terraform output -json"])
def test_both_forms_are_read(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(document))
    found = load_outputs(path)
    assert found.project == "orders"
    assert found.task_subnets == ("subnet-1", "subnet-2")
    assert found.opensearch_endpoint is None
    assert found.server_role_arns == ("arn:m", "arn:h")
    assert found.source == str(path)


def test_what_is_not_known_is_kept_by_name_and_does_no_harm() -> None:
    found = parse_outputs('{"region": "eu-west-1", "later": {"value": {"a": [1]}}, "source": "x", "unknown": 3}')
    assert found.region == "eu-west-1"
    assert found.unknown == ("later", "source", "unknown")


@given(st.fixed_dictionaries({}, optional={name: st.just(VALUES.get(name)) for name in VALUES}))
def test_what_is_left_out_stays_empty(document: dict[str, Any]) -> None:
    found = parse_outputs(json.dumps(document))
    for name in OUTPUTS:
        if document.get(name) is None:
            assert getattr(found, name) == getattr(Deployment(), name)


def test_every_wrong_type_is_told_at_once() -> None:
    text = json.dumps({"region": 3, "task_subnets": {"value": "subnet-1"}, "task_role_arns": ["arn"], "project": "p"})
    with pytest.raises(UsageError) as caught:
        parse_outputs(text, "outputs.json")
    lines = str(caught.value).splitlines()
    assert lines[0] == "outputs of another form than expected in outputs.json:"
    assert [line.split(" = ")[0].strip() for line in lines[1:4]] == ["region", "task_subnets", "task_role_arns"]
    assert "expected a list of texts" in lines[2]


def test_a_sensitive_value_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        parse_outputs(json.dumps({"region": {"value": 4711, "type": "number", "sensitive": True}}))
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[", "[]", '"x"', "3", "null", "[" * 100_000])
def test_what_is_no_object_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="JSON"):
        parse_outputs(text)


@settings(max_examples=25)
@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=5))
def test_no_value_is_more_than_an_error_for_the_user(value: Any) -> None:
    for name in OUTPUTS:
        with contextlib.suppress(UsageError):
            parse_outputs(json.dumps({name: value}))


def test_files_that_are_no_outputs(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read: No such file"):
        load_outputs(tmp_path / "missing.json")
    binary = tmp_path / "terraform.tfstate"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_outputs(binary)
    binary.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="at most"):
        load_outputs(binary)


def test_a_missing_output_is_named_with_the_flag_that_would_replace_it() -> None:
    given_outputs = msgspec.structs.replace(Deployment(), source="outputs.json")
    assert "outputs.json has no output ecs_cluster" in str(missing_output(given_outputs, "ecs_cluster", "--cluster"))
    assert "expected --cluster, or --outputs" in str(missing_output(None, "ecs_cluster", "--cluster"))
