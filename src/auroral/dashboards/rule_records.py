"""What is recorded: the deployment's limits, and what alerts and dashboards both ask for. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from auroral.dashboards import metrics as m
from auroral.dashboards.metrics import CLUSTER, NAMESPACE, SERVICE, Kind, Metric, Source
from auroral.dashboards.queries import EVERYTHING, counted, quantile, ratio, series, sum_of
from auroral.dashboards.rules import Record, RuleFile
from auroral.dsql import limits

_CONNECTS_S = 120
"""Eight scrapes: a start opens its pool within the first minute."""

RATIO_OVER = "5m"


def _recorded(name: str, unit: str, *labels: str, after: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, unit, labels, Source.RULES, after)


CONNECT_RATE_LIMIT = _recorded("auroral:dsql_connect_rate:limit", "connects per second")
CONNECTION_LIMIT = _recorded("auroral:dsql_connections:limit", "connections")
HISTORY_SHARDS = _recorded("auroral:history_shards:count", "shards", after="a deployment that tells it")
"""Of the deployment; where nobody tells it, alerts on shards that compare with it are silent."""

CONNECT_RATE = _recorded("cluster:dsql_connects:rate2m", "connects per second", CLUSTER)
CONNECTIONS = _recorded("cluster:dsql_pool_open:sum", "connections", CLUSTER)
SHARDS = _recorded("cluster:history_shards:sum", "shards", CLUSTER)
PERSISTENCE_ERRORS = _recorded("cluster_service:persistence_errors:ratio5m", "share", CLUSTER, SERVICE)
VISIBILITY_ERRORS = _recorded("cluster_service:visibility_errors:ratio5m", "share", CLUSTER, SERVICE)
FRONTEND_ERRORS = _recorded("cluster:frontend_errors:ratio5m", "share", CLUSTER)
PERSISTENCE_P99 = _recorded("cluster_service:persistence_latency:p99_5m", "s", CLUSTER, SERVICE)
SCHEDULE_TO_START_P95 = _recorded(
    "cluster_queue:schedule_to_start:p95_5m", "s", CLUSTER, NAMESPACE, "taskqueue", "operation"
)


def recorded(metric: Metric) -> str:
    """Select the series of a recorded metric."""
    return series(metric, scope=EVERYTHING)


def quota(recorded_as: Metric, default: float) -> str:
    """Ask for a limit as the deployment's rules record it; AWS's default where none do."""
    return f"max({recorded(recorded_as)}) or vector({default})"


def share(part: Metric, whole: Metric, by: tuple[str, ...], where: Mapping[str, str] | None = None) -> str:
    """Ask for the share of one counter in another over `RATIO_OVER`: 0 where the first has not counted yet."""
    chosen = where or {}
    all_of_them = counted(whole, by, chosen, scope=EVERYTHING, over=RATIO_OVER)
    some = counted(part, by, chosen, scope=EVERYTHING, over=RATIO_OVER)
    return ratio(f"{some} or 0 * {all_of_them}", all_of_them)


def _connects() -> str:
    """Those of the brief stores of a start are among them. A task's first count is no rate to Prometheus: it counts."""
    return f"{counted(m.CONNECTS, (CLUSTER,), scope=EVERYTHING, over=f'{_CONNECTS_S}s')} / {_CONNECTS_S}"


def limits_file(
    *,
    connect_rate_per_s: float = limits.CONNECT_RATE_PER_S,
    connections: int = limits.MAX_CONNECTIONS,
    history_shards: int | None = None,
) -> RuleFile:
    """Record what a deployment may have: the rule file `limits`. Terraform writes its own, with its own numbers."""
    told = {CONNECT_RATE_LIMIT: connect_rate_per_s, CONNECTION_LIMIT: connections, HISTORY_SHARDS: history_shards}
    return RuleFile(
        name="limits",
        says="Limits that alerts compare with: AWS's, as no deployment tells its own.",
        groups={
            "limits": [
                Record(metric=metric, asks=f"vector({number:g})")
                for metric, number in told.items()
                if number is not None
            ]
        },
    )


def _record(metric: Metric, asks: str) -> Record:
    return Record(metric=metric, asks=asks)


RECORDS = RuleFile(
    name="records",
    says="What alerts and dashboards both ask for.",
    groups={
        "records": [
            _record(CONNECT_RATE, _connects()),
            _record(CONNECTIONS, sum_of(m.POOL_OPEN, (CLUSTER,), scope=EVERYTHING)),
            _record(SHARDS, sum_of(m.SHARDS, (CLUSTER,), scope=EVERYTHING)),
            _record(PERSISTENCE_ERRORS, share(m.PERSISTENCE_ERRORS, m.PERSISTENCE_REQUESTS, (CLUSTER, SERVICE))),
            _record(VISIBILITY_ERRORS, share(m.VISIBILITY_ERRORS, m.VISIBILITY_REQUESTS, (CLUSTER, SERVICE))),
            _record(FRONTEND_ERRORS, share(m.SERVICE_ERRORS, m.SERVICE_REQUESTS, (CLUSTER,), {SERVICE: "frontend"})),
            _record(
                PERSISTENCE_P99,
                quantile(0.99, m.PERSISTENCE_LATENCY, (CLUSTER, SERVICE), scope=EVERYTHING, over=RATIO_OVER),
            ),
            _record(
                SCHEDULE_TO_START_P95,
                quantile(
                    0.95,
                    m.SCHEDULE_TO_START_LATENCY,
                    (CLUSTER, NAMESPACE, "taskqueue", "operation"),
                    scope=EVERYTHING,
                    over=RATIO_OVER,
                ),
            ),
        ]
    },
)
