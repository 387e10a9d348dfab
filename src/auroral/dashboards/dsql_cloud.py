"""Rows of the dashboard DSQL Persistence: what CloudWatch counts of the database. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.metrics import CloudMetric
from auroral.dashboards.overview import DSQL_VARIABLE
from auroral.dashboards.panels import CloudQuery, Panel, Query, Row, Shape, Unit
from auroral.dashboards.rule_records import CONNECTION_LIMIT, quota
from auroral.dsql import limits
from auroral.dsql.connections import usage_dimensions

_ID = f"${{{DSQL_VARIABLE.name}}}"


def _aws(metric: CloudMetric, legend: str) -> CloudQuery:
    return CloudQuery(metric, dict.fromkeys(metric.dimensions, _ID), legend)


def _usage(metric: CloudMetric, legend: str, **changed: str) -> CloudQuery:
    dimensions = {one["Name"]: one["Value"] for one in usage_dimensions(_ID)}
    return CloudQuery(metric, dimensions | changed, legend)


COUNTED = Row(
    "What AWS counts: the whole DSQL cluster, all its clients, some minutes late",
    (
        Panel(
            title="Connections of the cluster",
            unit=Unit.COUNT,
            shows=f"Open connections. Dashed: the quota, {limits.MAX_CONNECTIONS:,} unless AWS raised it.",
            normal="The sum of all targets and a few.",
            otherwise="More than ours: `auroral dsql connections` says whose. At the line DSQL refuses (53300).",
            queries=(
                _usage(metrics.DSQL_CONNECTIONS, "open"),
                Query(quota(CONNECTION_LIMIT, limits.MAX_CONNECTIONS), "quota", limit=True),
            ),
        ),
        Panel(
            title="Connect calls",
            unit=Unit.COUNT,
            shows="Calls in each period that began a session: as an own role (`DbConnect`) or as administrator.",
            normal="As *Connects a second*, times the period. The administrator is for set-up alone.",
            otherwise="More than ours: something else connects to this database.",
            queries=(
                _usage(metrics.DSQL_CONNECT_CALLS, "DbConnect", Type="API", Resource="DbConnect"),
                _usage(metrics.DSQL_CONNECT_CALLS, "DbConnectAdmin", Type="API", Resource="DbConnectAdmin"),
            ),
        ),
        Panel(
            title="Transactions of the cluster",
            unit=Unit.COUNT,
            shows="Transactions in each period, and those of them that only read.",
            normal="In proportion to Temporal's load.",
            otherwise="More than *Transactions a second* times the period: something else uses this database.",
            queries=(_aws(metrics.DSQL_TRANSACTIONS, "all"), _aws(metrics.DSQL_READ_ONLY_TRANSACTIONS, "read only")),
        ),
        Panel(
            title="Commit latency",
            unit=Unit.MILLISECONDS,
            shows="DSQL's own time for the commit phase, the median.",
            normal="Steady, whatever the load.",
            otherwise="When it rises and our latency with it, DSQL is the cause: AWS's health dashboard.",
            queries=(_aws(metrics.DSQL_COMMIT_LATENCY, "median"),),
        ),
        Panel(
            title="Conflicts and time-outs of the cluster",
            unit=Unit.COUNT,
            shows="Transactions that DSQL aborted for a conflict, and queries that met its longest transaction time "
            f"({limits.MAX_TRANSACTION_AGE_S // 60} minutes), in each period.",
            normal="Conflicts as ours; no time-outs.",
            otherwise="Time-outs are nothing of Temporal's: look for other clients, such as a backup.",
            queries=(_aws(metrics.DSQL_CONFLICTS, "conflicts"), _aws(metrics.DSQL_TIMEOUTS, "time-outs")),
            shape=Shape.BARS,
        ),
        Panel(
            title="Read and written",
            unit=Unit.BYTES,
            shows="Bytes from and to storage, in each period.",
            normal="In proportion to Temporal's load.",
            otherwise="Far more read than before: a scan. `auroral dsql connections` says who is there.",
            queries=(_aws(metrics.DSQL_BYTES_READ, "read"), _aws(metrics.DSQL_BYTES_WRITTEN, "written")),
        ),
        Panel(
            title="Units billed",
            unit=Unit.COUNT,
            shows="DPU in each period, as AWS approximates them, and what they are for.",
            normal="In proportion to Temporal's load.",
            otherwise="Compute without load is a client that waits in a transaction, or scans.",
            queries=(
                _aws(metrics.DSQL_COMPUTE_UNITS, "compute"),
                _aws(metrics.DSQL_READ_UNITS, "read"),
                _aws(metrics.DSQL_WRITE_UNITS, "write"),
                _aws(metrics.DSQL_TOTAL_UNITS, "total"),
            ),
        ),
        Panel(
            title="Time of computing",
            unit=Unit.MILLISECONDS,
            shows="Wall-clock time of the query processors, in each period.",
            normal="In proportion to transactions.",
            otherwise="More for each transaction than before: a plan has changed, or statements are larger.",
            queries=(_aws(metrics.DSQL_COMPUTE_TIME, "computing"),),
        ),
        Panel(
            title="Storage",
            unit=Unit.BYTES,
            shows="Size of the cluster.",
            normal="Steady once as many workflows leave retention as come.",
            otherwise="Growing at a steady load: retention, or history's timer queue lags; see *Temporal Server*.",
            queries=(_aws(metrics.DSQL_STORAGE, "stored"),),
        ),
    ),
)
