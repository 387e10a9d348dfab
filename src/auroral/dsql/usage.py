"""Asks who holds a cluster's connections: the database, and CloudWatch where that is wanted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from auroral import aws
from auroral.dsql.connections import (
    QUERY,
    USAGE_METRIC,
    USAGE_NAMESPACE,
    USAGE_PERIOD_S,
    USAGE_WINDOW_S,
    CloudWatchCount,
    Connections,
    newest,
    tally,
    usage_dimensions,
)
from auroral.dsql.errors import MissingObjectError, NoPrivilegeError, RefusedError
from auroral.dsql.session import Session
from auroral.dsql.target import DsqlTarget
from auroral.errors import TargetError

CLOUDWATCH_TIMEOUT_S = 5.0
"""Of one attempt to reach CloudWatch; there are two."""


async def connections(session: Session, *, cloudwatch: bool) -> Connections:
    """Count by holder. Raises `DsqlError`, and `TargetError` where CloudWatch was asked and does not answer.

    Where the database has no `pg_stat_activity`, or keeps it from this role, CloudWatch's total is told without it.
    """
    count = await asyncio.to_thread(cloudwatch_count, session.target, datetime.now(UTC)) if cloudwatch else None
    try:
        return tally(await session.rows(QUERY), count)
    except (MissingObjectError, NoPrivilegeError, RefusedError) as error:
        if count is not None:
            return tally((), count, hidden=error.message)
        hint = "AWS documents no view of all sessions: --cloudwatch asks for AWS's own total"
        if cloudwatch:
            hint = "nor has CloudWatch a count of the last 15 minutes; the servers' own metrics tell theirs"
        raise type(error)(error.message, hint=hint) from error


def cloudwatch_count(target: DsqlTarget, now: datetime) -> CloudWatchCount | None:
    """AWS's own count; None where it has published none of late. Raises `TargetError`."""
    import boto3
    from botocore.config import Config

    options = Config(
        connect_timeout=CLOUDWATCH_TIMEOUT_S, read_timeout=CLOUDWATCH_TIMEOUT_S, retries={"total_max_attempts": 2}
    )
    try:
        client = boto3.Session(profile_name=target.profile).client(
            "cloudwatch", region_name=target.region, config=options
        )
        answer = client.get_metric_statistics(
            Namespace=USAGE_NAMESPACE,
            MetricName=USAGE_METRIC,
            Dimensions=usage_dimensions(target.cluster_id),
            StartTime=now - timedelta(seconds=USAGE_WINDOW_S),
            EndTime=now,
            Period=USAGE_PERIOD_S,
            Statistics=["Maximum"],
        )
    except aws.failures() as error:
        raise TargetError(
            f"CloudWatch in {target.region} does not tell the connections of {target.cluster_id}: {aws.words(error)}",
            hint="the principal needs cloudwatch:GetMetricStatistics; without --cloudwatch only the database is asked",
        ) from error
    return newest(answer["Datapoints"])
