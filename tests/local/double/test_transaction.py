"""Rows, bytes, age and conflicts of one transaction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.local.double import refusals
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.statements import Kind
from auroral.local.double.transaction import Conflicts, Transaction

SETTINGS = DoubleSettings()
NEVER = Conflicts(0.0, 0)
ALWAYS = Conflicts(1.0, 0)


@given(st.lists(st.integers(0, 2000), max_size=20))
def test_rows_add_up_to_the_cap_and_not_beyond(rows: list[int]) -> None:
    one = Transaction(0.0)
    for count in rows:
        refused = one.changed(count, SETTINGS)
        assert (refused == refusals.ROW_LIMIT) == (one.rows > 3000)
    assert one.rows == sum(rows)
    assert (one.commit(0.0, SETTINGS, NEVER) is None) == (sum(rows) <= 3000)


@given(st.lists(st.integers(0, 4 * 1024 * 1024), max_size=10))
def test_bytes_add_up_to_ten_mebibytes(sizes: list[int]) -> None:
    one = Transaction(0.0)
    for size in sizes:
        before = one.size_bytes
        refused = one.admit(Kind.WRITE, size, 0.0, SETTINGS)
        assert (refused is None) == (before + size <= 10 * 1024 * 1024)
        assert one.size_bytes == (before if refused else before + size)
    assert one.admit(Kind.READ, 1 << 30, 0.0, SETTINGS) is None


def test_age_is_refused_after_five_minutes() -> None:
    one = Transaction(100.0)
    assert one.admit(Kind.READ, 0, 400.0, SETTINGS) is None
    refused = one.admit(Kind.READ, 0, 400.1, SETTINGS)
    assert refused is not None
    assert refused.message == "transaction age limit of 300s exceeded"
    assert one.commit(400.1, SETTINGS, NEVER) is not None


def test_one_ddl_alone() -> None:
    ddl = Transaction(0.0)
    assert ddl.admit(Kind.DDL, 0, 0.0, SETTINGS) is None
    assert ddl.admit(Kind.READ, 0, 0.0, SETTINGS) is None
    assert ddl.admit(Kind.DDL, 0, 0.0, SETTINGS) == refusals.MANY_DDL
    assert ddl.admit(Kind.WRITE, 0, 0.0, SETTINGS) == refusals.DDL_AND_DML
    dml = Transaction(0.0)
    assert dml.admit(Kind.WRITE, 0, 0.0, SETTINGS) is None
    assert dml.admit(Kind.DDL, 0, 0.0, SETTINGS) == refusals.DDL_AND_DML


def test_who_changed_nothing_meets_no_conflict_and_draws_none() -> None:
    one = Transaction(0.0)
    assert one.commit(0.0, SETTINGS, ALWAYS) is None
    one.changed(1, SETTINGS)
    assert one.commit(0.0, SETTINGS, ALWAYS) == refusals.CONFLICT
    drawn, fresh = Conflicts(0.5, 9), Conflicts(0.5, 9)
    assert Transaction(0.0).commit(0.0, SETTINGS, drawn) is None
    assert [drawn.next() for _ in range(50)] == [fresh.next() for _ in range(50)]


@given(st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_the_seed_decides_and_the_rate_is_kept(seed: int, rate: float) -> None:
    first, second = Conflicts(rate, seed), Conflicts(rate, seed)
    drawn = [first.next() for _ in range(2000)]
    assert drawn == [second.next() for _ in range(2000)]
    assert abs(sum(drawn) / 2000 - rate) < 0.08
