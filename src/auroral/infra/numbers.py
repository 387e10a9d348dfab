"""The numbers of a deployment, from its contract: who connects to DSQL how, and what the pools must hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auroral.capacity.budget import Allowance, ServiceConnections
from auroral.infra.model import Platform

_COUNTS = ("planned_count", "autoscale_max", "max_percent", "min_healthy_percent")
_POOL = ("pool_size", "rate_per_s", "burst", "reservoir")


def services(platform: Platform) -> dict[str, Mapping[str, Any]]:
    """The contract's services by name."""
    found = platform.at("services")
    return {name: one for name, one in found.items() if isinstance(one, Mapping)} if isinstance(found, Mapping) else {}


def connecting(platform: Platform) -> list[ServiceConnections]:
    """Every service with a pool on DSQL, as the budget sees it; those with unknown numbers are left out."""
    found = []
    for name, one in services(platform).items():
        pool = one.get("dsql")
        if not isinstance(pool, Mapping):
            continue
        if not all(_number(one.get(field)) for field in _COUNTS) or not all(
            _number(pool.get(field)) for field in _POOL
        ):
            continue
        found.append(
            ServiceConnections(
                service=name,
                planned=int(one["planned_count"]),
                maximum=int(one["autoscale_max"]),
                pool_size=int(pool["pool_size"]),
                reservoir=int(pool["reservoir"]),
                rate_per_s=float(pool["rate_per_s"]),
                burst=int(pool["burst"]),
                min_healthy_percent=int(one["min_healthy_percent"]),
                max_percent=int(one["max_percent"]),
            )
        )
    return found


def unread(platform: Platform) -> list[str]:
    """Services with a pool whose numbers are not all there."""
    read = {one.service for one in connecting(platform)}
    pools = {name: one.get("dsql") for name, one in services(platform).items()}
    return [name for name, pool in pools.items() if pool is not None and name not in read]


def allowance(platform: Platform) -> Allowance:
    """What the cluster admits: the contract's limits, else DSQL's own."""
    limits = platform.at("dsql", "limits")
    if not isinstance(limits, Mapping):
        return Allowance()
    own = Allowance()
    return Allowance(
        connections=int(_or(limits.get("connections"), own.connections)),
        rate_per_s=float(_or(limits.get("rate_per_s"), own.rate_per_s)),
        burst=int(_or(limits.get("burst"), own.burst)),
    )


def shared_limit_per_s(platform: Platform) -> float | None:
    """The distributed limiter's limit; None where every process counts for itself."""
    if platform.at("dsql", "limiter", "mode") != "distributed":
        return None
    found = platform.at("dsql", "limiter", "limit_per_s")
    return float(found) if _number(found) else None


def shared_fill_s(platform: Platform) -> float:
    """How long the distributed limiter takes to let every planned process fill its pool; 0 without it."""
    limit = shared_limit_per_s(platform)
    return sum(one.planned * one.held for one in connecting(platform)) / limit if limit else 0.0


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _or(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
