"""A plan as plain text, at most 100 columns wide: the answer, or with everything that it rests on. Pure.

Every number carries the letter of what it rests on.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from auroral.capacity.document import Plan, PoolPlan, ServicePlan, SumPlan
from auroral.capacity.figures import BASES, Basis, Figure
from auroral.units import format_duration, format_number, format_rate, format_ratio

WIDTH = 100
LETTERS: dict[Basis, str] = {
    "measured": "M",
    "documented": "D",
    "interpolated": "I",
    "extrapolated": "X",
    "derived": "=",
    "assumed": "?",
}
_LABEL = 20
_CONDITIONS = {
    "steady": "as planned",
    "instance-lost": "any one lost",
    "rolling": "while deployed",
    "zone-lost": "a zone lost",
}


def text(plan: Plan, *, explain: bool = False) -> str:
    """What it is for, whether it keeps every limit, sizes, budget, times, bill, and what to doubt.

    `explain` adds every sum, where each task goes, the bill's items, what is taken for granted, and all sources.
    """
    sections = [
        _headline(plan),
        _violations(plan),
        _services(plan),
        _shards(plan),
        *(_pool(plan, one, explain) for one in plan.pools),
        _budget(plan, explain),
        _times(plan),
        _bill(plan, explain),
        _calibration(plan),
        _listed("Taken for granted", plan.assumptions) if explain else [],
        _listed("Notes", plan.notes),
        _sources(plan) if explain else _MORE,
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


_MORE = [
    "--explain adds every sum, where each task goes, the bill's items, what is taken for granted, and",
    "where the numbers come from.",
]


def _headline(plan: Plan) -> list[str]:
    load = plan.load
    what = f"{format_rate(float(load.rate_per_s.value))} {plan.request.workload}"
    verdict = "keeps every limit" if plan.feasible else "IS OVER A LIMIT"
    lines = _wrap(f"{what}: this plan {verdict}, and is {plan.basis} ({plan.source})", "", "  ")
    per_s, each = _with_letter(load.transitions_per_s), _with_letter(load.transitions_per_workflow)
    lines += ["", *_field("state transitions", f"{per_s}/s, {each} a workflow")]
    if plan.request.workload != "state-transitions":
        lines += _field("weighs", f"{_with_letter(load.equivalent_per_s)}/s of state-transitions")
    if load.completed_per_s is not None:
        lines += _field("completed", f"{_with_letter(load.completed_per_s)}/s in the run behind these sizes")
    lines += _field("region", f"{plan.request.region}, {plan.request.zones} zones")
    lines += _field(
        "vCPU quota",
        f"{_with_letter(plan.quota.needed)} needed, {_with_letter(plan.quota.running)} running with the benchmark",
    )
    lines += _field("DSQL, at its worst", ", ".join(_nearest(plan, kind) for kind in ("connections", "rate", "burst")))
    lines += _field(
        "cost", f"{_least(plan)}{plan.cost.monthly_usd.value:,.0f} = US dollars a month, without the benchmark"
    )
    lines += _field("letters", ", ".join(f"{LETTERS[basis]} {basis}" for basis in BASES))
    return lines


def _worst(sums: Sequence[SumPlan]) -> SumPlan:
    return min(sums, key=lambda one: one.headroom)


def _of_kind(plan: Plan, kind: str) -> list[SumPlan]:
    return [one for one in plan.dsql.sums if one.name.startswith(f"{kind}-")]


def _nearest(plan: Plan, kind: str) -> str:
    one = _worst(_of_kind(plan, kind))
    return f"{format_number(one.total)} of {format_number(one.limit)} {one.unit}"


def _violations(plan: Plan) -> list[str]:
    if plan.feasible:
        return []
    lines = ["Limits that it is over"]
    for one in plan.violations:
        lines += _wrap(one.detail, "  ✗ ", "    ")
        lines += _wrap(one.advice, "    → ", "      ")
    if plan.largest_rate_per_s is None:
        lines += _wrap("no rate keeps them with these options", "  ", "  ")
    else:
        lines += _wrap(
            f"the largest rate that keeps them, with the same options: {_with_letter(plan.largest_rate_per_s)}/s",
            "  ",
            "  ",
        )
    return lines


def _services(plan: Plan) -> list[str]:
    columns = (("tasks", 7), ("max", 7), ("vCPU", 9), ("memory", 12), ("deploy", 12), ("start", 9), ("pool", 8))
    head = "".join(f"{name:>{width}}" for name, width in (*columns, ("rate", 9), ("burst", 8)))
    lines = ["Services", f"  {'':11}{head}"]
    lines += [_service(one) for one in plan.services]
    lines += _wrap(
        "deploy: least and most of the tasks while a deployment rolls; start: for how long failed health checks do not "
        "count; pool, rate and burst: connections to DSQL of each task",
        "  ",
        "  ",
    )
    return lines


def _service(one: ServicePlan) -> str:
    vcpu = msgspec.structs.replace(one.cpu_units, value=one.cpu_units.value / 1024)
    memory = msgspec.structs.replace(one.memory_mib, value=one.memory_mib.value / 1024)
    deploy = f"{one.min_healthy_percent.value:g}–{one.max_percent.value:g}%{LETTERS[one.max_percent.basis]}"
    cells = [
        _cell(one.replicas, 7),
        _cell(one.autoscale_max, 7),
        _cell(vcpu, 9),
        f"{memory.value:g} GiB {LETTERS[memory.basis]}".rjust(12),
        deploy.rjust(12),
        "".rjust(9) if one.start_period_s is None else f"{one.start_period_s.value:g}s {LETTERS['derived']}".rjust(9),
        _cell(one.pool_size, 8),
        _cell(one.rate_per_s, 9),
        _cell(one.burst, 8),
    ]
    return f"  {one.service:11}{''.join(cells)}".rstrip()


def _shards(plan: Plan) -> list[str]:
    shards = plan.shards
    return [
        "History shards",
        *_field("shards", f"{_with_letter(shards.shards)}, {_with_letter(shards.per_replica)} a replica"),
        *_field(
            "load",
            f"{_with_letter(shards.transitions_per_s_each)} state transitions a second each, busy "
            f"{format_ratio(float(shards.busy.value))} {LETTERS[shards.busy.basis]} of the time",
        ),
    ]


def _pool(plan: Plan, pool: PoolPlan, explain: bool) -> list[str]:
    name = {"main": "Instances", "benchmark": "Benchmark"}[pool.name]
    lines = [name]
    sizes = f"{_with_letter(pool.count)} × {pool.instance_type}"
    bounds = f"{_with_letter(pool.minimum)} to {_with_letter(pool.maximum)} as the group may scale"
    lines += _field("instances", f"{sizes}, {bounds}")
    if pool.name == "benchmark":
        fleet = plan.fleet
        worker = f"{fleet.worker_cpu_units.value / 1024:g} vCPU, {fleet.worker_memory_mib.value / 1024:g} GiB"
        generator = f"{fleet.generator_cpu_units.value / 1024:g} vCPU, {fleet.generator_memory_mib.value / 1024:g} GiB"
        lines += _field("workers", f"{_with_letter(fleet.workers)} of {worker} {LETTERS[fleet.worker_cpu_units.basis]}")
        lines += _field("generator", f"1 of {generator} {LETTERS[fleet.generator_cpu_units.basis]}")
    for condition in pool.conditions:
        words = _CONDITIONS[condition.name]
        lines += _field(words, "every task finds room" if condition.holds else f"NO: {condition.detail}")
    if explain:
        lines += [line for pattern in _patterns(pool) for line in _wrap(pattern, "  ", "    ")]
    return lines


def _patterns(pool: PoolPlan) -> Iterator[str]:
    """Instances that carry the same, together."""
    seen: dict[str, int] = {}
    for one in pool.packing:
        tasks = ", ".join(f"{count} {name}" for name, count in one.tasks.items()) or "nothing"
        free = f"{one.free_cpu_units / 1024:g} vCPU, {one.free_memory_mib / 1024:.1f} GiB"
        line = f"{tasks} (free: {free}, {one.free_interfaces} interfaces)"
        seen[line] = seen.get(line, 0) + 1
    for line, count in seen.items():
        yield f"{count} × {line}"


def _budget(plan: Plan, explain: bool) -> list[str]:
    dsql = plan.dsql
    lines = ["Connections to DSQL"]
    lines += _field(
        "held", f"{_with_letter(dsql.connections)}, for {format_duration(float(dsql.lifetime_s.value))} each"
    )
    for kind in ("connections", "rate", "burst"):
        lines += _sums(_of_kind(plan, kind), explain)
    lines += _field(
        "replaced",
        f"{_with_letter(dsql.replaced_per_s)}/s, {_with_letter(dsql.replaced_most_per_s)}/s at most after a cold start",
    )
    if dsql.counter_limit_per_s is not None and dsql.counter_skew_s is not None:
        lines += _field(
            "shared counter",
            f"{_with_letter(dsql.counter_limit_per_s)}/s, safe with clocks {_with_letter(dsql.counter_skew_s)} s off",
        )
    lines += _field("restarts", f"not within {_with_letter(dsql.restart_gap_s)} s of a process that died while filling")
    return lines


def _sums(sums: Sequence[SumPlan], explain: bool) -> list[str]:
    """The worst one spelled out; to explain, the others by their totals."""
    worst = _worst(sums)
    lines = []
    for one in sums if explain else [worst]:
        mark = "ok  " if one.passed else "OVER"
        total = f"{format_number(one.total)} of {format_number(one.limit)}, {format_number(one.headroom)} left"
        lines += _wrap(f"{one.title}: {total}", f"  {mark} ", "       ")
        if one is worst:
            lines += _wrap(one.text, "         ", "         ")
    return lines


def _times(plan: Plan) -> list[str]:
    lines = ["How long it takes"]
    for one in plan.dsql.times:
        lines.append(f"  {one.title:38}{format_duration(float(one.time.value)):>10} {LETTERS[one.time.basis]}")
    return lines


def _bill(plan: Plan, explain: bool) -> list[str]:
    cost = plan.cost
    lines = [f"Cost in {cost.region}, US dollars a month of 730 hours, on demand, without tax"]
    lines += _field("prices", cost.prices)
    if explain:
        lines += _items(plan)
    else:
        by = [f"{name} {usd:,.0f}" for name, usd in cost.subtotals_usd.items() if name != "benchmark"]
        lines += _field("of which", ", ".join(by))
    least = _least(plan)
    lines += _field(
        "without benchmark",
        f"{least}{cost.monthly_usd.value:,.0f} {LETTERS[cost.monthly_usd.basis]} a month; {cost.low_usd:,.0f} to "
        f"{cost.high_usd:,.0f} by what is not known well, DSQL's use above all",
    )
    lines += _field(
        "a million workflows",
        f"{least}{cost.per_million_workflows_usd.value:,.2f} {LETTERS['derived']}, the load running "
        f"{cost.duty.value:.0%} {LETTERS[cost.duty.basis]} of the month",
    )
    hourly = f"{_least(plan, benchmark=True)}{cost.benchmark_hourly_usd.value:,.2f} {LETTERS['derived']}"
    lines += _field("benchmark", f"{hourly} for each hour that its instances run")
    if cost.unpriced:
        lines += _field("not in the sums", f"{', '.join(cost.unpriced)}: no price in the table, give one by --prices")
    return [*lines, *(_reckoned(plan) if explain else [])]


def _least(plan: Plan, *, benchmark: bool = False) -> str:
    """A sum that lacks an item is the least that it can be."""
    lacking = any(one.usd is None for one in plan.cost.items if (one.category == "benchmark") is benchmark)
    return "at least " if lacking else ""


def _items(plan: Plan) -> list[str]:
    lines = []
    for item in plan.cost.items:
        usd = f"{item.usd:,.2f}" if item.usd is not None else "no price"
        each = f"{item.usd_per_unit:g}" if item.usd_per_unit is not None else "?"
        quantity = f"{format_number(item.quantity)} {item.unit} × {each}"
        lines.append(f"  {item.category:14}{item.item[:30]:31}{quantity:>38}{usd:>13}")
    return lines


def _reckoned(plan: Plan) -> list[str]:
    lines = ["  reckoned with"]
    for one in plan.cost.assumptions:
        span = "" if one.low is None and one.high is None else f" ({_bound(one.low)} to {_bound(one.high)})"
        value = f"{_plain(one.figure.value)} {LETTERS[one.figure.basis]} {one.figure.unit}{span}"
        lines += _wrap(f"{one.name.replace('_', ' ')}: {value}; {one.figure.source}", "    ", "      ")
    return lines


def _bound(value: float | None) -> str:
    return "as is" if value is None else _plain(value)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:g}"


def _calibration(plan: Plan) -> list[str]:
    if plan.calibration is None:
        return []
    found = plan.calibration
    refused = [f"refused: {one}" for one in found.refused]
    return _listed("Your results", [*found.used, *refused, *found.notes])


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [title, *(line for item in items for line in _wrap(item, "  - ", "    "))] if items else []


def _sources(plan: Plan) -> list[str]:
    """What the letters M, D, I and X stand on: each source once."""
    seen: dict[tuple[Basis, str], None] = {}
    for figure in _figures(plan):
        if figure.basis != "derived":
            seen.setdefault((figure.basis, figure.source), None)
    lines = ["Where the numbers come from"]
    for basis in BASES:
        for found, source in seen:
            if found == basis:
                lines += _wrap(source, f"  {LETTERS[basis]} ", "    ")
    return lines


def _figures(node: object) -> Iterator[Figure]:
    """Every figure of the plan but the bill's, which tells its sources itself."""
    if isinstance(node, Figure):
        yield node
    elif isinstance(node, list):
        for each in node:
            yield from _figures(each)
    elif isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            if name != "cost":
                yield from _figures(getattr(node, name))


def _with_letter(figure: Figure) -> str:
    return f"{format_number(figure.value)} {LETTERS[figure.basis]}"


def _cell(figure: Figure | None, width: int) -> str:
    return "".rjust(width) if figure is None else _with_letter(figure).rjust(width)


def _field(name: str, words: str) -> list[str]:
    return _wrap(words, f"  {name:{_LABEL}}", " " * (_LABEL + 2))


def _wrap(words: str, first: str, rest: str) -> list[str]:
    clean = " ".join(words.split())
    return textwrap.wrap(clean, WIDTH, initial_indent=first, subsequent_indent=rest) or [first.rstrip()]
