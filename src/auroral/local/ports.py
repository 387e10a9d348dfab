"""Ports of the loopback that a process started later can still bind."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path

from auroral.errors import TargetError

LOWEST, HIGHEST = 10_000, 60_999
_DEFAULT_EPHEMERAL = (32_768, 60_999)


def ephemeral_range(path: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> tuple[int, int]:
    """The ports that the kernel gives to outgoing connections; Linux's default where it does not say."""
    try:
        low, high = path.read_text().split()
        return int(low), int(high)
    except (OSError, ValueError):
        return _DEFAULT_EPHEMERAL


def choose_ports(
    count: int, *, chance: random.Random, ephemeral: tuple[int, int], is_free: Callable[[int], bool]
) -> list[int]:
    """Choose that many distinct free ports, away from those of outgoing connections: one of these may take a
    port between its choice and its use. Raises `TargetError` where there are not as many.
    """
    low, high = ephemeral
    candidates = [port for port in range(LOWEST, HIGHEST + 1) if not low <= port <= high]
    if len(candidates) < 10 * count:  # a machine set up to use nearly all of them
        candidates = list(range(LOWEST, HIGHEST + 1))
    chance.shuffle(candidates)
    chosen: list[int] = []
    for port in candidates:
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise TargetError(f"expected {count} free ports on 127.0.0.1, found {len(chosen)}")
    return chosen


def free_ports(count: int) -> list[int]:
    """Choose distinct free ports of 127.0.0.1. Raises `TargetError`."""
    return choose_ports(count, chance=random.Random(), ephemeral=ephemeral_range(), is_free=is_free)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go's listeners do
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
