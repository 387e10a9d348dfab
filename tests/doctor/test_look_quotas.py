"""Quotas and usage as AWS answers them: over HTTP with moto's, and each way to ask at the account's boundary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import AwsAccount
from auroral.doctor.checks import Check, State
from auroral.doctor.look_quotas import checked
from auroral.doctor.sizes import of_contract, of_preset
from auroral.infra.contract import Contract, parse
from tests.doctor.told import Told
from tests.support.moto_server import REGION, Moto

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DEV = of_preset("dev")
METRIC = {
    "MetricNamespace": "AWS/Usage",
    "MetricName": "ResourceCount",
    "MetricDimensions": {"Class": "Standard/OnDemand", "Resource": "vCPU", "Service": "EC2", "Type": "Resource"},
}
INSTANCES = {"Reservations": [{"Instances": [{"InstanceType": "m7g.xlarge", "CpuOptions": {"CoreCount": 4}}] * 3}]}


@pytest.fixture
def contract() -> Contract:
    path = Path(__file__).parents[2] / "infra/tests/platform/contract.json"
    return parse(json.loads(path.read_text()), "the example")


def _checks(account: Any, service: str, contract: Contract | None = None) -> dict[str, Check]:
    needs = DEV if contract is None else of_contract(contract)
    return {one.name: one for one in checked(account, service, needs, contract, NOW)}


def _quota(value: float, **more: Any) -> dict[str, Any]:
    return {"QuotaCode": "L-1216C47A", "QuotaName": "q", "Value": value, "Adjustable": True} | more


def _ec2(value: float, **more: Any) -> Told:
    answers: dict[str, Any] = {
        "service-quotas.get_service_quota": {"Quota": _quota(value, UsageMetric=METRIC)},
        "cloudwatch.get_metric_statistics": {"Datapoints": [{"Timestamp": NOW, "Maximum": 24.0}]},
        "ec2.describe_instances": INSTANCES,
    }
    return Told(answers | more)


def _vcpus(account: Told, contract: Contract | None = None) -> Check:
    return _checks(account, "ec2", contract)["EC2 on-demand standard vCPUs"]


def test_vcpus_are_counted_by_the_metric_that_the_quota_names() -> None:
    account = _ec2(DEV.vcpus + 24)
    assert _vcpus(account).state is State.OK
    assert "24 used" in _vcpus(account).found
    (asked, *_) = account.called("cloudwatch.get_metric_statistics")
    assert {one["Name"]: one["Value"] for one in asked["Dimensions"]} == METRIC["MetricDimensions"]
    assert asked["EndTime"] == NOW
    assert asked["StartTime"] < NOW
    assert _vcpus(_ec2(DEV.vcpus + 23)).state is State.MISSING


@pytest.mark.parametrize(
    "more",
    [
        {"cloudwatch.get_metric_statistics": "AccessDenied"},
        {"cloudwatch.get_metric_statistics": {"Datapoints": []}},
        {"service-quotas.get_service_quota": {"Quota": _quota(640.0)}},
    ],
)
def test_without_a_metric_the_instances_are_counted(more: dict[str, Any]) -> None:
    assert "12 used" in _vcpus(_ec2(640, **more)).found


def test_without_any_count_it_is_a_warning() -> None:
    denied = {"cloudwatch.get_metric_statistics": "AccessDenied", "ec2.describe_instances": "UnauthorizedOperation"}
    assert _vcpus(_ec2(640, **denied)).state is State.WARN


def test_instances_of_the_deployment_are_its_own(contract: Contract) -> None:
    groups = {"AutoScalingGroups": [{"Instances": [{"InstanceType": "m7g.xlarge"}] * 6}]}
    needed = of_contract(contract).vcpus
    check = _vcpus(_ec2(needed, **{"autoscaling.describe_auto_scaling_groups": groups}), contract)
    assert (check.state, "(24 by the deployment)" in check.found) == (State.OK, True)
    # What may not be asked is taken for somebody else's.
    denied = _vcpus(_ec2(needed, **{"autoscaling.describe_auto_scaling_groups": "AccessDenied"}), contract)
    assert denied.state is State.MISSING


def _listed(*names: str) -> dict[str, Any]:
    return {"Quotas": [{"QuotaCode": f"L-{n}", "QuotaName": name, "Value": 7.0} for n, name in enumerate(names)]}


def test_the_accounts_own_quota_comes_before_the_default() -> None:
    account = Told(
        {
            "service-quotas.list_service_quotas": _listed("Connections per cluster"),
            "service-quotas.list_aws_default_service_quotas": _listed("Single-Region clusters"),
            "dsql.list_clusters": {"clusters": [{}] * 2},
        }
    )
    found = _checks(account, "dsql")
    assert "7 connections;" in found["DSQL connections of a cluster"].found
    assert "too few" in found["DSQL connections of a cluster"].found
    assert "7 clusters (the default), 2 used" in found["DSQL clusters"].found
    assert found["DSQL clusters"].state is State.OK
    assert len(account.called("service-quotas.list_service_quotas")) == 1


def test_a_quota_without_one_of_the_account_is_the_default() -> None:
    defaults = {"Quotas": [_quota(5.0)]}
    account = _ec2(
        5,
        **{
            "service-quotas.get_service_quota": "NoSuchResourceException",
            "service-quotas.list_aws_default_service_quotas": defaults,
        },
    )
    check = _vcpus(account)
    assert (check.state, "5 vCPU (the default)" in check.found) == (State.MISSING, True)


def test_quotas_of_every_page_are_seen() -> None:
    def pages(arguments: Mapping[str, Any]) -> dict[str, Any]:
        if "NextToken" in arguments:
            return _listed("Tasks per service", "Container instances per cluster")
        return _listed("Other") | {"NextToken": "more"}

    found = _checks(Told({"service-quotas.list_service_quotas": pages}), "ecs")
    assert "7 tasks;" in found["ECS tasks of a service"].found


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException", "EndpointConnectionError"])
def test_what_is_not_answered_is_not_known_for_each_quota(code: str) -> None:
    account = Told(
        {"service-quotas.get_service_quota": code, "service-quotas.list_service_quotas": code}, profile="ops"
    )
    for service, count in {"ec2": 1, "ecs": 4, "dsql": 2, "vpc": 3}.items():
        found = _checks(account, service)
        assert [one.state for one in found.values()] == [State.UNKNOWN] * count
        if code == "AccessDeniedException":
            assert all("servicequotas:" in one.remedy for one in found.values())


def test_a_quota_that_aws_names_otherwise_is_not_known() -> None:
    account = Told(
        {
            "service-quotas.list_service_quotas": _listed("Renamed"),
            "service-quotas.list_aws_default_service_quotas": "NoSuchResourceException",
        }
    )
    found = _checks(account, "dsql")
    assert {one.state for one in found.values()} == {State.UNKNOWN}
    assert "none of this name" in found["DSQL clusters"].found


def test_network_interfaces_of_the_deployments_vpc_are_its_own(contract: Contract) -> None:
    own = {"VpcId": contract.network.vpc_id}
    account = Told(
        {
            "service-quotas.get_service_quota": {"Quota": _quota(200, QuotaCode="L-DF5E4CA3")},
            "ec2.describe_network_interfaces": {"NetworkInterfaces": [own, own, {"VpcId": "vpc-other"}]},
            "ec2.describe_vpcs": {"Vpcs": [own]},
        }
    )
    found = _checks(account, "vpc", contract)
    assert "3 used (2 by the deployment)" in found["network interfaces"].found
    assert "1 used (1 by the deployment)" in found["VPCs"].found


@pytest.mark.whole
def test_motos_quotas_of_vpcs_are_read_over_http(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    vpcs = len(moto.client("ec2").describe_vpcs()["Vpcs"])
    found = _checks(AwsAccount(region=REGION), "vpc")
    assert f"5 VPCs, {vpcs} used" in found["VPCs"].found
    assert {one.state for one in found.values()} == {State.OK}
