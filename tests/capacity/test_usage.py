"""What a load uses, and the assumptions under it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.capacity.usage import SECONDS_PER_MONTH, Assumptions, Usage, estimate_usage
from auroral.errors import UsageError


def use(**options: float) -> Usage:
    given_: dict[str, float] = {"transitions_per_s": 100, "rate_per_s": 3, "tasks": 10, **options}
    return estimate_usage(**given_).usage  # type: ignore[arg-type]


def test_the_transactions_of_the_measured_run_come_out() -> None:
    """272,000 a minute at 136.74 workflows a second of 32.8 transitions each."""
    per_s = use(transitions_per_s=136.74 * 32.8).transactions / SECONDS_PER_MONTH
    assert per_s * 60 == pytest.approx(272_000, rel=0.01)


def test_dpu_is_reads_and_writes() -> None:
    exact = use(transitions_per_s=1)
    assert exact.dsql_dpu == pytest.approx(exact.transactions * (0.71 * 0.0065 + 0.29 * 0.143))


def test_the_measured_sysbench_run_lies_at_the_low_end() -> None:
    """19.2 million transactions, 12.2 % writes of one row: 242,151 DPU."""
    low = Assumptions().at("low")
    dpu = 19_203_916 * (0.878 * low.dpu_per_read.value + 0.122 * low.dpu_per_write.value)
    assert dpu == pytest.approx(242_151, rel=0.05)


def test_the_public_samples_and_logs_come_out() -> None:
    """The sheet's ~100 million samples a day from 47 tasks, ~5 GB of logs a day from 99."""
    assert use(tasks=47).samples / (SECONDS_PER_MONTH / 86_400) == pytest.approx(100e6, rel=0.01)
    assert use(tasks=99).logs_gb / (SECONDS_PER_MONTH / 86_400) == pytest.approx(5, rel=0.02)


def test_the_distributed_limiter_writes_once_a_connect() -> None:
    """1,000 connections of 55 minutes: 0.3 a second."""
    estimate = estimate_usage(
        transitions_per_s=0,
        rate_per_s=0,
        tasks=0,
        connections=1_000,
        connection_lifetime_s=3_300,
        distributed_limiter=True,
    )
    assert estimate.usage.dynamodb_writes == pytest.approx(1_000 / 3_300 * SECONDS_PER_MONTH)
    assert use(connections=1_000).dynamodb_writes == 0


def test_an_idle_month_keeps_tasks_and_nothing_else() -> None:
    idle = use(duty=0)
    assert (idle.transactions, idle.dsql_dpu, idle.dsql_gb, idle.endpoint_gb) == (0, 0, 0, 0)
    assert idle.samples == use().samples > 0


def test_a_better_number_replaces_an_assumption() -> None:
    known = msgspec.structs.replace(Assumptions().dpu_per_write, value=0.05, low=None, high=None, basis="measured")
    estimate = estimate_usage(
        transitions_per_s=100,
        rate_per_s=3,
        tasks=10,
        assumptions=msgspec.structs.replace(Assumptions(), dpu_per_write=known),
    )
    assert estimate.assumptions["dpu_per_write"].basis == "measured"
    assert estimate.usage.dsql_dpu < use().dsql_dpu


def test_every_assumption_names_its_source_and_lies_in_its_range() -> None:
    for name, one in Assumptions().named().items():
        assert one.source, name
        assert one.unit, name
        assert one.low is None or one.low <= one.value, name
        assert one.high is None or one.value <= one.high, name


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"duty": 1.1}, id="a duty above 1"),
        pytest.param({"duty": -0.1}, id="a negative duty"),
        pytest.param({"transitions_per_s": -1}, id="negative transitions"),
        pytest.param({"tasks": -1}, id="negative tasks"),
        pytest.param({"connection_lifetime_s": 0}, id="no lifetime"),
    ],
)
def test_impossible_loads_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected"):
        use(**options)


@given(
    transitions=st.floats(0, 1e6),
    rate=st.floats(0, 1e5),
    tasks=st.integers(0, 1_000),
    duty=st.floats(0, 1),
    more=st.floats(0, 1e5),
)
def test_more_load_never_uses_less_and_the_range_holds_the_value(
    transitions: float, rate: float, tasks: int, duty: float, more: float
) -> None:
    estimate = estimate_usage(transitions_per_s=transitions, rate_per_s=rate, tasks=tasks, duty=duty)
    grown = estimate_usage(transitions_per_s=transitions + more, rate_per_s=rate + more, tasks=tasks + 1, duty=duty)
    for field in Usage.__struct_fields__:
        low, value, high = (getattr(one, field) for one in (estimate.low, estimate.usage, estimate.high))
        assert low <= value * (1 + 1e-9)
        assert value <= high * (1 + 1e-9)
        assert getattr(grown.usage, field) >= value
