"""What the contract says of connections and limits."""

from __future__ import annotations

from auroral.capacity.budget import Allowance
from auroral.infra.model import parse
from auroral.infra.numbers import allowance, connecting, shared_fill_s, shared_limit_per_s, unread
from tests.support.deployment_document import deployment, findings_of


def test_services_with_a_pool() -> None:
    found = connecting(parse(deployment().state()))
    assert [one.service for one in found] == ["history", "matching", "frontend", "worker"]
    assert found[0].rate_per_s == 8.1


def test_limits_that_aws_has_raised() -> None:
    document = deployment()
    document.contract["dsql"]["limits"] = {"connections": 20000, "rate_per_s": None}
    assert allowance(parse(document.state())) == Allowance(connections=20000)
    del document.contract["dsql"]["limits"]
    assert allowance(parse(document.state())) == Allowance()


def test_the_shared_limit() -> None:
    assert shared_limit_per_s(parse(deployment().state())) is None
    platform = parse(deployment(limiter="distributed").state())
    assert shared_limit_per_s(platform) == 100
    assert shared_fill_s(platform) == 4


def test_numbers_that_a_plan_does_not_know() -> None:
    document = deployment()
    unknown = {"contract": {"services": {"history": {"planned_count": True}}, "dsql": {"limiter": {"mode": True}}}}
    platform = parse(document.plan(unknown=unknown))
    assert unread(platform) == ["history"]
    assert {14, 15} <= set(findings_of(platform, "unknown"))


def test_no_contract() -> None:
    document = deployment()
    del document.outputs["contract"]
    assert connecting(parse(document.state())) == []
