"""The servers' role and whom it is mapped to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import UsageError
from auroral.visibility.access import check_arns, mapped, mapping_body, role_body, role_differs, unmapped

ACCOUNT = "arn:aws:iam::123456789012"
ROLE, USER = f"{ACCOUNT}:role/history", f"{ACCOUNT}:user/ops"
PEOPLE = st.sampled_from([f"{ACCOUNT}:{kind}/{name}" for kind in ("role", "user") for name in "abcd"])


def test_the_role_is_for_one_index() -> None:
    body = role_body("orders")
    assert body["index_permissions"][0]["index_patterns"] == ["orders"]
    actions = body["index_permissions"][0]["allowed_actions"]
    assert not [action for action in actions if "create" in action or ("delete" in action and "admin" in action)]
    assert not [action for action in (*actions, *body["cluster_permissions"]) if action in ("*", "indices:*")]


def test_rights_are_compared_whatever_their_order() -> None:
    wanted = role_body("orders")
    there = {**wanted, "description": "other", "static": False, "reserved": False, "hidden": False}
    permission = wanted["index_permissions"][0]
    there["index_permissions"] = [
        {
            **permission,
            "allowed_actions": permission["allowed_actions"][::-1],
            "dls": None,
            "fls": [],
            "masked_fields": [],
        }
    ]
    assert not role_differs(wanted, there)
    assert role_differs(wanted, {**there, "cluster_permissions": ["*"]})
    there["index_permissions"][0]["dls"] = '{"match_none": {}}'
    assert role_differs(wanted, there)


@given(
    st.lists(PEOPLE, max_size=5),
    st.none() | st.fixed_dictionaries({"backend_roles": st.lists(PEOPLE), "users": st.lists(PEOPLE)}),
)
def test_a_mapping_grows_and_never_shrinks(arns: list[str], before: dict[str, Any] | None) -> None:
    after = mapping_body(arns, before)
    assert set(mapped(before)) <= set(mapped(after))
    assert set(arns) <= set(mapped(after))
    assert unmapped(arns, after) == ()
    assert mapping_body(arns, after) == after


def test_what_else_a_mapping_has_stays() -> None:
    before = {"backend_roles": [ROLE], "hosts": ["10.*"], "users": [], "and_backend_roles": ["x"], "description": "d"}
    after = mapping_body([USER], before)
    assert after == {**before, "users": [USER]}


@pytest.mark.parametrize(
    "arn", ["", "history", "arn:aws:sts::123456789012:assumed-role/x/y", f"{ROLE} ", f"{ACCOUNT}:root"]
)
def test_what_is_no_role_is_refused(arn: str) -> None:
    check_arns([ROLE, USER, "arn:aws-us-gov:iam::123456789012:role/path/x"])
    with pytest.raises(UsageError, match="expected the ARN of an IAM role or user"):
        check_arns([ROLE, arn])
