"""The plan's part on DSQL: what is held, every sum, how long warm-up takes. Pure."""

from __future__ import annotations

from auroral.capacity import warmup
from auroral.capacity.budget import Check, ServiceConnections, restart_gap_s
from auroral.capacity.document import DsqlPlan, SumPlan, TermPlan, TimePlan
from auroral.capacity.figures import Figure, assumed, derived
from auroral.capacity.layout import Layout, Options


def dsql(laid: Layout, options: Options) -> DsqlPlan:
    """The budget, its sums and its times."""
    services, allowed, pace = laid.connections, options.allowance, options.pace
    counter = options.counter_per_s
    cold_s = warmup.cold_start_s(services, pace, counter_per_s=counter)
    replaced = warmup.replacement(services, options.lifetime, cold_s)
    total = sum(one.planned * one.held for one in services)
    lost = sum(warmup.lost_tasks(one.planned, options.zones) * one.held for one in services)
    usual = options.lifetime == warmup.Lifetime()
    skew = None
    if counter is not None:
        skew_s = warmup.counter_skew_s(allowed, counter, pace.slow_connect_s)
        skew = derived(round(skew_s, 2), "s either way", "(⌈t + 2s⌉ + 1) × limit stays within DSQL's bucket")
    return DsqlPlan(
        connections=derived(total, "connections", "replicas × (pool + reservoir)"),
        lifetime_s=Figure(
            value=options.lifetime.lifetime_s,
            unit="s",
            basis="documented" if usual else "assumed",
            source="the design: under DSQL's 60 minutes" if usual else "--lifetime",
        ),
        jitter=Figure(
            value=options.lifetime.jitter, unit="of the lifetime", basis="documented", source="the server's default"
        ),
        reservoir=assumed(options.reservoir, "connections a task", "--reservoir, none by default"),
        counter_limit_per_s=None
        if counter is None
        else derived(counter, "connects/s", "DSQL's rate, less what operators keep: they are not counted"),
        counter_skew_s=skew,
        restart_gap_s=derived(round(restart_gap_s(services), 1), "s", "the largest burst ÷ rate"),
        lingering_connections=derived(total + lost, "connections", "planned, and those of the fullest zone once more"),
        replaced_per_s=derived(round(replaced.mean_per_s, 2), "connects/s", "connections ÷ mean lifetime"),
        replaced_most_per_s=derived(
            round(replaced.worst_per_s, 2), "connects/s", "all opened together, expiring over jitter × lifetime"
        ),
        sums=[_sum(check) for check in laid.judgement.checks],
        times=_times(services, options, cold_s, counter),
    )


def _times(
    services: tuple[ServiceConnections, ...], options: Options, cold_s: float, counter: int | None
) -> list[TimePlan]:
    pace = options.pace
    found = [
        TimePlan(
            name="cold-start",
            title="every pool full, from nothing",
            time=derived(round(cold_s, 1), "s", "longest stagger + the slowest pool"),
        ),
    ]
    if options.zones > 1:
        zone_s = warmup.zone_loss_s(services, options.zones, pace, counter_per_s=counter)
        source = "until ECS notices and starts tasks elsewhere + stagger + fill"
        found.append(
            TimePlan(
                name="zone-lost",
                title="every pool full again, a zone lost",
                time=derived(round(zone_s, 1), "s", source),
            )
        )
    for one in services:
        found.append(
            TimePlan(
                name=f"deployment-{one.service}",
                title=f"{one.service} deployed",
                time=derived(
                    round(warmup.deployment_s(one, pace), 1),
                    "s",
                    "batches × (task start + stagger + fill + health check + stop)",
                ),
            )
        )
    return found


def _sum(check: Check) -> SumPlan:
    return SumPlan(
        name=check.name,
        title=check.title,
        unit=check.unit,
        terms=[TermPlan(label=term.label, count=term.count, each=term.each) for term in check.terms],
        total=check.total,
        limit=check.limit,
        headroom=check.headroom,
        passed=check.passed,
        text=check.spelled_out(),
    )
