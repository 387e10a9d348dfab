"""What a smoke test may cost at most, and whether that is below a cap. Pure."""

from __future__ import annotations

import msgspec

from auroral.bench.workload import builtin
from auroral.capacity.layout import Options
from auroral.capacity.loads import REFERENCE_WORKLOAD
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import Presets
from auroral.capacity.prices import PriceTable
from auroral.capacity.usage import HOURS_PER_MONTH
from auroral.errors import UsageError
from auroral.infra.smoke import PROFILE


class SmokeCost(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars, on demand, without tax."""

    hours: float
    hourly_usd: float
    """Of the cluster, by the high end of what the bill takes for granted."""
    benchmark_hourly_usd: float
    unpriced: tuple[str, ...]
    """What the table has no price of, and the sum lacks."""

    @property
    def most_usd(self) -> float:
        """All of it up for all of the time."""
        return self.hours * (self.hourly_usd + self.benchmark_hourly_usd)

    def __str__(self) -> str:
        lacks = f"; without {', '.join(self.unpriced)}, which the prices lack" if self.unpriced else ""
        return (
            f"{self.hours:g} h × ({self.hourly_usd:.2f} the {PROFILE} profile + {self.benchmark_hourly_usd:.2f} the "
            f"benchmark's instances) = {self.most_usd:.2f} US dollars at most{lacks}"
        )


def cost(presets: Presets, prices: PriceTable, *, region: str, hours: float, load_hours: float) -> SmokeCost:
    """What the dev profile costs for some hours, some of them under load. Raises `UsageError` for an unknown region."""
    planned = plan(
        Request(
            workload=builtin(REFERENCE_WORKLOAD),
            preset=PROFILE,
            region=region,
            duty=min(1.0, load_hours / hours),
            options=Options(anchors=presets.anchors),
        ),
        presets,
        prices,
    )
    bill = planned.cost
    return SmokeCost(
        hours=hours,
        hourly_usd=bill.high_usd / HOURS_PER_MONTH,
        benchmark_hourly_usd=bill.benchmark_hourly_usd.value,
        unpriced=tuple(bill.unpriced),
    )


def require_under(found: SmokeCost, cap_usd: float) -> None:
    """Raise `UsageError`, with the arithmetic, where it may cost more than the cap."""
    if found.most_usd > cap_usd:
        raise UsageError(
            f"expected a smoke test of {cap_usd:.2f} US dollars at most, and it may come to more: {found}",
            hint=f"allow it with --cap {-(-found.most_usd // 1):.0f}",
        )
