"""Aurora DSQL's limits: the one definition that budget, simulation, double and commands share. Pure.

Source: AWS, "Cluster quotas and database limits in Amazon Aurora DSQL" and "Connecting to Aurora DSQL", read in
November 2026.
"""

from __future__ import annotations

CONNECT_RATE_PER_S = 100
"""New connections a second that a cluster accepts: what refills its token bucket. SQLSTATE 53400 beyond."""

CONNECT_BURST = 1_000
"""New connections that the bucket holds."""

MAX_CONNECTIONS = 10_000
"""Open connections of a cluster; AWS raises it on request. SQLSTATE 53300 beyond."""

SESSION_LIFETIME_S = 3_600
"""DSQL ends a session after this."""

TOKEN_LIFETIME_S = 900
"""A token's, unless it asks for another. It is looked at when a session begins, and not again."""

MAX_TRANSACTION_ROWS = 3_000
"""Rows that one transaction may change."""

MAX_TRANSACTION_BYTES = 10 * 1024 * 1024

MAX_TRANSACTION_AGE_S = 300
