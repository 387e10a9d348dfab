"""The waits between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.dsql.backoff import CONFLICTS, DDL, Backoff

DRAWS = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 200), st.floats(0, 10), st.floats(0, 100), st.integers(1, 400), DRAWS)
def test_it_is_bounded(attempts: int, first_s: float, more_s: float, failed: int, draw: float) -> None:
    backoff = Backoff(attempts=attempts, first_s=first_s, largest_s=first_s + more_s)
    wait_s = backoff.wait_s(failed, draw)
    if failed >= attempts:
        assert wait_s is None
    else:
        assert wait_s is not None
        assert 0.5 * first_s <= wait_s <= 1.5 * (first_s + more_s)


def test_it_doubles_up_to_the_largest() -> None:
    waits = [Backoff(attempts=7, first_s=0.1, largest_s=1.0).wait_s(failed, 0.5) for failed in range(1, 8)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0, None])


def test_all_of_its_waits_together() -> None:
    for backoff, longest_s in ((CONFLICTS, 3.5), (DDL, 60)):
        waits = [backoff.wait_s(failed, 0.999) or 0 for failed in range(1, backoff.attempts)]
        assert sum(waits) < longest_s


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_s": -1}, {"first_s": 2.0, "largest_s": 1.0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Backoff(**wrong)  # type: ignore[arg-type]
