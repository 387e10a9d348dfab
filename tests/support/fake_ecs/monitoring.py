"""CloudWatch's alarms and metrics, as a test sets them; Application Auto Scaling's targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.failures import Refused

Points = list[float] | float | Callable[[], float]


class Monitoring:
    """`alarms` by name; `metrics` by namespace, name and, where given, dimensions."""

    def __init__(self, clock: FakeClock, *, account: str, region: str) -> None:
        self._clock = clock
        self._arn = f"{region}:{account}"
        self.alarms: dict[str, dict[str, Any]] = {}
        self.metrics: dict[tuple[str, str, frozenset[tuple[str, str]]], Points] = {}
        self.targets: dict[str, dict[str, Any]] = {}
        """Scalable targets by resource id."""

    def set_alarm(self, name: str, state: str = "OK", reason: str = "") -> None:
        """Make an alarm, or change its state: `OK`, `ALARM`, `INSUFFICIENT_DATA`."""
        self.alarms[name] = {
            "AlarmName": name,
            "AlarmArn": f"arn:aws:cloudwatch:{self._arn}:alarm:{name}",
            "StateValue": state,
            "StateReason": reason,
            "StateUpdatedTimestamp": self._clock.utc(),
            "ActionsEnabled": True,
        }

    def set_metric(self, namespace: str, name: str, points: Points, **dimensions: str) -> None:
        """What a metric answers: its points, the newest last."""
        self.metrics[namespace, name, frozenset(dimensions.items())] = points

    def add_target(self, resource: str, minimum: int, maximum: int) -> None:
        """A service that is scaled."""
        self.targets[resource] = {
            "ServiceNamespace": "ecs",
            "ResourceId": resource,
            "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": minimum,
            "MaxCapacity": maximum,
            "RoleARN": "arn:aws:iam::123456789012:role/AWSServiceRoleForApplicationAutoScaling_ECSService",
            "CreationTime": self._clock.utc(),
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
        }

    def cloudwatch(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        return {
            "describe_alarms": self.describe_alarms,
            "get_metric_data": self.get_metric_data,
            "get_metric_statistics": self.get_metric_statistics,
        }

    def application_autoscaling(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        return {
            "describe_scalable_targets": self.describe_scalable_targets,
            "register_scalable_target": self.register_scalable_target,
        }

    def describe_alarms(
        self,
        *,
        AlarmNames: list[str] | None = None,
        AlarmNamePrefix: str = "",
        StateValue: str | None = None,
        AlarmTypes: list[str] | None = None,
        MaxRecords: int = 100,
        NextToken: str | None = None,
    ) -> dict[str, Any]:
        """Alarms of metrics, by name."""
        if AlarmNames is not None and AlarmNamePrefix:
            raise Refused("ValidationError", "AlarmNamePrefix and AlarmNames cannot both be specified.")
        found = [
            alarm
            for name, alarm in sorted(self.alarms.items())
            if AlarmNames is None or name in AlarmNames
            if name.startswith(AlarmNamePrefix) and StateValue in (None, alarm["StateValue"])
        ]
        skip = int(NextToken or 0)
        answer: dict[str, Any] = {"MetricAlarms": found[skip : skip + MaxRecords], "CompositeAlarms": []}
        if skip + MaxRecords < len(found):
            answer["NextToken"] = str(skip + MaxRecords)
        return answer

    def get_metric_data(self, *, MetricDataQueries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        """The newest first, a minute apart (ScanBy's default is TimestampDescending)."""
        results = []
        for query in MetricDataQueries:
            if "MetricStat" not in query:
                raise AssertionError(f"this double knows no expressions: {query.get('Expression')}")
            values = self._values(query["MetricStat"]["Metric"])[::-1]
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", query["MetricStat"]["Metric"]["MetricName"]),
                    "Timestamps": [self._clock.utc() - timedelta(minutes=back) for back in range(len(values))],
                    "Values": values,
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results, "Messages": []}

    def get_metric_statistics(
        self, *, Namespace: str, MetricName: str, Statistics: list[str] | None = None, **rest: Any
    ) -> dict[str, Any]:
        """Points in no order that is promised; here by time."""
        metric = {"Namespace": Namespace, "MetricName": MetricName, "Dimensions": rest.get("Dimensions", [])}
        values, now = self._values(metric), self._clock.utc()
        times = [now - timedelta(minutes=len(values) - 1 - index) for index in range(len(values))]
        points = [
            {"Timestamp": at, "Unit": "None", **dict.fromkeys(Statistics or (), value)}
            for at, value in zip(times, values, strict=True)
        ]
        return {"Label": MetricName, "Datapoints": points}

    def describe_scalable_targets(
        self,
        *,
        ServiceNamespace: str,
        ResourceIds: list[str] | None = None,
        ScalableDimension: str | None = None,
        MaxResults: int = 50,
        NextToken: str | None = None,
    ) -> dict[str, Any]:
        """Targets by resource id."""
        found = [
            one
            for name, one in sorted(self.targets.items())
            if ServiceNamespace == one["ServiceNamespace"]
            if (ResourceIds is None or name in ResourceIds) and ScalableDimension in (None, one["ScalableDimension"])
        ]
        skip = int(NextToken or 0)
        answer: dict[str, Any] = {"ScalableTargets": found[skip : skip + MaxResults]}
        if skip + MaxResults < len(found):
            answer["NextToken"] = str(skip + MaxResults)
        return answer

    def register_scalable_target(
        self,
        *,
        ServiceNamespace: str,
        ResourceId: str,
        ScalableDimension: str,
        MinCapacity: int | None = None,
        MaxCapacity: int | None = None,
        SuspendedState: dict[str, bool] | None = None,
    ) -> dict[str, Any]:
        """Make a target, or change what is given of it."""
        if ResourceId not in self.targets:
            if MinCapacity is None or MaxCapacity is None:
                raise Refused("ValidationException", "MinCapacity and MaxCapacity are required for a new target")
            self.add_target(ResourceId, MinCapacity, MaxCapacity)
        target = self.targets[ResourceId]
        least = target["MinCapacity"] if MinCapacity is None else MinCapacity
        most = target["MaxCapacity"] if MaxCapacity is None else MaxCapacity
        if least > most:
            raise Refused("ValidationException", "Maximum capacity cannot be less than minimum capacity")
        target |= {"MinCapacity": least, "MaxCapacity": most}
        target["SuspendedState"] |= SuspendedState or {}
        return {}

    def _values(self, metric: Mapping[str, Any]) -> list[float]:
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", []))
        name = (metric["Namespace"], metric["MetricName"])
        points = self.metrics.get((*name, dimensions), self.metrics.get((*name, frozenset()), []))
        if callable(points):
            return [float(points())]
        return [float(one) for one in points] if isinstance(points, list) else [float(points)]
