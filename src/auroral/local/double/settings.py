"""All that can be set on the double, at start and on command. Pure.

Defaults are DSQL's, with no faults.
"""

from __future__ import annotations

import msgspec

from auroral.dsql import limits


class DoubleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the double enforces now. A session meets a new value at its next step."""

    connect_rate_per_s: float = limits.CONNECT_RATE_PER_S
    """Connections a second that refill the bucket."""
    connect_burst: float = limits.CONNECT_BURST
    """Connections that the bucket holds."""
    max_connections: int = limits.MAX_CONNECTIONS
    session_lifetime_s: float = limits.SESSION_LIFETIME_S
    """After this a session ends, once its transaction has."""
    connect_latency_s: float = 0.0
    """How long each opening takes longer."""
    max_rows: int = limits.MAX_TRANSACTION_ROWS
    """Changed in one transaction."""
    max_transaction_bytes: int = limits.MAX_TRANSACTION_BYTES
    max_transaction_age_s: float = limits.MAX_TRANSACTION_AGE_S
    conflict_rate: float = 0.0
    """Share of the commits of transactions that changed rows which meet a conflict, 0 to 1."""
    conflict_seed: int = 0
    """Which commits: the same seed and order of commits give the same conflicts."""
    index_build_s: float = 0.0
    """How long a job of CREATE INDEX ASYNC is processing, by its clock."""
    require_tls: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.conflict_rate <= 1:
            raise ValueError(f"conflict_rate is a share from 0 to 1, not {self.conflict_rate:g}")
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not below 0, got {getattr(self, name):g}")
