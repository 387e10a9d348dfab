"""Plans and states as Terraform writes them, read into resources."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import UsageError
from auroral.infra.model import UNKNOWN, parse


def plan(*changes: dict[str, Any], **document: Any) -> str:
    return json.dumps({"format_version": "1.2", "resource_changes": list(changes), **document})


def change(address: str, after: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    kind, _, name = address.rpartition(".")[0].rpartition(".")[2], "", address.rpartition(".")[2]
    module = more.pop("module", "")
    does = {"actions": ["create"], "after": after, "after_unknown": {}, **more}
    return {
        "address": address,
        "module_address": module,
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": does,
    }


def test_what_is_not_known_stands_where_it_will_be() -> None:
    unknown = {"id": True, "net": [{"groups": True}], "tags": {}, "sizes": [False, True]}
    values = {"name": "x", "net": [{"public": False}], "tags": {}, "sizes": [1]}
    one = parse(plan(change("aws_a.b", values, after_unknown=unknown))).resources[0]
    assert one.get("id") is UNKNOWN
    assert one.get("net", 0, "groups") is UNKNOWN
    assert one.get("net", 0, "groups", 3) is UNKNOWN
    assert one.get("net", 0, "public") is False
    assert one.get("net", 1, "public") is None
    assert one.get("name") == "x"
    assert one.get("sizes") == [1, UNKNOWN]
    assert one.items("nothing") == []


def test_an_unknown_value_is_not_taken_for_false() -> None:
    with pytest.raises(TypeError, match="compare with UNKNOWN"):
        bool(UNKNOWN)


def test_what_goes_is_left_out() -> None:
    gone = change("aws_a.gone", None, actions=["delete"])
    data = {**change("aws_a.data", {}), "mode": "data"}
    kept = change("aws_a.kept", {"x": 1}, actions=["delete", "create"], before={"x": 0})
    platform = parse(plan(gone, data, kept))
    assert [one.address for one in platform.resources] == ["aws_a.kept"]
    assert platform.resources[0].before == {"x": 0}


def test_references_find_the_neighbour_of_the_same_module() -> None:
    configuration = {
        "root_module": {
            "module_calls": {
                "one": {
                    "module": {
                        "resources": [
                            {
                                "type": "aws_iam_role_policy",
                                "name": "task",
                                "expressions": {"role": {"references": ["aws_iam_role.task.id", "aws_iam_role.task"]}},
                            }
                        ]
                    }
                }
            }
        }
    }
    changes = []
    for key in ("a", "b"):
        module = f'module.one["{key}"]'
        policy = change(f"{module}.aws_iam_role_policy.task", {}, module=module, after_unknown={"role": True})
        changes.append({**policy, "type": "aws_iam_role_policy"})
        role = change(f"{module}.aws_iam_role.task", {"name": key}, module=module)
        changes.append({**role, "type": "aws_iam_role"})
    platform = parse(plan(*changes, configuration=configuration))
    for policy in platform.of_type("aws_iam_role_policy"):
        found = platform.refers(policy, "role", "aws_iam_role", "name")
        assert found is not None
        assert found.module == policy.module
        assert platform.sets(policy, "role") is True
        assert platform.sets(policy, "name_prefix") is False


def test_a_state() -> None:
    inner = {"address": "module.m.aws_a.b[0]", "mode": "managed", "type": "aws_a", "name": "b", "index": 0}
    values = {
        "outputs": {"contract": {"value": {"project": "demo"}, "sensitive": False}},
        "root_module": {"child_modules": [{"address": "module.m", "resources": [{**inner, "values": {"id": "i"}}]}]},
    }
    platform = parse(json.dumps({"format_version": "1.0", "values": values}))
    assert platform.kind == "state"
    assert platform.at("project") == "demo"
    assert platform.resources[0].module == "module.m"
    assert platform.resources[0].key == 0
    assert parse('{"format_version": "1.0"}').resources == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format_version": "2.0"}', '{"format_version": "1.2", "resource_changes": [{}]}'],
)
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(UsageError, match="terraform show -json"):
        parse(text)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"expected|not as"):
        parse(data)
