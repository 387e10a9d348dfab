"""Asks AWS for quotas and for what of them is used. Acts, through `Account`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from auroral.aws_account import Account, AwsError, listed
from auroral.aws_calls import Kind
from auroral.doctor import quotas
from auroral.doctor.checks import Check, Group, not_asked
from auroral.doctor.look_aws import Asked, dsql_clusters
from auroral.doctor.quotas import QUOTAS, Limit, Needs, Quota, Used
from auroral.doctor.run import Probe

if TYPE_CHECKING:
    from auroral.infra.contract import Contract

_RUNNING = ({"Name": "instance-state-name", "Values": ["pending", "running"]},)


def probes(asked: Asked, needs: Needs, contract: Contract | None, now: datetime) -> list[Probe]:
    """The quotas of each service, one service after the other's in threads of their own."""
    services = dict.fromkeys(quota.service for quota in QUOTAS)
    return [
        asked.probe(Group.QUOTAS, f"quotas of {one}", _looking(asked, one, needs, contract, now)) for one in services
    ]


def _looking(
    asked: Asked, service: str, needs: Needs, contract: Contract | None, now: datetime
) -> Callable[[object], Iterable[Check]]:
    def look(caller: object) -> Iterable[Check]:
        del caller
        return checked(asked.account, service, needs, contract, now)

    return look


def checked(account: Account, service: str, needs: Needs, contract: Contract | None, now: datetime) -> list[Check]:
    """Judge every quota of a service. What AWS does not say is said to be not known."""
    limits, usage = _Limits(account, service), _Usage(account, contract, now)
    found = []
    for quota in QUOTAS:
        if quota.service != service:
            continue
        try:
            limit = limits.find(quota)
        except AwsError as error:
            why = not_asked(Group.QUOTAS, quota.title, error.failure)
            found.append(quotas.unknown(quota, why.found, needs, why.remedy))
            continue
        if limit is None:
            found.append(quotas.unknown(quota, f"Service Quotas has none of this name for {service}", needs, ""))
            continue
        used = usage.of(quota, limit) if quota.scope == "region" else None
        found.append(quotas.judge(quota, limit, used, needs, region=account.region, profile=account.profile))
    return found


class _Limits:
    """Quotas of one service: the account's own first, then AWS's defaults. Each list is asked for once."""

    def __init__(self, account: Account, service: str) -> None:
        self._account = account
        self._service = service

    def find(self, quota: Quota) -> Limit | None:
        """Raises `AwsError`."""
        if quota.code:
            try:
                answer = self._account.call(
                    "service-quotas", "get_service_quota", ServiceCode=quota.service, QuotaCode=quota.code
                )
                return quotas.limit_of(answer["Quota"], applied=True)
            except AwsError as error:  # an account without one of its own has none here
                if error.failure.kind is not Kind.MISSING:
                    raise
        elif (own := quotas.find(quota, self._own, applied=True)) is not None:
            return own
        return quotas.find(quota, self._defaults, applied=False)

    @cached_property
    def _own(self) -> list[Mapping[str, Any]]:
        return self._list("list_service_quotas")

    @cached_property
    def _defaults(self) -> list[Mapping[str, Any]]:
        return self._list("list_aws_default_service_quotas")

    def _list(self, operation: str) -> list[Mapping[str, Any]]:
        arguments = {"ServiceCode": self._service}
        try:
            return list(listed(self._account, "service-quotas", operation, "Quotas", token="NextToken", **arguments))
        except AwsError as error:
            if error.failure.kind is Kind.MISSING:
                return []
            raise


class _Usage:
    """How much of a quota is used; what cannot be asked is not known."""

    def __init__(self, account: Account, contract: Contract | None, now: datetime) -> None:
        self._account = account
        self._contract = contract
        self._now = now

    def of(self, quota: Quota, limit: Limit) -> Used | None:
        own = 0 if self._contract is None else 1
        ways: dict[str, Callable[[], Used | None]] = {
            "vcpus": lambda: self._vcpus(limit),
            "clusters": lambda: self._counted("ecs", "list_clusters", "clusterArns", "nextToken", own),
            "dsql-clusters": lambda: Used(amount=dsql_clusters(self._account), own=own),
            "vpcs": lambda: self._counted("ec2", "describe_vpcs", "Vpcs", "NextToken", own),
            "interfaces": self._interfaces,
        }
        try:
            return ways[quota.key]()
        except AwsError:
            return None

    def _counted(self, service: str, operation: str, field: str, token: str, own: int) -> Used:
        return Used(amount=sum(1 for _ in listed(self._account, service, operation, field, token=token)), own=own)

    def _interfaces(self) -> Used:
        found = list(
            listed(
                self._account,
                "ec2",
                "describe_network_interfaces",
                "NetworkInterfaces",
                token="NextToken",
                MaxResults=1000,
            )
        )
        vpc = None if self._contract is None else self._contract.network.vpc_id
        return Used(amount=len(found), own=sum(1 for one in found if vpc is not None and one.get("VpcId") == vpc))

    def _vcpus(self, limit: Limit) -> Used | None:
        amount = self._metered(limit)
        if amount is None:
            instances = listed(
                self._account, "ec2", "describe_instances", "Reservations", token="NextToken", Filters=list(_RUNNING)
            )
            amount = quotas.standard_vcpus(instances)
        return Used(amount=amount, own=self._own_vcpus())

    def _metered(self, limit: Limit) -> int | None:
        """CloudWatch's count, by the metric that the quota itself names."""
        if limit.metric is None:
            return None
        dimensions = limit.metric.get("MetricDimensions") or {}
        try:
            answer = self._account.call(
                "cloudwatch",
                "get_metric_statistics",
                Namespace=limit.metric["MetricNamespace"],
                MetricName=limit.metric["MetricName"],
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=self._now - timedelta(seconds=quotas.USAGE_WINDOW_S),
                EndTime=self._now,
                Period=quotas.USAGE_PERIOD_S,
                Statistics=["Maximum"],
            )
        except AwsError:
            return None
        return quotas.newest(answer.get("Datapoints") or [])

    def _own_vcpus(self) -> int:
        from auroral.capacity.instances import known_instances

        if self._contract is None:
            return 0
        names = [pool.asg for pool in self._contract.capacity.values()]
        try:
            groups = list(
                listed(
                    self._account,
                    "autoscaling",
                    "describe_auto_scaling_groups",
                    "AutoScalingGroups",
                    token="NextToken",
                    AutoScalingGroupNames=names,
                )
            )
        except AwsError:
            return 0
        known = known_instances()
        types = [str(one.get("InstanceType", "")) for group in groups for one in group.get("Instances", ())]
        return sum(known[one].vcpu for one in types if one in known)
