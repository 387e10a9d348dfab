"""How a deployment is, as a screen: deployments in the double of ECS."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from auroral.ecs.health.snapshot import Part, Snapshot
from auroral.report.cluster_status_text import text
from tests.support.observed import deployed, documented, in_trouble, look

Golden = Callable[[str, str], None]
FLAGS = ("--outputs", "my outputs.json")


def test_a_deployment_that_is_well(golden: Golden) -> None:
    golden("status-well.txt", text(documented(deployed())))


def test_a_deployment_that_is_not_started(golden: Golden) -> None:
    golden("status-not-started.txt", text(documented(deployed(settled=False))))


def test_a_deployment_in_trouble(golden: Golden) -> None:
    aws, seen = in_trouble()
    golden("status-trouble.txt", text(documented(aws, seen, flags=FLAGS)))


def test_a_deployment_of_which_little_is_known(golden: Golden) -> None:
    aws = deployed()
    why = "operation failed: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/reader/me is not "
    parts = {part.value: why + f"authorized to perform: x:{part.name}" for part in Part}
    seen = Snapshot(cluster=look(aws).cluster, unknown=parts)
    golden("status-unknown.txt", text(documented(aws, seen)))


@pytest.mark.parametrize("how", ["well", "trouble"])
def test_no_line_is_longer_than_100_columns(how: str) -> None:
    """But for commands, which are to be copied."""
    aws, seen = in_trouble() if how == "trouble" else (deployed(), None)
    lines = text(documented(aws, seen)).splitlines()
    assert [line for line in lines if len(line) > 100 and "→ " not in line] == []


def test_ids_and_commands_stay_whole() -> None:
    aws, seen = in_trouble()
    found = documented(aws, seen, flags=FLAGS)
    shown = text(found).splitlines()
    for one in found.findings:
        if one.command:
            assert any(line.strip() == f"→ {one.command}" for line in shown)
    for task in found.stopped[:5]:
        assert any(task.task in line for line in shown)


def test_colours_are_a_terminals() -> None:
    aws, seen = in_trouble()
    found = documented(aws, seen)
    plain, painted = text(found), text(found, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31munhealthy\x1b[0m" in painted
    assert re.sub(r"\x1b\[[0-9]+m", "", painted) == plain


def test_stores_that_nobody_asked_for_are_told_as_that() -> None:
    assert "not asked for (--no-stores)" in text(documented(deployed(), stores=False))
