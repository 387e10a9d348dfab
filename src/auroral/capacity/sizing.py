"""How large each service must be for a rate: interpolation between configurations that are known to carry one. Pure.

The rate is in starts of the anchors' workload (`loads.factor` translates). Between two anchors replicas, total CPU,
total memory and pool size are interpolated linearly, each rounded up; tasks have the size of the anchor above. A
figure for which a larger anchor shows that less is enough goes by that one. At an anchor's rate its own figures come
out; above the last and below the first they are in proportion to it, with two replicas at least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from auroral.capacity.figures import Basis, Figure
from auroral.capacity.instances import instance_type
from auroral.capacity.presets import RING_SERVICES, Anchor, FleetTable, Size

LEAST_REPLICAS = 2
"""Below the smallest anchor: one may be lost."""
POOL_STEP = 5
"""Interpolated pools are whole multiples of this."""
_TOLERANCE = 1e-9


class ServiceSize(msgspec.Struct, frozen=True, kw_only=True):
    """One service, sized."""

    service: str
    replicas: Figure
    cpu_units: Figure
    memory_mib: Figure
    pool_size: Figure

    @property
    def size(self) -> Size:
        """The bare numbers."""
        return Size(
            replicas=int(self.replicas.value),
            cpu_units=int(self.cpu_units.value),
            memory_mib=int(self.memory_mib.value),
            pool_size=int(self.pool_size.value),
        )


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """Every service of Temporal, sized for one rate."""

    rate_per_s: float
    """In starts of the anchors' workload."""
    basis: Basis
    source: str
    services: tuple[ServiceSize, ...]
    anchor: Anchor
    """The one whose task sizes and instance type count: the anchor itself, or the next above."""
    exact: bool
    """Whether the rate is the anchor's own."""
    instance_vcpu: float | None
    """What the anchors' instances have together, interpolated as the rest is; None: the anchors do not say."""


def size(rate_per_s: float, anchors: Sequence[Anchor], *, words: str = "") -> Sizing:
    """Size every service for this rate; `anchors` in the order of their rates.

    `words` name what proportion rests on where that is not the presets.
    """
    if not rate_per_s > 0 or not anchors:
        raise ValueError(f"a rate above zero and at least one anchor, not {rate_per_s:g} and {len(anchors)}")
    for known in anchors:
        if math.isclose(rate_per_s, known.rate_per_s, rel_tol=_TOLERANCE):
            return _exactly(known)
    above = next((anchor for anchor in anchors if anchor.rate_per_s > rate_per_s), None)
    below = next((anchor for anchor in reversed(anchors) if anchor.rate_per_s < rate_per_s), None)
    if above is not None and below is not None:
        return _between(rate_per_s, below, above, anchors)
    anchor = above or below
    assert anchor is not None
    return _in_proportion(rate_per_s, anchor, words)


def fleet_workers(rate_per_s: float, table: FleetTable) -> Figure:
    """Benchmark workers of the table's size for a rate, in starts of the reference workload; rounded up."""
    points = sorted(table.workers.items())
    for rate, workers in points:
        if math.isclose(rate_per_s, rate, rel_tol=_TOLERANCE):
            return Figure(value=workers, unit="workers", basis=table.basis, source=table.source)
    above = next((point for point in points if point[0] > rate_per_s), None)
    below = next((point for point in reversed(points) if point[0] < rate_per_s), None)
    if above is None or below is None:
        rate, workers = above or points[-1]
        count = _up(workers * rate_per_s / rate)
        source = f"in proportion to {workers} at {rate:g}/s; {table.source}"
        return Figure(value=max(1, count), unit="workers", basis="extrapolated", source=source)
    share = (rate_per_s - below[0]) / (above[0] - below[0])
    count = _up(below[1] + share * (above[1] - below[1]))
    source = f"between {below[1]} at {below[0]:g}/s and {above[1]} at {above[0]:g}/s; {table.source}"
    return Figure(value=count, unit="workers", basis="interpolated", source=source)


def _exactly(anchor: Anchor) -> Sizing:
    def service(name: str) -> ServiceSize:
        own = anchor.services[name]

        def figure(value: int, unit: str) -> Figure:
            return Figure(value=value, unit=unit, basis=anchor.basis, source=anchor.source)

        return ServiceSize(
            service=name,
            replicas=figure(own.replicas, "tasks"),
            cpu_units=figure(own.cpu_units, "CPU units a task"),
            memory_mib=figure(own.memory_mib, "MiB a task"),
            pool_size=_pool(own.pool_size, anchor.pool_basis, anchor.pool_source),
        )

    return Sizing(
        rate_per_s=anchor.rate_per_s,
        basis=anchor.basis,
        source=anchor.source,
        services=tuple(service(name) for name in RING_SERVICES),
        anchor=anchor,
        exact=True,
        instance_vcpu=_instance_vcpu(anchor),
    )


def _between(rate_per_s: float, below: Anchor, above: Anchor, anchors: Sequence[Anchor]) -> Sizing:
    share = (rate_per_s - below.rate_per_s) / (above.rate_per_s - below.rate_per_s)
    low, high = _instance_vcpu(below), _instance_vcpu(above)
    source = f"between {below.name} ({below.rate_per_s:g}/s) and {above.name} ({above.rate_per_s:g}/s)"

    def need(name: str, of: Callable[[Size], float]) -> float:
        """Linear between the least that each of both, or a larger anchor, shows to be enough."""

        def least(at: Anchor) -> float:
            return min(of(anchor.services[name]) for anchor in anchors if anchor.rate_per_s >= at.rate_per_s)

        return least(below) + share * (least(above) - least(below))

    def service(name: str) -> ServiceSize:
        task = above.services[name]
        count = max(
            _up(need(name, lambda one: one.replicas)),
            _up(need(name, lambda one: one.replicas * one.cpu_units) / task.cpu_units),
            _up(need(name, lambda one: one.replicas * one.memory_mib) / task.memory_mib),
        )
        pool = POOL_STEP * _up(need(name, lambda one: one.pool_size) / POOL_STEP)
        return ServiceSize(
            service=name,
            replicas=Figure(value=count, unit="tasks", basis="interpolated", source=source),
            cpu_units=_task_size(task.cpu_units, "CPU units a task", "interpolated", above),
            memory_mib=_task_size(task.memory_mib, "MiB a task", "interpolated", above),
            pool_size=_pool(pool, "interpolated", source),
        )

    return Sizing(
        rate_per_s=rate_per_s,
        basis="interpolated",
        source=source,
        services=tuple(service(name) for name in RING_SERVICES),
        anchor=above,
        exact=False,
        instance_vcpu=None if low is None or high is None else low + share * (high - low),
    )


def _in_proportion(rate_per_s: float, anchor: Anchor, words: str) -> Sizing:
    basis: Basis = "extrapolated"
    ratio = rate_per_s / anchor.rate_per_s
    own_vcpu = _instance_vcpu(anchor)
    source = words or f"in proportion to {anchor.name} ({anchor.rate_per_s:g}/s)"

    def service(name: str) -> ServiceSize:
        own = anchor.services[name]
        # Below the first anchor no more than the anchor itself has.
        least = min(LEAST_REPLICAS, own.replicas)
        count = max(least, _up(own.replicas * ratio))
        return ServiceSize(
            service=name,
            replicas=Figure(value=count, unit="tasks", basis=basis, source=source),
            cpu_units=_task_size(own.cpu_units, "CPU units a task", basis, anchor),
            memory_mib=_task_size(own.memory_mib, "MiB a task", basis, anchor),
            pool_size=_pool(own.pool_size, basis, f"as {anchor.name}: {anchor.pool_source}"),
        )

    return Sizing(
        rate_per_s=rate_per_s,
        basis=basis,
        source=source,
        services=tuple(service(name) for name in RING_SERVICES),
        anchor=anchor,
        exact=False,
        instance_vcpu=None if own_vcpu is None else own_vcpu * ratio,
    )


def _instance_vcpu(anchor: Anchor) -> float | None:
    if anchor.instances is None:
        return None
    return float(anchor.instances * instance_type(anchor.instance_type).vcpu)


def _task_size(value: int, unit: str, basis: Basis, anchor: Anchor) -> Figure:
    return Figure(value=value, unit=unit, basis=basis, source=f"{anchor.name}'s tasks: {anchor.source}")


def _pool(value: int, basis: Basis, source: str) -> Figure:
    return Figure(value=value, unit="connections a pool", basis=basis, source=source)


def _up(value: float) -> int:
    """Rounded up, but not for the last digit of a double."""
    return math.ceil(value - _TOLERANCE)
