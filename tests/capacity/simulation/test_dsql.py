"""DSQL's admission: bucket, cap, outages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.simulation.dsql import Dsql
from auroral.capacity.simulation.spec import NANOS, DsqlSpec
from auroral.capacity.simulation.timeline import DsqlOutage


def test_a_burst_of_a_thousand_then_a_hundred_a_second() -> None:
    dsql = Dsql(DsqlSpec())
    assert [dsql.knock(0) for _ in range(1_002)].count("admitted") == 1_000
    assert dsql.knock(NANOS // 100 - 1) == "rate"
    assert dsql.knock(NANOS // 100) == "admitted"
    assert dsql.knock(NANOS // 100) == "rate"
    assert [dsql.knock(NANOS) for _ in range(100)].count("admitted") == 99


def test_beyond_its_cap_it_refuses_and_the_token_is_spent() -> None:
    dsql = Dsql(DsqlSpec(max_connections=2, burst=4))
    assert [dsql.knock(0) for _ in range(5)] == ["admitted", "admitted", "cap", "cap", "rate"]
    dsql.close()
    assert dsql.knock(NANOS) == "admitted"
    assert dsql.most_open == 2


def test_in_an_outage_no_token_is_spent_and_a_hang_goes_before_a_refusal() -> None:
    dsql = Dsql(DsqlSpec(burst=1))
    dsql.shut(DsqlOutage(at_s=0, until_s=2))
    assert dsql.knock(NANOS) == "outage"
    dsql.shut(DsqlOutage(at_s=1, until_s=1.5, mode="hang"))
    assert dsql.knock(NANOS) == "hang"
    assert dsql.knock(NANOS * 3 // 2) == "outage"
    assert dsql.knock(2 * NANOS) == "admitted"


@given(gaps=st.lists(st.integers(0, NANOS // 2), min_size=1, max_size=200), burst=st.integers(1, 50))
def test_no_stretch_admits_more_than_burst_and_rate(gaps: list[int], burst: int) -> None:
    dsql = Dsql(DsqlSpec(burst=burst, connect_rate_per_s=20))
    now, admitted = 0, []
    for gap in gaps:
        now += gap
        for _ in range(5):
            if dsql.knock(now) == "admitted":
                admitted.append(now)
    for first in range(len(admitted)):
        assert len(admitted) - first <= burst + 20 * (admitted[-1] - admitted[first]) / NANOS + 1e-6
