"""Whose host is silent, and the rows' own form."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.dsql import limits
from auroral.dsql.membership import CHUNK_ROWS, HEARTBEAT_WINDOW_S, SILENT_AFTER_S, Member, chunks, member, silent

NOW = datetime(2026, 11, 1, 12)


def host(silent_s: float, number: int = 1) -> Member:
    heartbeat = NOW - timedelta(seconds=silent_s)
    row = (str(UUID(int=number)), 2, "10.0.0.1", 6934, NOW, heartbeat, NOW + timedelta(hours=48))
    return member(row, NOW)


def test_a_row() -> None:
    assert (host(90).role, host(90).address, host(90).silent_s) == ("history", "10.0.0.1:6934", 90)
    row = ("x", 9, "fd00::1", -2, NOW, NOW, NOW)
    assert (member(row, NOW).role, member(row, NOW).address) == ("role 9", "[fd00::1]:65534")


@given(st.lists(st.floats(-60, 1e6)), st.floats(HEARTBEAT_WINDOW_S, 1e6))
def test_only_the_silent_are_gone(silences_s: list[float], older_than_s: float) -> None:
    hosts = [host(silent_s, number) for number, silent_s in enumerate(silences_s)]
    gone = silent(hosts, older_than_s)
    assert {one.host_id for one in gone} == {one.host_id for one in hosts if one.silent_s > older_than_s}
    assert [one.silent_s for one in gone] == sorted((one.silent_s for one in gone), reverse=True)


@pytest.mark.parametrize("too_short_s", [0, 19.9, -1, float("nan")])
def test_the_heartbeat_window_is_kept(too_short_s: float) -> None:
    with pytest.raises(ValueError, match="at least 20 s"):
        silent([], too_short_s)


HOSTS = [host(90, number) for number in range(200)]


@given(st.integers(0, 200), st.integers(1, 60))
def test_chunks_are_all_of_them_once(count: int, size: int) -> None:
    parts = list(chunks(HOSTS[:count], size))
    assert [one for part in parts for one in part] == [one.host_id for one in HOSTS[:count]]
    assert all(0 < len(part) <= size for part in parts)


def test_the_figures_fit_each_other() -> None:
    assert CHUNK_ROWS * 6 <= limits.MAX_TRANSACTION_ROWS  # a row and its five index entries
    assert SILENT_AFTER_S > HEARTBEAT_WINDOW_S
