"""Plans as the tests make them."""

from __future__ import annotations

from typing import Any

from auroral.bench.workload import builtin
from auroral.capacity.document import Plan
from auroral.capacity.layout import Options
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import presets
from auroral.capacity.prices import packaged_prices


def options(**changes: Any) -> Options:
    """The default options over the package's presets."""
    return Options(**{"anchors": presets().anchors, **changes})


def of_preset(name: str, *, workload: str = "state-transitions", **changes: Any) -> Plan:
    """The plan of one preset."""
    request = Request(workload=builtin(workload), preset=name, options=options(**changes), arguments=("--preset", name))
    return plan(request, presets(), packaged_prices())


def of_rate(rate_per_s: float, *, workload: str = "state-transitions", **changes: Any) -> Plan:
    """The plan of one rate."""
    arguments = ("--wps", f"{rate_per_s:g}")
    request = Request(
        workload=builtin(workload), rate_per_s=rate_per_s, options=options(**changes), arguments=arguments
    )
    return plan(request, presets(), packaged_prices())
