"""Names of logs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from auroral.deployment import load_outputs
from auroral.ecs.fleet import of_contract
from auroral.ecs.logs.sources import pattern, sources
from auroral.errors import UsageError
from tests.support.session_plugin import a_fleet

CONTRACT = load_outputs(Path(__file__).parents[3] / "infra/tests/platform/contract.json").contract
assert CONTRACT is not None
FLEET = of_contract(CONTRACT)


def test_all_services_where_none_is_named() -> None:
    found = sources(FLEET, ())
    assert [one.name for one in found] == list(FLEET.services)
    assert {one.group for one in found} == {one.log_group for one in FLEET.services.values()}


def test_tasks_and_other_logs_have_names_too() -> None:
    found = sources(FLEET, ["exec", "schema", "history", "exec"])
    assert [(one.name, one.group) for one in found] == [
        ("exec", "/ecs/dev/exec"),
        ("schema", CONTRACT.tasks.schema.log_group if CONTRACT else ""),
        ("history", "/ecs/dev/history"),
    ]


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="there is no log matchin; did you mean matching") as error:
        sources(FLEET, ["history", "matchin"])
    assert "opensearch_es_application_logs" in error.value.hint


def test_services_whose_group_is_not_known() -> None:
    fleet = a_fleet()
    silent = msgspec.structs.replace(
        fleet, services={key: msgspec.structs.replace(one, log_group="") for key, one in fleet.services.items()}
    )
    with pytest.raises(UsageError, match="no service of cluster dev has a log group"):
        sources(silent, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connection refused", '"connection refused"'),
        ('say "no"', '"say \\"no\\""'),
        ("a\\b", '"a\\\\b"'),
        ("-", '"-"'),
        ('{ $.level = "error" }', '{ $.level = "error" }'),
        ("?error ?warn", "?error ?warn"),
        ("%re%", "%re%"),
    ],
)
def test_a_text_is_a_phrase_unless_it_is_a_pattern(text: str, expected: str) -> None:
    assert pattern(text) == expected
