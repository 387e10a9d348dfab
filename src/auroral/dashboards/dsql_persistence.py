"""The dashboard DSQL Persistence: connections, transactions, and what AWS itself counts of the database. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.dsql_cloud import COUNTED
from auroral.dashboards.dsql_connecting import CONNECTING, STARTING
from auroral.dashboards.metrics import INSTANCE, SERVICE
from auroral.dashboards.overview import DSQL_VARIABLE
from auroral.dashboards.panels import (
    CLUSTER_VARIABLE,
    SERVICE_VARIABLE,
    Board,
    Panel,
    Query,
    Row,
    Shape,
    Unit,
    over,
    under,
)
from auroral.dashboards.queries import (
    OF_CLUSTER,
    counted,
    max_of,
    mean,
    quantile,
    rate_of,
    ratio,
    series,
    sum_of,
)
from auroral.dashboards.rule_dsql import POOL_SHARE
from auroral.dashboards.rule_records import CONNECT_RATE_LIMIT, CONNECTION_LIMIT, quota
from auroral.dsql import limits
from auroral.ecs.health.judgement_stores import FILLING, NEARLY_FULL

BUSY_SHARE = 0.9
_NONE_YET = "0"
_WHO = f"{{{{{SERVICE}}}}}"


_RATE_LIMIT = quota(CONNECT_RATE_LIMIT, limits.CONNECT_RATE_PER_S)
_CONNECTION_LIMIT = quota(CONNECTION_LIMIT, limits.MAX_CONNECTIONS)
_OPEN = sum_of(metrics.POOL_OPEN, (SERVICE,))
_TARGET = sum_of(metrics.POOL_TARGET, (SERVICE,))

_GLANCE = Row(
    "",
    (
        Panel(
            title="Pools filled",
            unit=Unit.SHARE,
            shows="Open connections of the target, in the service where that is least.",
            normal="100 %. It dips while tasks start.",
            otherwise="See *Connects a second* and *Refusals*: what does not open says why there.",
            queries=(Query(f"min({ratio(_OPEN, _TARGET)})"),),
            shape=Shape.NUMBER,
            steps=under(POOL_SHARE, warn=0.99),
            width=4,
            height=4,
            decimals=0,
        ),
        Panel(
            title="Busiest pool",
            unit=Unit.SHARE,
            shows="Connections in use, of the target, in the task where that is most.",
            normal="Well below 90 %: what is left is the room for peaks.",
            otherwise="Callers are about to wait. See *In use, by task*; `auroral capacity plan` sizes pools.",
            queries=(Query(f"max({ratio(series(metrics.POOL_IN_USE), series(metrics.POOL_TARGET))})"),),
            shape=Shape.NUMBER,
            steps=over(BUSY_SHARE, warn=0.7),
            width=4,
            height=4,
            decimals=0,
        ),
        Panel(
            title="Callers waiting",
            unit=Unit.COUNT,
            shows="Callers who wait for a connection now, in all chosen services.",
            normal="0.",
            otherwise="Pools are too small for the load, or transactions take longer: see *Transaction latency*.",
            queries=(Query(sum_of(metrics.POOL_WAITING)),),
            shape=Shape.NUMBER,
            steps=over(10, warn=1),
            width=4,
            height=4,
        ),
        Panel(
            title="Connects, of the limit",
            unit=Unit.SHARE,
            shows="Attempts to connect a second, of the whole cluster, of what DSQL refills a second.",
            normal="Near 0 %: pools replace what expires, and nothing else.",
            otherwise="Something connects in a loop. See *Connects by service* and *Closed, by reason*.",
            queries=(Query(ratio(rate_of(metrics.CONNECTS, scope=OF_CLUSTER), _RATE_LIMIT)),),
            shape=Shape.NUMBER,
            steps=over(1, warn=FILLING),
            width=4,
            height=4,
            decimals=0,
        ),
        Panel(
            title="Conflicts handed on",
            unit=Unit.COUNT,
            shows="Conflicts of the last five minutes that replays did not solve, so that Temporal met them.",
            normal="0, or few: Temporal tries again by itself.",
            otherwise="See *Conflicts handed on, by reason*.",
            queries=(Query(counted(metrics.REPLAYS_EXHAUSTED, over="5m")),),
            shape=Shape.NUMBER,
            steps=over(100, warn=1),
            width=4,
            height=4,
            decimals=0,
            empty=_NONE_YET,
        ),
        Panel(
            title="Connections, of the quota",
            unit=Unit.SHARE,
            shows="Open connections of all services, of those that the DSQL cluster may have.",
            normal=f"As planned, below {FILLING:.0%}.",
            otherwise="`auroral dsql connections` says who holds them; AWS's count is below.",
            queries=(Query(ratio(sum_of(metrics.POOL_OPEN, scope=OF_CLUSTER), _CONNECTION_LIMIT)),),
            shape=Shape.NUMBER,
            steps=over(NEARLY_FULL, warn=FILLING),
            width=4,
            height=4,
            decimals=0,
        ),
    ),
)

_POOL = Row(
    "Pools",
    (
        Panel(
            title="Connections in use and idle",
            unit=Unit.COUNT,
            shows="Connections of all chosen services: lent, idle, being opened. Dashed: the targets.",
            normal="In use and idle together lie on the line.",
            otherwise="Below it: connections were lost and do not open again; see *Refusals*. Opening without end: "
            "a limiter holds them up; see *Limiter waits*.",
            queries=(
                Query(sum_of(metrics.POOL_IN_USE), "in use"),
                Query(sum_of(metrics.POOL_IDLE), "idle"),
                Query(sum_of(metrics.POOL_OPENING), "being opened"),
                Query(sum_of(metrics.POOL_TARGET), "target", limit=True),
            ),
            shape=Shape.STACKED,
        ),
        Panel(
            title="Filled, by service",
            unit=Unit.SHARE,
            shows="Open connections of the target.",
            normal="100 %. While a task starts its pool fills, one connection after the other.",
            otherwise=f"Below {POOL_SHARE:.0%} for minutes: `auroral cluster status`, then *Refusals* here.",
            queries=(Query(ratio(_OPEN, _TARGET), _WHO),),
            steps=under(POOL_SHARE),
        ),
        Panel(
            title="In use, by task",
            unit=Unit.SHARE,
            shows="Connections in use of the target, task by task.",
            normal="Alike among the tasks of a service.",
            otherwise="One task far above the others has a hot shard. All of them at the line: more tasks "
            "(`auroral cluster scale`), or larger pools by a new plan.",
            queries=(
                Query(
                    ratio(
                        sum_of(metrics.POOL_IN_USE, (SERVICE, INSTANCE)),
                        sum_of(metrics.POOL_TARGET, (SERVICE, INSTANCE)),
                    ),
                    f"{_WHO} {{{{{INSTANCE}}}}}",
                ),
            ),
            steps=over(BUSY_SHARE),
            headroom=True,
        ),
        Panel(
            title="Callers waiting, by service",
            unit=Unit.COUNT,
            shows="Callers who wait for a connection, in the task that has most.",
            normal="0.",
            otherwise="Short peaks are harmless where *Wait for a connection* stays low.",
            queries=(Query(max_of(metrics.POOL_WAITING, (SERVICE,)), _WHO),),
        ),
        Panel(
            title="Waits a second",
            unit=Unit.COUNTS_PER_S,
            shows="How often a caller found no idle connection.",
            normal="None.",
            otherwise="Compare with *In use, by task* of the same service.",
            queries=(Query(rate_of(metrics.POOL_WAITS, (SERVICE,)), _WHO),),
            empty="no caller has waited",
        ),
        Panel(
            title="Wait for a connection",
            unit=Unit.SECONDS,
            shows="How long those callers waited, in vain or not.",
            normal="Nothing, or milliseconds.",
            otherwise="It is part of every request to the store: *Temporal Server* shows it again as persistence "
            "latency. The pool is too small, or transactions are slow.",
            queries=(
                Query(quantile(0.5, metrics.POOL_WAIT_LATENCY, (SERVICE,)), f"P50 {_WHO}"),
                Query(quantile(0.99, metrics.POOL_WAIT_LATENCY, (SERVICE,)), f"P99 {_WHO}"),
            ),
            empty="no caller has waited",
        ),
        Panel(
            title="Closed, by reason",
            unit=Unit.COUNTS_PER_S,
            shows="Connections closed: `expired` at the end of their life, `lost` in use, `stale` found dead before "
            "use, `dropped` with a statement given up midway, `shutdown`.",
            normal="`expired` alone, about target ÷ lifetime a second.",
            otherwise="`lost` and `stale`: network or DSQL; look at the same minutes in *What AWS counts*. `dropped`: "
            "callers' deadlines pass; see *Transaction latency*.",
            queries=(Query(rate_of(metrics.POOL_CLOSED, ("reason",)), "{{reason}}"),),
            shape=Shape.STACKED,
            empty="none was closed",
        ),
    ),
)

_TRANSACTIONS = Row(
    "Transactions",
    (
        Panel(
            title="Transactions a second, by outcome",
            unit=Unit.COUNTS_PER_S,
            shows="`committed`, `replayed` (a conflict, then committed), `rolled_back`, `conflict`, `failed`.",
            normal="Committed for the most part; rolled back is what a condition of Temporal's refused.",
            otherwise="`conflict`: see *Conflicts handed on*. `failed`: see *Closed, by reason* and the logs.",
            queries=(Query(rate_of(metrics.TRANSACTION_LATENCY, ("outcome",)), "{{outcome}}"),),
            shape=Shape.STACKED,
        ),
        Panel(
            title="Transaction latency",
            unit=Unit.SECONDS,
            shows="From begin to end, by outcome. Quantiles are no finer than the histogram's buckets (10, 20, 50, "
            "100 ms): between them the mean tells more.",
            normal="A mean of some tens of milliseconds.",
            otherwise="With conflicts: a hot row. Without: see *Commit latency* below for DSQL's own part.",
            queries=(
                Query(mean(metrics.TRANSACTION_LATENCY, ("outcome",)), "mean {{outcome}}"),
                Query(quantile(0.99, metrics.TRANSACTION_LATENCY, ("outcome",)), "P99 {{outcome}}"),
            ),
        ),
        Panel(
            title="Conflicts a second",
            unit=Unit.COUNTS_PER_S,
            shows="SQLSTATE 40001, told at the `commit` or at a `statement`; and transactions run again for it.",
            normal="Few, and as many replays.",
            otherwise="Many at once after a roll: shards move. All the time: one workflow or queue is hot.",
            queries=(
                Query(rate_of(metrics.CONFLICTS, ("where",)), "at the {{where}}"),
                Query(rate_of(metrics.REPLAYS), "replays"),
            ),
            empty="there was none",
        ),
        Panel(
            title="Conflicts of transactions",
            unit=Unit.SHARE,
            shows="Conflicts of all transactions, by service.",
            normal="Below 1 %.",
            otherwise="Above 5 %: replays take a part of the pools. Spread the load over more workflows or queues.",
            queries=(
                Query(
                    ratio(rate_of(metrics.CONFLICTS, (SERVICE,)), rate_of(metrics.TRANSACTION_LATENCY, (SERVICE,))),
                    _WHO,
                ),
            ),
            steps=over(0.05),
            empty="there was none",
        ),
        Panel(
            title="Conflicts handed on, by reason",
            unit=Unit.COUNT,
            shows="`changed` (an answer was another one the second time), `limit`, `deadline`, `too_large` (to "
            "record), `lost` (the connection).",
            normal="`changed` at times: Temporal reads anew and tries again.",
            otherwise="`limit` or `deadline`: more conflicts than replays can take, `DSQL_REPLAY_LIMIT` and a hot row. "
            "`too_large`: transactions near DSQL's limits.",
            queries=(Query(counted(metrics.REPLAYS_EXHAUSTED, ("reason",)), "{{reason}}"),),
            shape=Shape.BARS,
            empty="none was handed on",
        ),
        Panel(
            title="Transactions a second, by service",
            unit=Unit.COUNTS_PER_S,
            shows="Transactions of each service, whatever became of them.",
            normal="History for the most part, then matching.",
            otherwise="Compare with the load on the dashboard *Temporal Server*.",
            queries=(Query(rate_of(metrics.TRANSACTION_LATENCY, (SERVICE,)), _WHO),),
        ),
    ),
)


def board() -> Board:
    """Make the dashboard."""
    return Board(
        uid="auroral-dsql-persistence",
        title="DSQL Persistence",
        description="Connections to Aurora DSQL, transactions and conflicts, and AWS's own count of the database.",
        variables=(CLUSTER_VARIABLE, SERVICE_VARIABLE, DSQL_VARIABLE),
        rows=(_GLANCE, _POOL, CONNECTING, STARTING, _TRANSACTIONS, COUNTED),
    )
