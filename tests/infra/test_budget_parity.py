"""The sums of module dsql are those of `auroral.capacity.budget`: the same names, terms and totals."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from auroral.capacity.budget import Allowance, ServiceConnections, judge
from tests.infra.test_profiles import OFFLINE
from tests.support.terraform import Workshop

CONFIGURATIONS = 30
MAIN = """
variable "configurations" {
  type = map(map(object({
    planned_count = number
    autoscale_max = number
    max_percent   = number
    rate_per_s    = number
    burst         = number
    pool_size     = number
    reservoir     = number
  })))
}

module "dsql" {
  source   = "../../modules/dsql"
  for_each = var.configurations

  project    = "demo"
  region     = "us-east-1"
  account_id = "123456789012"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-a", "subnet-b"]
  group_id   = "sg-1"
  services   = each.value
  limits     = { connections = 1000000000, rate_per_s = 1000000000, burst = 1000000000 }
}

output "budgets" {
  value = { for name, one in module.dsql : name => one.budget }
}
"""


def configuration(chance: random.Random) -> list[ServiceConnections]:
    found = []
    for name in chance.sample(["frontend", "history", "matching", "worker", "internal-frontend"], chance.randint(1, 5)):
        planned = chance.choice([0, 1, chance.randint(2, 60)])
        found.append(
            ServiceConnections(
                service=name,
                planned=planned,
                maximum=planned + chance.choice([0, 0, chance.randint(1, 20)]),
                pool_size=chance.randint(1, 300),
                reservoir=chance.choice([0, chance.randint(1, 20)]),
                rate_per_s=chance.choice([0.01, 0.25, round(chance.uniform(0.1, 20), 1), 7.0]),
                burst=chance.randint(1, 120),
                max_percent=chance.choice([100, 101, 110, 125, 133, 150, 200]),
            )
        )
    return sorted(found, key=lambda one: one.service)  # Terraform goes through maps in this order


@pytest.mark.whole
@pytest.mark.timeout(300)
def test_both_make_the_same_sums(mocked: Workshop, tmp_path: Path) -> None:
    chance = random.Random(20261125)
    configurations = {f"c{number:02}": configuration(chance) for number in range(CONFIGURATIONS)}
    root = mocked.infra / "stacks/budget"
    root.mkdir()
    (root / "main.tf").write_text(MAIN)
    (root / "versions.tf").write_text((mocked.root("dsql") / "versions.tf").read_text())
    provider = OFFLINE.split("terraform {")[0].replace('provider "aws" {', 'provider "aws" {\n  region = "us-east-1"')
    (root / "provider.tf").write_text(provider)
    told = {name: {one.service: _told(one) for one in services} for name, services in configurations.items()}
    (tmp_path / "c.tfvars.json").write_text(json.dumps({"configurations": told}))
    mocked.terraform(root, "init")
    mocked.terraform(root, "plan", f"-out={tmp_path / 'plan'}", f"-var-file={tmp_path / 'c.tfvars.json'}")
    shown = json.loads(mocked.terraform(root, "show", "-json", str(tmp_path / "plan")).stdout)
    budgets = shown["planned_values"]["outputs"]["budgets"]["value"]
    allowance = Allowance(connections=10**9, rate_per_s=10**9, burst=10**9)
    for name, services in configurations.items():
        checks = {check.name: check for check in judge(services, allowance).checks}
        assert set(budgets[name]) == set(checks), name
        for key, check in checks.items():
            assert budgets[name][key]["total"] == pytest.approx(check.total, abs=1e-6), (name, key)
            terms = check.spelled_out().rpartition(" = ")[0]  # `format_number` rounds a total to fewer places
            assert budgets[name][key]["text"].rpartition(" = ")[0] == terms, (name, key)


def _told(one: ServiceConnections) -> dict[str, float]:
    return {
        "planned_count": one.planned,
        "autoscale_max": one.maximum,
        "max_percent": one.max_percent,
        "rate_per_s": one.rate_per_s,
        "burst": one.burst,
        "pool_size": one.pool_size,
        "reservoir": one.reservoir,
    }
