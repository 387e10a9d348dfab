"""AWS's quotas, what of them is used, and what a deployment needs: arithmetic and judgement. Pure.

Codes and names: "Amazon ECS endpoints and quotas", "Amazon Aurora DSQL endpoints and quotas", "Amazon VPC quotas" and
"Amazon EC2 instance type quotas", AWS, read in November 2026. DSQL's page gives no codes: its quotas are found by name.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from auroral.doctor.checks import Check, Group, State

Scope = Literal["region", "each"]


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One quota that a deployment may meet."""

    key: str
    title: str
    service: str
    """Service Quotas' code of the service."""
    code: str = ""
    """Empty: it is found by its name."""
    words: tuple[str, ...]
    """What its name holds, in lower case, where the code is not known or not answered."""
    unit: str
    scope: Scope
    """`region`: all of an account in a region share it; `each`: it is that of one cluster, service or VPC."""
    default: int
    """AWS's, for new accounts in general; an account may have less."""

    def is_it(self, code: str, name: str) -> bool:
        """Whether a quota of Service Quotas is this one."""
        if self.code:
            return code == self.code
        lowered = name.lower()
        return all(word in lowered for word in self.words)


QUOTAS = (
    Quota(
        key="vcpus", title="EC2 on-demand standard vCPUs", service="ec2", code="L-1216C47A",
        words=("running on-demand standard",), unit="vCPU", scope="region", default=5,
    ),
    Quota(
        key="clusters", title="ECS clusters", service="ecs", code="L-21C621EB",
        words=("clusters per account",), unit="clusters", scope="region", default=10_000,
    ),
    Quota(
        key="services", title="ECS services of a cluster", service="ecs", code="L-9EF96962",
        words=("services per cluster",), unit="services", scope="each", default=5_000,
    ),
    Quota(
        key="tasks", title="ECS tasks of a service", service="ecs",
        words=("tasks per service",), unit="tasks", scope="each", default=5_000,
    ),
    Quota(
        key="instances", title="ECS instances of a cluster", service="ecs",
        words=("container instances per cluster",), unit="instances", scope="each", default=5_000,
    ),
    Quota(
        key="dsql-clusters", title="DSQL clusters", service="dsql",
        words=("single-region", "clusters"), unit="clusters", scope="region", default=20,
    ),
    Quota(
        key="connections", title="DSQL connections of a cluster", service="dsql",
        words=("connections", "cluster"), unit="connections", scope="each", default=10_000,
    ),
    Quota(
        key="vpcs", title="VPCs", service="vpc", code="L-F678F1CE",
        words=("vpcs per region",), unit="VPCs", scope="region", default=5,
    ),
    Quota(
        key="endpoints", title="interface endpoints of a VPC", service="vpc", code="L-29B6F2EB",
        words=("interface vpc endpoints",), unit="endpoints", scope="each", default=50,
    ),
    Quota(
        key="interfaces", title="network interfaces", service="vpc", code="L-DF5E4CA3",
        words=("network interfaces per region",), unit="interfaces", scope="region", default=5_000,
    ),
)  # fmt: skip

INTERFACE_ENDPOINTS = 16
"""Of the platform: modules/network's default and DSQL's own; a test compares."""
INTERFACES_PER_INSTANCE = 2
"""Its own, and the trunk that its tasks' interfaces branch from."""
ONE_SHOT_TASKS = 2
"""Tasks that run once, beside the services: a benchmark's generator and one of auroral's own."""
USAGE_WINDOW_S = 3_600
"""CloudWatch's usage metrics come minutes late, those of some services every quarter of an hour."""
USAGE_PERIOD_S = 300
STANDARD_FAMILIES = "acdhimrtz"
"""First letters of the instance families of L-1216C47A: `Running On-Demand Standard (A, C, D, H, I, M, R, T, Z)`."""
_NOT_STANDARD = ("dl", "inf", "trn", "hpc", "mac")
"""Families of a standard letter that have a quota of their own."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment takes of each quota, at its largest."""

    source: str
    """`the preset dev`, `the deployment temporal`."""
    amounts: dict[str, int]
    """By `Quota.key`; a quota without one is not judged."""

    @property
    def vcpus(self) -> int:
        """With every group of instances at its maximum."""
        return self.amounts["vcpus"]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A quota as AWS tells it."""

    value: int
    applied: bool
    """Whether it is this account's; False: AWS's default, as none is applied."""
    adjustable: bool
    code: str
    metric: dict[str, Any] | None = None
    """AWS's UsageMetric: where CloudWatch has what is used; None: it has not."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a quota is in use."""

    amount: int
    own: int = 0
    """Of it, by the deployment itself: not needed once more."""

    @property
    def others(self) -> int:
        """By all else."""
        return max(0, self.amount - self.own)


def needs(*, source: str, counts: Mapping[str, int], replicas: Mapping[str, int], zones: int) -> Needs:
    """Put the amounts together of what a plan or a contract counts.

    `counts` has vcpus, instances and connections, `replicas` the most tasks of each service.
    """
    interfaces = sum(replicas.values()) + ONE_SHOT_TASKS
    interfaces += counts["instances"] * INTERFACES_PER_INSTANCE + INTERFACE_ENDPOINTS * zones
    return Needs(
        source=source,
        amounts={
            "vcpus": counts["vcpus"],
            "clusters": 1,
            "services": len(replicas),
            "tasks": max(replicas.values()),
            "instances": counts["instances"],
            "dsql-clusters": 1,
            "connections": counts["connections"],
            "vpcs": 1,
            "endpoints": INTERFACE_ENDPOINTS,
            "interfaces": interfaces,
        },
    )


def limit_of(answer: Mapping[str, Any], *, applied: bool) -> Limit:
    """Read one quota of Service Quotas' answer."""
    metric = answer.get("UsageMetric") or None
    return Limit(
        value=int(answer["Value"]),
        applied=applied,
        adjustable=bool(answer.get("Adjustable", False)),
        code=str(answer["QuotaCode"]),
        metric=dict(metric) if metric and metric.get("MetricName") else None,
    )


def find(quota: Quota, answers: Iterable[Mapping[str, Any]], *, applied: bool) -> Limit | None:
    """The quota among those of its service."""
    for one in answers:
        if "Value" in one and quota.is_it(str(one.get("QuotaCode", "")), str(one.get("QuotaName", ""))):
            return limit_of(one, applied=applied)
    return None


def newest(points: Sequence[Mapping[str, Any]]) -> int | None:
    """The newest point of a usage metric; None: there is none."""
    if not points:
        return None

    def at(point: Mapping[str, Any]) -> datetime:
        moment = point["Timestamp"]
        assert isinstance(moment, datetime)
        return moment

    return int(max(points, key=at)["Maximum"])


def standard_vcpus(reservations: Iterable[Mapping[str, Any]]) -> int:
    """vCPUs of the instances of EC2's answer that count against L-1216C47A: on demand, of standard families."""
    found = 0
    for reservation in reservations:
        for one in reservation.get("Instances", ()):
            cpu = one.get("CpuOptions") or {}
            if is_standard(str(one.get("InstanceType", ""))) and not one.get("InstanceLifecycle"):
                found += int(cpu.get("CoreCount", 0)) * int(cpu.get("ThreadsPerCore", 1))
    return found


def is_standard(instance_type: str) -> bool:
    """Whether an instance type counts against L-1216C47A."""
    return instance_type[:1] in tuple(STANDARD_FAMILIES) and not instance_type.startswith(_NOT_STANDARD)


def judge(
    quota: Quota, limit: Limit, used: Used | None, needs: Needs, *, region: str, profile: str | None = None
) -> Check:
    """Hold one quota against what is needed of it."""
    need = needs.amounts[quota.key]
    told = f"{limit.value:,} {quota.unit}{'' if limit.applied else ' (the default)'}"
    wanted = f"{needs.source} needs {need:,}"
    taken = used.others if used is not None else 0
    if quota.scope == "each":
        found = f"{told}; {wanted}"
    elif used is None:
        found = f"{told}, how many are used is not known; {wanted}"
    else:
        own = f" ({used.own:,} by the deployment)" if used.own else ""
        found = f"{told}, {used.amount:,} used{own}; {wanted}"
    short = need + taken - limit.value
    if short > 0:
        remedy = _raise(quota, limit, need + taken, region, profile)
        return _check(quota, State.MISSING, f"{found}: {short:,} too few", remedy)
    if quota.scope == "region" and used is None:
        remedy = f"see how many are used: Service Quotas, {quota.service} {limit.code}"
        return _check(quota, State.WARN, found, remedy)
    return _check(quota, State.OK, found, "")


def unknown(quota: Quota, why: str, needs: Needs, remedy: str) -> Check:
    """A quota that could not be asked."""
    need = needs.amounts[quota.key]
    found = f"{why}; AWS's default is {quota.default:,} {quota.unit}, {needs.source} needs {need:,}"
    return _check(quota, State.UNKNOWN, found, remedy)


def _raise(quota: Quota, limit: Limit, wanted: int, region: str, profile: str | None) -> str:
    if not limit.adjustable:
        return "AWS does not raise it: take a smaller preset, or another region or account"
    parts = ["aws", *(("--profile", profile) if profile else ()), "--region", region]
    parts += ["service-quotas", "request-service-quota-increase", "--service-code", quota.service]
    return shlex.join([*parts, "--quota-code", limit.code, "--desired-value", str(wanted)])


def _check(quota: Quota, state: State, found: str, remedy: str) -> Check:
    return Check(group=Group.QUOTAS, name=quota.title, state=state, found=found, remedy=remedy)
