"""Columns and paragraphs."""

from __future__ import annotations

from auroral.report.dsql_plain import WIDTH, columns, wrapped


def test_columns_are_aligned() -> None:
    assert columns([("count", "name"), ("1", "a"), ("1,000", "b")], right=(0,)) == [
        "count  name",
        "    1  a",
        "1,000  b",
    ]
    assert columns([]) == []


def test_a_name_stays_whole() -> None:
    endpoint = "x" * 120
    assert wrapped(f"at {endpoint} now", first="where  ", then="       ") == [
        "where  at",
        f"       {endpoint}",
        "       now",
    ]
    assert all(len(line) <= WIDTH for line in wrapped("word " * 100))
