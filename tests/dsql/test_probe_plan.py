"""What a probe may ask for, its table, and whether its counts agree with the database's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.dsql.errors import Conflict
from auroral.dsql.probe_plan import Contention, ProbeOptions, ProbeOutcome, ProbeTable
from auroral.local.double.dialect import Dialect


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"connections": 0}, "connections: from 1 to 500"),
        ({"connections": 501}, "connections: from 1 to 500"),
        ({"rate_per_s": 20.1}, "from 0.1 to 20 connections a second"),
        ({"rate_per_s": 0.0}, "from 0.1 to 20"),
        ({"duration_s": 0.0}, "duration: above 0"),
        ({"duration_s": float("inf")}, "at most an hour"),
        ({"writers": 6}, "to the number of connections, 5, not 6"),
        ({"writers": -1}, "writers: from 0"),
        ({"keys": 0}, "keys: from 1 to 1,000"),
        ({"keys": 1_001}, "keys: from 1 to 1,000"),
        ({"timeout_s": 0.0}, "timeout: above 0"),
    ],
)
def test_what_would_endanger_the_cluster_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ProbeOptions(**options)


@pytest.mark.parametrize("run_id", ["", "A", "x; DROP TABLE y", "ä", "x" * 41])
def test_a_run_id_is_part_of_a_name(run_id: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        ProbeTable(run_id)


def test_dsql_takes_every_statement() -> None:
    table = ProbeTable("20261101t120000_ab12")
    for sql in (table.create_schema, table.create, table.fill(3), table.total, table.drop, table.drop_schema):
        (statement,) = Dialect().statements(sql.encode())
        assert statement.refusal is None
    assert table.fill(2).count("(0, 0), (1, 0), (2, 0)") == 1


def test_the_conflict_rate() -> None:
    tally = Contention(attempts=12, committed=6)
    tally.conflicts.update({Conflict.DATA: 1, Conflict.OTHER: 1, Conflict.SCHEMA: 4})
    assert tally.conflict_rate == 0.25
    assert Contention().conflict_rate is None


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 5), st.integers(0, 5), st.integers(-3, 120))
def test_the_check(commits: int, contended: int, unknown: int, lost_answers: int, counted: int) -> None:
    outcome = ProbeOutcome(commits=commits, commit_unknown=unknown)
    assert outcome.consistent is None
    outcome.contention = Contention(committed=contended, unknown=lost_answers)
    outcome.counted = counted
    expected = range(commits + contended, commits + contended + unknown + lost_answers + 1)
    assert outcome.consistent is (counted in expected)
