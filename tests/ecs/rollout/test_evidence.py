"""The lines of a task's start, as the server writes them."""

from __future__ import annotations

import json

from auroral.ecs.fleet import ADDRESS_LINE, WARMUP_LINE
from auroral.ecs.rollout.evidence import LogEvent, judge, read
from auroral.ecs.seen import StartLines
from tests.support.seen_examples import task

WARM = {"level": "info", "msg": WARMUP_LINE, "connections_created": 48, "connections_failed": 2, "took": "6.1s"}


def event(id: str, line: object) -> LogEvent:
    return LogEvent(stream=f"history/history/{id}", text=line if isinstance(line, str) else json.dumps(line))


def test_lines_are_read_by_task() -> None:
    found = read(
        [
            event("a", {"msg": ADDRESS_LINE, "ip": "10.0.0.1"}),
            event("a", WARM),
            event("b", {"msg": "something that quotes DSQL pool warmup complete"}),
            event("b", {"msg": ADDRESS_LINE, "ip": "10.0.0.2"}),
        ]
    )
    assert found == {"a": StartLines(address="10.0.0.1", created=48, failed=2), "b": StartLines(address="10.0.0.2")}
    assert found["a"].warm
    assert not found["b"].warm


def test_what_is_no_line_of_the_servers_is_left_alone() -> None:
    odd = ["", "plain text", "[1, 2]", "null", f"{{broken {WARMUP_LINE}", {"msg": WARMUP_LINE}]
    assert read([event("a", line) for line in odd]) == {"a": StartLines(created=0)}


def test_the_last_start_of_a_pool_counts() -> None:
    assert read([event("a", WARM), event("a", {**WARM, "connections_created": 50})])["a"].created == 50


def test_tasks_are_held_to_their_lines() -> None:
    tasks = [task("history", number) for number in (1, 2, 3, 4)]
    lines = {
        "history001": StartLines(address="10.0.0.1", created=50),
        "history002": StartLines(address="10.0.0.99", created=49, failed=1),
        "history003": StartLines(address="10.0.0.3"),
    }
    found = judge(tasks, lines)
    assert (found.warm, found.opened, found.refused) == (2, 99, 1)
    assert found.silent == ("history004",)
    assert found.lacking == ("history003", "history004")
    assert found.astray == ("task history002 tells its peers 10.0.0.99 and has 10.0.0.2",)
