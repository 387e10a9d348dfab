"""What auroral-schema's status says is missing."""

from __future__ import annotations

import json

import pytest

from auroral.ecs.rollout.preflight import of_schema

FINE = {
    "database": "postgres",
    "installed_version": "1.18",
    "expected_version": "1.18",
    "pending_steps": [],
    "differences": None,
    "invalid_indexes": None,
    "key_type_problems": None,
    "missing_access": [],
    "ok": True,
}


def commands(**changed: object) -> list[str]:
    found = of_schema(json.dumps({**FINE, "ok": False, **changed}))
    assert found is not None
    return [one.command for one in found]


def test_all_is_there() -> None:
    assert of_schema(json.dumps(FINE)) == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"installed_version": "", "pending_steps": ["create table x"]}, ["auroral schema setup"]),
        ({"installed_version": "1.17"}, ["auroral schema update"]),
        ({"pending_steps": ["create table x", "y"]}, ["auroral schema setup"]),
        ({"missing_access": ["role temporal_server"]}, ["auroral schema roles"]),
        (
            {"installed_version": "", "missing_access": ["role temporal_server"]},
            ["auroral schema setup", "auroral schema roles"],
        ),
        ({"differences": ["executions: column x"]}, ["auroral schema status"]),
        ({"key_type_problems": ["tasks: bytea"]}, ["auroral schema status"]),
    ],
)
def test_what_is_missing_names_its_command(changed: dict[str, object], expected: list[str]) -> None:
    assert commands(**changed) == expected


def test_words() -> None:
    (one,) = of_schema(json.dumps({**FINE, "ok": False, "installed_version": ""})) or ()
    assert one.what == "the schema is not there: expected 1.18"


def test_lines_around_the_document_are_left_alone() -> None:
    assert of_schema(f"task started\n{json.dumps(FINE, indent=2)}\ntask ended\n") == ()


@pytest.mark.parametrize("text", ["", "no document", "{broken", "}{", '{"ok": "yes"}', "{}"])
def test_what_is_no_status_is_told_as_none(text: str) -> None:
    assert of_schema(text) is None
