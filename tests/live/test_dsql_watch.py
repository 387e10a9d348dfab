"""What watches the proofs on the local cluster sees what is wrong. Nothing here needs a cluster."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType

from auroral.local.double.statistics import Opening
from tests.support.dsql_cluster import ConnectSettings, excess, not_once, within_bound
from tests.support.shard_audit import Takeover, Write, broken_ranges, unfenced

SETTINGS = ConnectSettings(rate_per_s=2, burst=3, pool_size=10, histories=1)
FOUR = SETTINGS.processes


def opened(*times_s: float) -> list[Opening]:
    return [Opening(at_s, "temporal_server", "open") for at_s in times_s]


def test_the_bound_is_one_burst_a_process_and_the_rate() -> None:
    assert SETTINGS.most(0) == FOUR * 3
    assert SETTINGS.most(1.5) == FOUR * (3 + 2 * 1.5)
    assert SETTINGS.most(1.5, restarts=2) == FOUR * (3 + 2 * 1.5) + 2 * 3
    assert SETTINGS.refill_s == 3.5


@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_token_buckets_never_exceed_it(seed: int, rate_per_s: float) -> None:
    chance = random.Random(seed)
    settings = ConnectSettings(rate_per_s=rate_per_s, burst=3, pool_size=10, histories=1)
    times: list[float] = []
    for _ in range(settings.processes):
        tokens, at_s = 3.0, 0.0
        for _ in range(12):
            wait_s = max(chance.random() * 2, (1 - tokens) / rate_per_s)
            at_s, tokens = at_s + wait_s, min(3.0, tokens + wait_s * rate_per_s) - 1
            times.append(at_s)
    assert excess(opened(*times), settings) <= 1e-6


def test_one_opening_too_many_is_seen_in_the_midst_of_quiet_ones() -> None:
    quiet = [-100.0 - number for number in range(20)]
    burst = [0.0] * (FOUR * 3)
    assert excess(opened(*quiet, *burst), SETTINGS) == 0
    assert excess(opened(*quiet, *burst, 0.0), SETTINGS) == 1
    under_way = [0.0] * FOUR * 4
    assert within_bound(opened(*quiet, *burst, *under_way), SETTINGS) == -FOUR * 4
    with pytest.raises(AssertionError, match=r"17.0 openings beyond the bound, 16 may be under way"):
        within_bound(opened(*quiet, *burst, *under_way, 0.0), SETTINGS)
    assert within_bound(opened(*burst, *[0.0] * 3), SETTINGS, restarts=1) == 0


def test_a_write_after_its_range_ended_is_seen() -> None:
    takeover = Takeover(7, ended_range_id=3, new_range_id=4, at_s=10.0)
    before, after = Write(7, 3, 9.9), Write(7, 3, 10.1)
    others = [Write(7, 4, 10.1), Write(8, 3, 10.1), Write(7, 2, 9.0)]
    assert unfenced([before, *others], [takeover]) == []
    assert unfenced([before, after, *others], [takeover]) == [(after, takeover)]


def test_a_range_taken_twice_or_skipped_is_seen() -> None:
    first, second = Takeover(1, 3, 4, 1.0), Takeover(1, 4, 5, 2.0)
    assert broken_ranges([second, first, Takeover(2, 9, 10, 0.5)]) == []
    again = Takeover(1, 4, 5, 3.0)
    assert broken_ranges([first, second, again]) == [again]
    skipped = Takeover(1, 5, 7, 3.0)
    assert broken_ranges([first, second, skipped]) == [skipped]


def test_work_done_twice_or_never_is_seen() -> None:
    activity = [EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]
    started, completed = (
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    )
    assert not_once([started, *activity * 2, completed], 2) == ""
    assert "ACTIVITY_TASK_SCHEDULED 3 times instead of 2" in not_once([started, *activity * 3, completed], 2)
    assert "EXECUTION_COMPLETED 0 times" in not_once([started, *activity * 2], 2)
