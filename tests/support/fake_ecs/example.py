"""Fleets to try things on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from auroral.ecs.fleet import DsqlShare, Fleet, FleetService, Pool, of_contract
from auroral.infra import contract
from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.door import FakeAws

CONTRACT = Path(__file__).parents[3] / "infra/tests/platform/contract.json"


def contract_value() -> dict[str, Any]:
    """The contract of the stack as applied with mocks."""
    value: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return value


def contract_fleet() -> Fleet:
    """Its fleet."""
    return of_contract(contract.parse(contract_value(), CONTRACT.name), CONTRACT.name)


def service(key: str = "history", **changes: Any) -> FleetService:
    """A service of four tasks; three or four fit an instance of the pool."""
    facts: dict[str, Any] = {
        "key": key,
        "name": f"dev-{key}",
        "container": key,
        "family": f"dev-{key}",
        "task_definition": "",
        "log_group": f"/ecs/dev/{key}",
        "cpu": 1024,
        "memory": 2048,
        "pool": "main",
        "planned": 4,
        "maximum": 4,
        "start_period_s": 60,
        "dsql": DsqlShare(pool_size=50, rate_per_s=10.0, burst=50),
    }
    return FleetService(**(facts | changes))


def pool(key: str = "main", **changes: Any) -> Pool:
    """Three m7g.xlarge, four at most: 4,096 CPU units each."""
    facts: dict[str, Any] = {"key": key, "minimum": 3, "maximum": 4, "provider": f"dev-{key}"}
    facts |= {"group": f"dev-{key}", "instance_type": "m7g.xlarge"}
    return Pool(**(facts | changes))


def small(*services: FleetService, pools: tuple[Pool, ...] = (), **options: Any) -> FakeAws:
    """An account with these services, or one."""
    made = services or (service(),)
    fleet = Fleet(
        cluster="dev",
        region="us-east-1",
        project="dev",
        services={one.key: one for one in made},
        pools={one.key: one for one in pools or (pool(),)},
    )
    return FakeAws.from_fleet(fleet, clock=FakeClock(), **options)
