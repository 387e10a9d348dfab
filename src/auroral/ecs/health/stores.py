"""Reads what a deployment stands on: CloudWatch's counts and alarms, OpenSearch's domain, refused connects. Acts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.dsql.connections import USAGE_METRIC, USAGE_NAMESPACE, USAGE_PERIOD_S, CloudWatchCount, usage_dimensions
from auroral.ecs.fleet import TEMPORAL, Fleet
from auroral.ecs.health.crash_loop import RING_TROUBLE
from auroral.ecs.health.prometheus import Ask
from auroral.ecs.health.snapshot import WINDOW_S, AlarmSeen, DomainSeen, Refusals, RingLines, SearchSeen
from auroral.errors import TargetError

PAGES = 5
"""Of FilterLogEvents, which may answer empty pages while it searches; what is behind them is not counted."""

QUESTION = f"sum by (outcome, reason) (increase(dsql_connects[{WINDOW_S}s]))"

_REFUSED_LINE = "DSQL refused a connection"
"""server/internal/pool/keeper.go."""

_REASONS = (
    ("rate", re.compile(r"\b53400\b|connection rate", re.I)),
    ("connections", re.compile(r"\b53300\b|too many connections", re.I)),
    ("auth", re.compile(r"\b28[0-9P]{3}\b|access denied|authentication", re.I)),
    ("timeout", re.compile(r"timeout|timed out|deadline exceeded", re.I)),
    ("network", re.compile(r"no such host|connection refused|connection reset|unreachable|broken pipe|\bEOF\b", re.I)),
)
"""As server/internal/telemetry tells them apart, by what the line says."""

_STATUSES = ("red", "yellow", "green")
"""The worst first: after a change two of them may have a data point in one minute."""


def connections(account: Account, cluster: str, now: datetime) -> CloudWatchCount:
    """How many connections the DSQL cluster has. Raises `AwsError`, `TargetError` where CloudWatch has no count."""
    values = _newest(account, now, {"open": (USAGE_NAMESPACE, USAGE_METRIC, usage_dimensions(cluster), "Maximum")})
    if "open" not in values:
        raise TargetError("CloudWatch has no count of the last 15 minutes")
    at, value = values["open"]
    return CloudWatchCount(connections=value, at=at)


def search(account: Account, domain: str, account_id: str, now: datetime) -> SearchSeen:
    """How CloudWatch measures the domain. Raises `AwsError`, `TargetError` where it has no data points."""
    owner = account_id or str(account.call("sts", "get_caller_identity").get("Account", ""))
    dimensions = [{"Name": "DomainName", "Value": domain}, {"Name": "ClientId", "Value": owner}]
    metrics = {colour: ("AWS/ES", f"ClusterStatus.{colour}", dimensions, "Maximum") for colour in _STATUSES}
    metrics["nodes"] = ("AWS/ES", "Nodes", dimensions, "Minimum")
    metrics["blocked"] = ("AWS/ES", "ClusterIndexWritesBlocked", dimensions, "Maximum")
    metrics["free"] = ("AWS/ES", "FreeStorageSpace", dimensions, "Minimum")
    values = _newest(account, now, metrics)
    if not values:
        raise TargetError(f"CloudWatch has no data points of the domain {domain} of the last 15 minutes")
    lit = {colour: values[colour][0] for colour in _STATUSES if values.get(colour, (now, 0.0))[1] >= 1}
    last = max(lit.values(), default=None)
    status = next((colour for colour in _STATUSES if colour in lit and lit[colour] == last), "")
    return SearchSeen(
        status=status,
        at=last,
        nodes=round(values["nodes"][1]) if "nodes" in values else None,
        writes_blocked=values.get("blocked", (now, 0.0))[1] >= 1,
        free_mib=values["free"][1] if "free" in values else None,
    )


def domain(account: Account, name: str) -> DomainSeen:
    """The domain as its service describes it. Raises `AwsError`."""
    status = account.call("opensearch", "describe_domain", DomainName=name).get("DomainStatus") or {}
    return DomainSeen(
        version=str(status.get("EngineVersion", "")),
        processing=bool(status.get("Processing")),
        upgrading=bool(status.get("UpgradeProcessing")),
        deleted=bool(status.get("Deleted")),
    )


def alarms(account: Account, prefix: str) -> tuple[AlarmSeen, ...]:
    """Those in ALARM whose names begin so. Raises `AwsError`."""
    found: list[Any] = []
    asked = {"AlarmNamePrefix": prefix, "StateValue": "ALARM", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    following: dict[str, Any] = {}
    while True:
        answer = account.call("cloudwatch", "describe_alarms", **asked, **following)
        found += [*(answer.get("MetricAlarms") or ()), *(answer.get("CompositeAlarms") or ())]
        if not answer.get("NextToken"):
            break
        following = {"NextToken": answer["NextToken"]}
    return tuple(
        AlarmSeen(
            name=str(one["AlarmName"]),
            since=_utc(one.get("StateTransitionedTimestamp") or one["StateUpdatedTimestamp"]),
            description=str(one.get("AlarmDescription") or ""),
        )
        for one in sorted(found, key=lambda one: str(one["AlarmName"]))
        if one.get("StateValue") == "ALARM"
    )


def refusals(account: Account, fleet: Fleet, ask: Ask | None, now: datetime) -> Refusals:
    """Connects refused of late: of the workspace of metrics, else of the servers' logs.

    Raises `AwsError`, and `TargetError` where neither tells.
    """
    why = "no workspace of metrics is known"
    if ask is not None:
        try:
            samples = ask(QUESTION)
        except AwsError as error:
            if error.failure.kind is Kind.EXPIRED:
                raise
            why = error.message
        else:
            if samples:
                counts: Counter[str] = Counter()
                for one in samples:
                    if one.labels.get("outcome") == "refused":
                        counts[one.labels.get("reason", "other")] += math.ceil(one.value)
                return Refusals(by_reason=_counted(counts), source="metrics")
            why = "the workspace has no series dsql_connects"
    groups = [fleet.services[key].log_group for key in TEMPORAL if key in fleet.services]
    if not any(groups):
        raise TargetError(f"{why}; and the services' log groups are not known")
    try:
        return _refused_in_logs(account, [group for group in groups if group], now)
    except AwsError as error:
        raise TargetError(f"{why}; {error.message}") from error


def _refused_in_logs(account: Account, groups: Sequence[str], now: datetime) -> Refusals:
    counts: Counter[str] = Counter()
    more = False
    for group in groups:
        lines, cut = _lines(account, group, f'"{_REFUSED_LINE}"', now)
        counts.update(_reason(line) for line in lines)
        more = more or cut
    return Refusals(by_reason=_counted(counts), source="logs", at_least=more)


def ring_lines(account: Account, fleet: Fleet, services: Sequence[str], now: datetime) -> RingLines:
    """What these services logged of late of a ring that they cannot join. Raises `AwsError`."""
    pattern = " ".join(f'?"{words}"' for words in RING_TROUBLE)
    counts, example = {}, ""
    for key in services:
        group = fleet.services[key].log_group
        lines, _ = _lines(account, group, pattern, now) if group else ([], False)
        # Whoever answers instead of CloudWatch may not know the pattern's form.
        lines = [line for line in lines if any(words in line for words in RING_TROUBLE)]
        if lines:
            counts[key], example = len(lines), lines[-1]
    return RingLines(by_service=counts, example=" ".join(example.split())[:300])


def _lines(account: Account, group: str, pattern: str, now: datetime) -> tuple[list[str], bool]:
    """Lines of a group of late, and whether there are more. A group that is not there has none."""
    began = round((now - timedelta(seconds=WINDOW_S)).timestamp() * 1000)
    lines: list[str] = []
    following: dict[str, Any] = {}
    for _ in range(PAGES):
        try:
            answer = account.call(
                "logs", "filter_log_events", logGroupName=group, filterPattern=pattern, startTime=began, **following
            )
        except AwsError as error:
            if error.failure.kind is Kind.MISSING:
                return lines, False
            raise
        lines += [str(event.get("message", "")) for event in answer.get("events") or ()]
        if not answer.get("nextToken"):
            return lines, False
        following = {"nextToken": answer["nextToken"]}
    return lines, True


def _newest(
    account: Account, now: datetime, metrics: Mapping[str, tuple[str, str, list[dict[str, str]], str]]
) -> dict[str, tuple[datetime, float]]:
    """The newest data point of each metric that has one."""
    names = {f"m{index}": name for index, name in enumerate(metrics)}
    queries = [
        {
            "Id": identifier,
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": dimensions},
                "Period": USAGE_PERIOD_S,
                "Stat": stat,
            },
        }
        for identifier, (namespace, metric, dimensions, stat) in zip(names, metrics.values(), strict=True)
    ]
    answer = account.call(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=queries,
        StartTime=now - timedelta(seconds=WINDOW_S),
        EndTime=now,
        ScanBy="TimestampDescending",
    )
    newest = {}
    for result in answer.get("MetricDataResults") or ():
        points = list(zip(result.get("Timestamps") or (), result.get("Values") or (), strict=True))
        if points and result.get("Id") in names:
            at, value = max(points, key=lambda point: _utc(point[0]))
            newest[names[result["Id"]]] = (_utc(at), float(value))
    return newest


def _reason(line: str) -> str:
    return next((reason for reason, pattern in _REASONS if pattern.search(line)), "other")


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if count}


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
