"""Quotas held against needs: what is enough, what is short and by how much, and what is said without an answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auroral.doctor import quotas
from auroral.doctor.checks import State
from auroral.doctor.quotas import QUOTAS, Limit, Needs, Quota, Used

BY_KEY = {one.key: one for one in QUOTAS}
VCPUS, TASKS, CONNECTIONS = BY_KEY["vcpus"], BY_KEY["tasks"], BY_KEY["connections"]
NEEDS = Needs(source="the preset dev", amounts={one.key: 56 for one in QUOTAS})
NETWORK = (Path(__file__).parents[2] / "infra/modules/network/variables.tf").read_text()


def _limit(value: int, **changed: Any) -> Limit:
    return Limit(**({"value": value, "applied": True, "adjustable": True, "code": "L-1"} | changed))


def _judge(quota: Quota, limit: Limit, used: Used | None) -> quotas.Check:
    return quotas.judge(quota, limit, used, NEEDS, region="eu-west-1")


def test_what_others_use_is_not_left_for_us() -> None:
    assert _judge(VCPUS, _limit(64), Used(amount=8)).state is State.OK
    check = _judge(VCPUS, _limit(64), Used(amount=9))
    assert check.state is State.MISSING
    assert "1 too few" in check.found


def test_the_raise_that_is_asked_for_covers_all_of_it() -> None:
    check = quotas.judge(VCPUS, _limit(32), Used(amount=16), NEEDS, region="eu-west-1", profile="my ops")
    assert "40 too few" in check.found
    assert check.remedy == (
        "aws --profile 'my ops' --region eu-west-1 service-quotas request-service-quota-increase --service-code ec2 "
        "--quota-code L-1 --desired-value 72"
    )


def test_what_the_deployment_uses_itself_is_not_needed_once_more() -> None:
    assert _judge(VCPUS, _limit(56), Used(amount=56, own=56)).state is State.OK
    check = _judge(VCPUS, _limit(56), Used(amount=57, own=56))
    assert (check.state, "(56 by the deployment)" in check.found) == (State.MISSING, True)
    # Counts that come at different times: more of our own than there is in all.
    assert Used(amount=10, own=12).others == 0


def test_a_quota_of_one_cluster_does_not_count_other_clusters() -> None:
    assert _judge(TASKS, _limit(56), None).state is State.OK
    assert _judge(TASKS, _limit(55), None).state is State.MISSING


def test_without_the_usage_a_shared_quota_is_a_warning_unless_it_is_short_anyway() -> None:
    assert _judge(VCPUS, _limit(640), None).state is State.WARN
    assert _judge(VCPUS, _limit(55), None).state is State.MISSING


def test_a_quota_that_is_not_raised_says_so() -> None:
    check = _judge(TASKS, _limit(1, adjustable=False), None)
    assert "does not raise it" in check.remedy
    assert "request" not in check.remedy


def test_a_default_is_told_as_such() -> None:
    assert "(the default)" in _judge(VCPUS, _limit(64, applied=False), Used(amount=0)).found
    assert "(the default)" not in _judge(VCPUS, _limit(64), Used(amount=0)).found


def test_what_cannot_be_asked_tells_default_and_need() -> None:
    check = quotas.unknown(VCPUS, "denied: x", NEEDS, "allow it")
    assert check.state is State.UNKNOWN
    for told in ("denied: x", "default is 5", "needs 56"):
        assert told in check.found


@pytest.mark.parametrize(
    ("quota", "code", "name", "is_it"),
    [
        (VCPUS, "L-1216C47A", "renamed by AWS", True),
        (VCPUS, "L-OTHER", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", False),
        (TASKS, "L-ANY", "Tasks per service", True),
        (TASKS, "L-ANY", "Services per cluster", False),
        (CONNECTIONS, "L-ANY", "Connections per cluster", True),
        (BY_KEY["dsql-clusters"], "L-ANY", "Single-Region clusters", True),
        (BY_KEY["dsql-clusters"], "L-ANY", "Multi-Region clusters", False),
        (BY_KEY["instances"], "L-ANY", "Container instances per cluster", True),
        (BY_KEY["instances"], "L-ANY", "Container instances per start-task", False),
    ],
)
def test_a_quota_is_found_by_its_code_or_else_by_its_name(quota: Quota, code: str, name: str, is_it: bool) -> None:
    found = quotas.find(quota, [{"QuotaCode": code, "QuotaName": name, "Value": 7.0}], applied=True)
    assert (found is not None) is is_it


def test_an_answer_is_read() -> None:
    metric = {"MetricNamespace": "AWS/Usage", "MetricName": "ResourceCount", "MetricDimensions": {"Class": "x"}}
    answer = {"QuotaCode": "L-1", "Value": 640.0, "Adjustable": True, "UsageMetric": metric}
    assert quotas.limit_of(answer, applied=True) == _limit(640, metric=metric)
    bare = {"QuotaCode": "L-1", "Value": 5.0, "UsageMetric": {}}
    assert quotas.limit_of(bare, applied=False) == _limit(5, applied=False, adjustable=False)


def test_the_newest_point_counts() -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    points = [{"Timestamp": now - timedelta(minutes=m), "Maximum": 100.0 - m} for m in (10, 0, 5)]
    assert quotas.newest(points) == 100
    assert quotas.newest([]) is None


def _instance(kind: str, **more: Any) -> dict[str, Any]:
    return {"InstanceType": kind, "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 2}, **more}


def test_only_on_demand_instances_of_standard_families_count() -> None:
    counted = [_instance("m7g.xlarge"), _instance("t3.medium")]
    others = [_instance("m5.large", InstanceLifecycle="spot"), _instance("g5.xlarge"), _instance("inf2.xlarge")]
    others += [_instance("trn1.2xlarge"), _instance("dl1.24xlarge"), _instance("hpc7a.96xlarge"), _instance("p4d.x")]
    reservations = [{"Instances": counted}, {"Instances": others}, {}]
    assert quotas.standard_vcpus(reservations) == 8


def test_needs_count_interfaces_of_tasks_instances_and_endpoints() -> None:
    counts = {"vcpus": 8, "instances": 3, "connections": 50}
    one = quotas.needs(source="x", counts=counts, replicas={"a": 2, "b": 5}, zones=1).amounts
    three = quotas.needs(source="x", counts=counts, replicas={"a": 2, "b": 5}, zones=3).amounts
    assert one["services"] == 2
    assert one["tasks"] == 5
    assert three["interfaces"] - one["interfaces"] == 2 * quotas.INTERFACE_ENDPOINTS
    more = quotas.needs(source="x", counts=counts | {"instances": 4}, replicas={"a": 2, "b": 6}, zones=1).amounts
    assert more["interfaces"] - one["interfaces"] == quotas.INTERFACES_PER_INSTANCE + 1
    assert set(one) == set(BY_KEY)


def test_the_endpoints_are_those_of_the_platform() -> None:
    declared = NETWORK.split('variable "interface_endpoints"')[1].split("default")[1].split("]")[0]
    dsql = 1
    assert len(re.findall(r'"[a-z0-9.-]+"', declared)) + dsql == quotas.INTERFACE_ENDPOINTS
