"""What a deployment needs of the quotas: of a preset's plan, or of a deployment's contract. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auroral.doctor.quotas import Needs, needs

if TYPE_CHECKING:
    from auroral.infra.contract import Contract

SMALLEST = "dev"
"""The preset that is held against the quotas where nothing else is named."""


def of_preset(name: str) -> Needs:
    """What `auroral capacity plan --preset NAME` plans. Raises `UsageError` for a preset that there is not."""
    from auroral.bench.workload import builtin
    from auroral.capacity.layout import Options
    from auroral.capacity.plan import Request, plan
    from auroral.capacity.presets import presets
    from auroral.capacity.prices import packaged_prices

    known = presets()
    known.named(name)
    options = Options(anchors=known.anchors)
    request = Request(workload=builtin("state-transitions"), preset=name, options=options)
    made = plan(request, known, packaged_prices())
    replicas = {one.service: int(one.autoscale_max.value) for one in made.services}
    replicas["benchmark-worker"] = int(made.fleet.workers.value)
    return needs(
        source=f"the preset {name}",
        counts={
            "vcpus": int(made.quota.needed.value),
            "instances": sum(int(pool.maximum.value) for pool in made.pools),
            "connections": int(max(one.total for one in made.dsql.sums if one.name.startswith("connections-"))),
        },
        replicas=replicas,
        zones=options.zones,
    )


def of_contract(contract: Contract) -> Needs:
    """What a deployment takes with everything at its maximum. Raises `UsageError` for an unknown instance type.

    Its connections are those that its budget takes for granted.
    """
    from auroral.capacity.instances import instance_type, vcpu_quota

    pools = contract.capacity.values()
    services = contract.services
    return needs(
        source=f"the deployment {contract.project}",
        counts={
            "vcpus": sum(vcpu_quota({instance_type(one.instance_type): one.max}) for one in pools),
            "instances": sum(one.max for one in pools),
            "connections": contract.dsql.limits.connections,
        },
        replicas={name: one.autoscale_max for name, one in services.items()},
        zones=len(contract.network.zones),
    )
