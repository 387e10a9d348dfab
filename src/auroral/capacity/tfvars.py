"""The plan as Terraform variables, as `terraform fmt` writes them, the same bytes for the same plan. Pure."""

from __future__ import annotations

import math
import textwrap

from auroral.capacity.document import Plan, PoolPlan, ServicePlan
from auroral.capacity.figures import Figure

Value = str | int | float | bool | dict[str, "Value"]


def render(plan: Plan) -> str:
    """Write the variables of `infra/stacks/platform` that a plan decides."""
    variables: dict[str, Value] = {
        "history_shards": _number(plan.shards.shards),
        "services": {one.service: _service(one) for one in plan.services},
        "capacity_pools": {one.name: _pool(one) for one in plan.pools},
        "benchmark": {
            "generator_cpu": _number(plan.fleet.generator_cpu_units),
            "generator_memory": _number(plan.fleet.generator_memory_mib),
            "worker_cpu": _number(plan.fleet.worker_cpu_units),
            "worker_memory": _number(plan.fleet.worker_memory_mib),
            "worker_count": _number(plan.fleet.workers),
        },
        "dsql": _dsql(plan),
    }
    blocks = [_header(plan), *("\n".join(_assignment(name, value, 0)) for name, value in variables.items())]
    return "\n\n".join(blocks) + "\n"


def _header(plan: Plan) -> str:
    rate = f"{plan.load.rate_per_s.value:,g} {plan.request.workload} workflows a second"
    sentence = f"{rate}; sizes are {plan.basis}: {plan.source}."
    lines = [
        f"Written by auroral {plan.auroral_version}: do not edit, plan again.",
        f"  {plan.request.command}",
        *textwrap.wrap(sentence, 116),
        "Units: cpu in CPU units (1,024 a vCPU), memory in MiB, rates in connections a second for each task.",
        "history_shards cannot be changed once the cluster has started.",
    ]
    return "\n".join(f"# {line}" for line in lines)


def _service(one: ServicePlan) -> dict[str, Value]:
    figures = {
        "cpu": one.cpu_units,
        "memory": one.memory_mib,
        "planned_count": one.replicas,
        "autoscale_max": one.autoscale_max,
        "min_healthy_percent": one.min_healthy_percent,
        "max_percent": one.max_percent,
        "start_period_s": one.start_period_s,
        "dsql_pool_size": one.pool_size,
        "dsql_rate_per_s": one.rate_per_s,
        "dsql_burst": one.burst,
        "dsql_reservoir": one.reservoir,
    }
    return {name: _number(figure) for name, figure in figures.items() if figure is not None}


def _pool(one: PoolPlan) -> dict[str, Value]:
    desired = one.count if one.name == "main" else one.minimum
    return {
        "instance_type": one.instance_type,
        "min": _number(one.minimum),
        "max": _number(one.maximum),
        "desired": _number(desired),
    }


def _dsql(plan: Plan) -> dict[str, Value]:
    values: dict[str, Value] = {
        "connection_lifetime": _duration(float(plan.dsql.lifetime_s.value)),
        "connection_lifetime_jitter": _number(plan.dsql.jitter),
        "distributed_limiter": plan.dsql.counter_limit_per_s is not None,
    }
    if plan.dsql.counter_limit_per_s is not None:
        values["distributed_limit_per_s"] = _number(plan.dsql.counter_limit_per_s)
    return values


def _number(figure: Figure) -> int | float:
    value = figure.value
    return int(value) if math.isfinite(value) and value == int(value) else value


def _duration(seconds: float) -> str:
    """As Go reads it: `55m`, `90s`."""
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s"


def _assignment(name: str, value: Value, indent: int) -> list[str]:
    if not isinstance(value, dict):
        return [f"{' ' * indent}{name} = {_literal(value)}"]
    lines = [f"{' ' * indent}{name} = {{"]
    width = max((len(key) for key, each in value.items() if not isinstance(each, dict)), default=0)
    for key, each in value.items():
        if isinstance(each, dict):
            lines += _assignment(key, each, indent + 2)
        else:
            lines.append(f"{' ' * (indent + 2)}{key:{width}} = {_literal(each)}")
    return [*lines, f"{' ' * indent}}}"]


def _literal(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
        return f'"{escaped}"'
    return f"{value:g}" if isinstance(value, float) else str(value)
