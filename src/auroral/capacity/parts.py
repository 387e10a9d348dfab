"""The plan's parts on services, shards, instances and fleet, as the document has them. Pure."""

from __future__ import annotations

from auroral.capacity import feasibility, layout, warmup
from auroral.capacity.document import (
    ConditionPlan,
    FleetPlan,
    PackedPlan,
    PoolPlan,
    QuotaPlan,
    ServicePlan,
    ShardsPlan,
)
from auroral.capacity.figures import Figure, assumed, derived
from auroral.capacity.layout import FleetSize, Layout, Options, Placement
from auroral.capacity.packing import Checked, Packing
from auroral.capacity.presets import Presets
from auroral.capacity.request import Load, rebased


def services(laid: Layout, options: Options, words: str) -> list[ServicePlan]:
    """The services of Temporal."""
    found = []
    periods_s = layout.start_periods_s(laid, options)
    share = "its pool's share of DSQL's {}, less what operators keep, rounded down"
    for one, connections in zip(laid.sizing.services, laid.connections, strict=True):
        period_s = periods_s[one.service]
        found.append(
            ServicePlan(
                service=one.service,
                replicas=rebased(one.replicas, words),
                autoscale_max=laid.maximum[one.service],
                cpu_units=rebased(one.cpu_units, words),
                memory_mib=rebased(one.memory_mib, words),
                min_healthy_percent=derived(connections.min_healthy_percent, "%", _deployment_words(laid)),
                max_percent=derived(connections.max_percent, "%", _deployment_words(laid)),
                start_period_s=derived(
                    min(period_s, warmup.MOST_START_PERIOD_S), "s", "stagger + slowest fill + margin, as the server's"
                ),
                pool_size=rebased(laid.pool[one.service], words),
                reservoir=assumed(options.reservoir, "connections", "--reservoir, none by default"),
                rate_per_s=derived(connections.rate_per_s, "connects/s a task", share.format("rate")),
                burst=derived(connections.burst, "connects a task", share.format("burst")),
            )
        )
    return found


def _deployment_words(laid: Layout) -> str:
    return {
        "eighth": "one in eight starts before as many stop, one at least",
        "single": "one starts before one stops: more at a time would overrun a limit",
        "in-place": "one in eight stops before as many start: more would overrun a limit, or find no room",
    }[laid.deployment]


def support(laid: Layout, presets: Presets) -> list[ServicePlan]:
    """What runs beside them."""
    found = []
    rests_on = presets.support_source

    def figure(value: int, unit: str) -> Figure:
        return Figure(value=value, unit=unit, basis=rests_on.basis, source=rests_on.source)

    for name, own in laid.support.items():
        least, most = layout.support_percentages(name)
        why = "two collectors would both scrape" if name == "collector" else "one starts before one stops"
        found.append(
            ServicePlan(
                service=name,
                replicas=figure(own.replicas, "tasks"),
                autoscale_max=derived(own.replicas, "tasks", "as planned"),
                cpu_units=figure(own.cpu_units, "CPU units a task"),
                memory_mib=figure(own.memory_mib, "MiB a task"),
                min_healthy_percent=derived(least, "%", why),
                max_percent=derived(most, "%", why),
            )
        )
    return found


def shards(laid: Layout, load: Load) -> ShardsPlan:
    """History shards under this load."""
    shards, replicas = laid.history_shards, int(laid.sizing.services[0].replicas.value)
    busy = feasibility.shard_busy(load.transitions_per_s, shards)
    anchor = laid.sizing.anchor
    own = shards == anchor.history_shards
    return ShardsPlan(
        shards=Figure(value=shards, unit="shards", basis=anchor.basis, source=anchor.source)
        if own
        else assumed(shards, "shards", "--history-shards"),
        per_replica=derived(round(shards / replicas, 1), "shards a history replica", "shards over replicas"),
        transitions_per_s_each=derived(
            round(load.transitions_per_s / shards, 3), "state transitions a second", "spread evenly"
        ),
        busy=derived(
            round(busy, 4),
            "of the time",
            f"{feasibility.WRITE_S * 1000:g} ms a write (P50, public run of 2026-02-06), one write at a time",
        ),
    )


def main_pool(placed: Placement) -> PoolPlan:
    """The servers' instances."""
    return PoolPlan(
        name="main",
        instance_type=placed.instance.name,
        count=placed.count,
        minimum=derived(placed.count.value, "instances", "as planned"),
        maximum=derived(
            placed.maximum, "instances", "with autoscaling at its maximum, and one more while one is replaced"
        ),
        conditions=_conditions(placed.checked, placed.enough),
        packing=_packing(placed.packing),
    )


def benchmark_pool(name: str, fleet: FleetSize) -> PoolPlan:
    """The benchmark's instances."""
    return PoolPlan(
        name="benchmark",
        instance_type=name,
        count=fleet.count,
        minimum=derived(0, "instances", "none while no benchmark runs"),
        maximum=derived(fleet.count.value, "instances", "as planned"),
        conditions=_conditions(fleet.checked, int(fleet.count.value)),
        packing=_packing(fleet.packing),
    )


def _conditions(checked: tuple[Checked, ...], enough: int) -> list[ConditionPlan]:
    return [
        ConditionPlan(name=name, holds=holds, detail=detail)
        for name, holds, detail in layout.checked_words(checked, enough)
    ]


def _packing(packing: Packing) -> list[PackedPlan]:
    return [
        PackedPlan(
            zone=one.zone,
            tasks=one.tasks,
            free_cpu_units=one.free.cpu_units,
            free_memory_mib=one.free.memory_mib,
            free_interfaces=one.free.interfaces,
        )
        for one in packing.instances
    ]


def fleet(fleet: FleetSize, presets: Presets) -> FleetPlan:
    """The benchmark's tasks."""
    generator = presets.benchmark.generator

    def figure(value: int, unit: str) -> Figure:
        return Figure(value=value, unit=unit, basis=generator.basis, source=generator.source)

    return FleetPlan(
        workers=fleet.workers,
        worker_cpu_units=fleet.cpu_units,
        worker_memory_mib=fleet.memory_mib,
        generator_cpu_units=figure(generator.cpu_units, "CPU units"),
        generator_memory_mib=figure(generator.memory_mib, "MiB"),
    )


def quota(placed: Placement, main: PoolPlan, benchmark: PoolPlan) -> QuotaPlan:
    """vCPUs of the account."""
    each = placed.instance.vcpu
    running = (int(main.count.value) + int(benchmark.count.value)) * each
    needed = (int(main.maximum.value) + int(benchmark.maximum.value)) * each
    return QuotaPlan(
        running=derived(running, "vCPU", "main and benchmark instances"),
        needed=derived(needed, "vCPU", "both groups at their maximum: quota L-1216C47A"),
    )
