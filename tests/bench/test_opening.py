from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.opening import share


@given(st.integers(0, 100_000), st.integers(1, 64))
def test_shares_sum_to_the_whole_and_differ_by_one_at_most(whole: int, parts: int) -> None:
    shares = [share(whole, part, parts) for part in range(parts)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1
