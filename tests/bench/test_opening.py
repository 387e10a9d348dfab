from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.opening import PATIENCE_APART_S, patience_apart_s, share
from auroral.temporal.spec import ConnectionSpec


@given(st.integers(0, 100_000), st.integers(1, 64))
def test_shares_sum_to_the_whole_and_differ_by_one_at_most(whole: int, parts: int) -> None:
    shares = [share(whole, part, parts) for part in range(parts)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


def test_where_processes_run_apart_patience_is_long_unless_asked_for() -> None:
    assert patience_apart_s(ConnectionSpec(address="a:1", namespace="n")) == PATIENCE_APART_S
    assert patience_apart_s(ConnectionSpec(address="a:1", namespace="n", connect_timeout_s=3.0)) == 3.0
