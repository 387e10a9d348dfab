"""Ports that a process started later can still bind."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import TargetError
from auroral.local.ports import choose_ports, ephemeral_range, free_ports, is_free


@given(st.integers(1, 40), st.integers(0, 2**32), st.sets(st.integers(10_000, 10_400)))
def test_distinct_free_and_not_those_of_outgoing_connections(count: int, seed: int, taken: set[int]) -> None:
    chosen = choose_ports(
        count, chance=random.Random(seed), ephemeral=(11_000, 60_999), is_free=lambda port: port not in taken
    )
    assert len(set(chosen)) == count
    assert all(10_000 <= port < 11_000 and port not in taken for port in chosen)


def test_too_few_is_told() -> None:
    with pytest.raises(TargetError, match=r"expected 3 free ports on 127\.0\.0\.1, found 1"):
        choose_ports(3, chance=random.Random(1), ephemeral=(20_000, 30_000), is_free=lambda port: port == 12_345)


def test_a_kernel_that_gives_all_ports_leaves_a_choice() -> None:
    assert len(choose_ports(5, chance=random.Random(1), ephemeral=(1_024, 65_535), is_free=lambda port: True)) == 5


def test_the_range_is_the_kernel_s(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("40000\t50000\n")
    assert ephemeral_range(tmp_path / "range") == (40_000, 50_000)
    assert ephemeral_range(tmp_path / "none") == (32_768, 60_999)


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        assert not is_free(one.getsockname()[1])
    ports = free_ports(3)
    assert len(set(ports)) == 3
    assert any(is_free(port) for port in ports)  # others on this machine may take one by now
