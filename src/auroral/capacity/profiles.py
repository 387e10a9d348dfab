"""Terraform's profiles: the variables of every preset, as `infra/profiles` has them. Pure."""

from __future__ import annotations

from auroral.bench.workload import builtin
from auroral.capacity.layout import Options
from auroral.capacity.loads import REFERENCE_WORKLOAD
from auroral.capacity.plan import Request, plan
from auroral.capacity.presets import Presets
from auroral.capacity.prices import PriceTable
from auroral.capacity.tfvars import render


def profiles(presets: Presets, prices: PriceTable) -> dict[str, str]:
    """File name → content, for every preset."""
    return {f"{name}.tfvars": render(plan(_request(name, presets), presets, prices)) for name in presets.names}


def _request(name: str, presets: Presets) -> Request:
    return Request(
        workload=builtin(REFERENCE_WORKLOAD),
        preset=name,
        options=Options(anchors=presets.anchors),
        arguments=("--preset", name),
    )
