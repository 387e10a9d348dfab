"""What a preset and a deployment need is what their plan and contract say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from auroral.capacity.presets import presets
from auroral.doctor import sizes
from auroral.errors import UsageError
from auroral.infra.contract import Contract, parse
from tests.cli.conftest import Cli

CONTRACT = Path(__file__).parents[2] / "infra/tests/platform/contract.json"


@pytest.fixture
def contract() -> Contract:
    return parse(json.loads(CONTRACT.read_text()), "the example")


@pytest.mark.parametrize("name", presets().names)
def test_a_preset_needs_what_capacity_plan_prints(name: str, cli: Cli) -> None:
    needs = sizes.of_preset(name)
    printed = cli("capacity", "plan", "--preset", name).out
    line = next(one for one in printed.splitlines() if one.strip().startswith("vCPU quota"))
    assert int(line.split("quota")[1].split()[0].rstrip("mdasc")) == needs.vcpus
    assert name in needs.source
    assert needs.amounts["connections"] <= 10_000  # each preset keeps DSQL's limit


def test_presets_need_more_the_more_they_carry() -> None:
    dev, large = sizes.of_preset("dev").amounts, sizes.of_preset("400wps").amounts
    assert all(large[key] >= dev[key] for key in dev)
    assert large["vcpus"] > dev["vcpus"]


def test_a_preset_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="dev, 100wps"):
        sizes.of_preset("huge")


def test_a_deployment_needs_its_groups_at_their_maximum(contract: Contract) -> None:
    needs = sizes.of_contract(contract)
    # m7g.xlarge has 4 vCPU.
    assert needs.vcpus == 4 * sum(pool.max for pool in contract.capacity.values())
    assert needs.amounts["services"] == len(contract.services)
    assert needs.amounts["connections"] == contract.dsql.limits.connections
    assert contract.project in needs.source


def test_an_instance_type_that_is_not_known_is_told(contract: Contract) -> None:
    pool = msgspec.structs.replace(contract.capacity["main"], instance_type="m99.huge")
    with pytest.raises(UsageError, match=r"m99\.huge"):
        sizes.of_contract(msgspec.structs.replace(contract, capacity={"main": pool}))
