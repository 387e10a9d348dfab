"""What each profile costs, as `auroral capacity plan` reckons it: a page of docs/reference."""

from __future__ import annotations

from auroral.bench.workload import builtin
from auroral.capacity.document import CostPlan, Plan
from auroral.capacity.layout import Options
from auroral.capacity.loads import REFERENCE_WORKLOAD
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices
from auroral.infra.smoke import LOAD_H, PLANNED_H
from auroral.infra.smoke_cost import cost

NOTE = "<!-- generated: make docs -->\n"
REGIONS = ("eu-west-1", "us-east-1")
_CATEGORIES = ("servers", "database", "search", "network", "observability", "other")


def page() -> str:
    """One table a region, for each duty a column of sums."""
    lines = [
        NOTE,
        "# Cost per profile\n",
        "US dollars on demand, without tax, discounts and free tier, as `auroral capacity plan --preset NAME --region "
        "REGION` reckons them from its [dated prices](../../src/auroral/capacity/prices-2026-11.toml). The load runs "
        "all of the month unless the column says otherwise. DSQL's use is the weakest number and most of the bill: the "
        "range is what [the plan takes for granted](../capacity.md#cost) at its low and its high end. The benchmark's "
        "instances cost only while they run.\n",
    ]
    for region in REGIONS:
        lines += _region(region)
    lines += _smoke()
    return "\n".join(lines)


def _plan(name: str, region: str, duty: float = 1.0) -> Plan:
    request = Request(
        workload=builtin(REFERENCE_WORKLOAD),
        preset=name,
        region=region,
        duty=duty,
        options=Options(anchors=presets().anchors),
    )
    return plan(request, presets(), packaged_prices())


def _region(region: str) -> list[str]:
    bills = {name: _plan(name, region).cost for name in presets().names}
    idle = {name: _plan(name, region, 0.1).cost for name in presets().names}
    head = ["profile", *_CATEGORIES, "a month", "low to high", "a month at 10 % load", "a million workflows"]
    lines = [f"## {region}\n", _row([*head, "benchmark, an hour"]), _row(["---"] * (len(head) + 1))]
    lines += [_row(_cells(name, bill, idle[name])) for name, bill in bills.items()]
    lacking = sorted({item for bill in bills.values() for item in bill.unpriced})
    if lacking:
        lines.append(f"\nWithout {', '.join(lacking)}: the table has no price there; `--prices FILE` gives one.")
    return [*lines, ""]


def _cells(name: str, bill: CostPlan, idle: CostPlan) -> list[str]:
    parts = [f"{bill.subtotals_usd.get(category, 0):,.0f}" for category in _CATEGORIES]
    return [
        f"`{name}`",
        *parts,
        f"{bill.monthly_usd.value:,.0f}",
        f"{bill.low_usd:,.0f} to {bill.high_usd:,.0f}",
        f"{idle.monthly_usd.value:,.0f}",
        f"{bill.per_million_workflows_usd.value:,.2f}",
        f"{bill.benchmark_hourly_usd.value:,.2f}",
    ]


def _smoke() -> list[str]:
    lines = ["## The smoke test\n", "`make smoke-aws` reckons this before it begins, and refuses above `--cap`:\n"]
    for region in REGIONS:
        found = cost(presets(), packaged_prices(), region=region, hours=PLANNED_H, load_hours=LOAD_H)
        lines.append(f"- {region}: {found}")
    return [*lines, ""]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
