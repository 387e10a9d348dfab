"""The fleet of a deployment: what the contract says, in the order in which it starts."""

from __future__ import annotations

import json
import re

from auroral.capacity.budget import judge
from auroral.ecs.fleet import ADDRESS_LINE, ORDER, WARMUP_LINE, of_contract
from auroral.infra.contract import parse
from tests.support.contract_file import CONTRACT
from tests.support.terraform import INFRA

FLEET = of_contract(parse(json.loads(CONTRACT.read_text()), "contract.json"), "contract.json")


def test_every_service_of_the_contract_is_there() -> None:
    assert set(FLEET.services) == {*ORDER, "benchmark-worker"}
    history = FLEET.services["history"]
    assert (history.name, history.container, history.log_group) == ("dev-history", "history", "/ecs/dev/history")
    assert (history.cpu, history.memory, history.planned) == (2048, 8192, 4)
    assert history.dsql is not None
    assert history.dsql.pool_size == 50
    assert FLEET.services["ui"].dsql is None
    assert {pool.group for pool in FLEET.pools.values()} == {"dev-main", "dev-benchmark"}


def test_the_frontend_starts_first_and_the_benchmark_never() -> None:
    assert [one.key for one in FLEET.ordered()] == list(ORDER)
    assert ORDER[0] == "frontend"


def test_the_plan_keeps_dsqls_budget() -> None:
    services = [one.connections(one.planned) for one in FLEET.ordered()]
    judged = judge([one for one in services if one is not None], FLEET.allowance)
    assert judged.violations == ()


def test_names_of_ecs_lead_back() -> None:
    assert FLEET.key_of("dev-matching") == "matching"
    assert FLEET.key_of("dev") is None


def test_the_lines_are_those_that_the_server_logs() -> None:
    server = INFRA.parent / "server/internal"
    assert re.search(f'"{WARMUP_LINE}"', (server / "pool/keeper.go").read_text())
    assert f'"{ADDRESS_LINE}"' in (server / "host/address.go").read_text()
