from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest

from auroral.capacity.document import Plan
from auroral.capacity.tfvars import render
from tests.support.plans import of_preset, of_rate

PLANS = {
    "dev": of_preset("dev"),
    "400wps": of_preset("400wps"),
    "223": of_rate(223, distributed=True, reservoir=5),
    "child": of_rate(9.5, workload="child"),
}


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = hcl2.load(io.StringIO(text))
    return found


@pytest.mark.parametrize("name", PLANS)
def test_what_is_written_is_read_back(name: str) -> None:
    plan = PLANS[name]
    found = read(render(plan))
    assert set(found) >= {"history_shards", "services", "capacity_pools", "benchmark", "dsql"}
    for one in plan.services:
        read_one = found["services"][one.service]
        assert read_one["planned_count"] == one.replicas.value
        assert read_one["cpu"] == one.cpu_units.value
        assert read_one.get("dsql_rate_per_s") == (None if one.rate_per_s is None else one.rate_per_s.value)
        assert ("dsql_pool_size" in read_one) == (one.pool_size is not None)
    for pool in plan.pools:
        assert pool.instance_type in found["capacity_pools"][pool.name]["instance_type"]
        assert found["capacity_pools"][pool.name]["max"] == pool.maximum.value
    assert found["dsql"]["distributed_limiter"] == (name == "223")
    assert ("distributed_limit_per_s" in found["dsql"]) == (name == "223")
    assert found["history_shards"] == 4096


@pytest.mark.parametrize("name", PLANS)
def test_it_is_as_terraform_formats_it(name: str, tmp_path: Path) -> None:
    terraform = shutil.which("terraform")
    assert terraform is not None, "terraform is needed on PATH"
    path = tmp_path / "plan.tfvars"
    path.write_text(render(PLANS[name]), encoding="utf-8")
    ended = subprocess.run(
        [terraform, "fmt", "-check", "-diff", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stdout


def test_the_same_plan_is_the_same_bytes_and_says_how_to_make_it_again() -> None:
    plan: Plan = of_preset("150wps")
    text = render(plan)
    assert text == render(of_preset("150wps"))
    assert "#   auroral capacity plan --preset 150wps\n" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_the_benchmarks_instances_start_from_none() -> None:
    pools = read(render(of_preset("400wps")))["capacity_pools"]
    assert (pools["benchmark"]["min"], pools["benchmark"]["desired"], pools["benchmark"]["max"]) == (0, 0, 13)
    assert (pools["main"]["min"], pools["main"]["desired"], pools["main"]["max"]) == (10, 10, 11)
