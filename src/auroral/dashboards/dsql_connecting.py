"""Rows of the dashboard DSQL Persistence: how services connect, and how they start. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.metrics import INSTANCE, SERVICE, Metric
from auroral.dashboards.panels import Panel, Query, Row, Shape, Unit, over
from auroral.dashboards.queries import OF_CLUSTER, counted, max_of, mean, quantile, rate_of, ratio, series
from auroral.dashboards.rule_dsql import TOKEN_OLD_S
from auroral.dashboards.rule_records import CONNECT_RATE_LIMIT, quota
from auroral.dsql import limits

MINUTE_S = 60
_ALLOWED_A_MINUTE = limits.CONNECT_BURST + MINUTE_S * limits.CONNECT_RATE_PER_S
_WHO = f"{{{{{SERVICE}}}}}"
_REFUSED = {"outcome": "refused"}


def _lasted(metric: Metric) -> Query:
    """What happens once a process: the mean over all its time, as there is no rate of it."""
    took = ratio(series(metric, suffix="_sum"), series(metric, suffix="_count"))
    return Query(f"max by ({SERVICE}, {INSTANCE}) ({took})", f"{_WHO} {{{{{INSTANCE}}}}}")


CONNECTING = Row(
    "Connecting",
    (
        Panel(
            title="Connects a second, of the cluster",
            unit=Unit.COUNTS_PER_S,
            shows="Attempts to connect of all services together. Dashed: what DSQL refills a second for a "
            f"cluster, {limits.CONNECT_RATE_PER_S} unless AWS raised it. Other clients of the database are not in it.",
            normal="Near 0; some tens while services start.",
            otherwise="On the line the burst is being used up, and DSQL refuses soon. Stop rolls and scaling; see "
            "*Connects by service* for who it is.",
            queries=(
                Query(rate_of(metrics.CONNECTS, ("outcome",), scope=OF_CLUSTER), "{{outcome}}"),
                Query(quota(CONNECT_RATE_LIMIT, limits.CONNECT_RATE_PER_S), "limit", limit=True),
            ),
            shape=Shape.STACKED,
        ),
        Panel(
            title="Connects in a minute, of the bucket",
            unit=Unit.COUNT,
            shows=f"Connections opened in the last minute. DSQL's bucket holds {limits.CONNECT_BURST:,} and gets "
            f"{limits.CONNECT_RATE_PER_S} a second: a full one admits {_ALLOWED_A_MINUTE:,} in a minute.",
            normal="Far below the line, even in a roll.",
            otherwise="Start services in order (`auroral cluster up`), which waits for each pool.",
            queries=(
                Query(counted(metrics.CONNECTS, (SERVICE,), {"outcome": "opened"}, scope=OF_CLUSTER, over="1m"), _WHO),
            ),
            shape=Shape.STACKED,
            steps=over(_ALLOWED_A_MINUTE),
            headroom=True,
        ),
        Panel(
            title="Connects by service",
            unit=Unit.COUNTS_PER_S,
            shows="Attempts to connect, opened or refused.",
            normal="Each service in proportion to its pools.",
            otherwise="One alone: its tasks restart, or its connections break. `auroral cluster logs SERVICE`.",
            queries=(Query(rate_of(metrics.CONNECTS, (SERVICE,)), _WHO),),
        ),
        Panel(
            title="Refusals, by reason",
            unit=Unit.COUNT,
            shows="Attempts that were refused: `rate` (53400), `connections` (53300), `auth`, `timeout`, `network`, "
            "`other`.",
            normal="None.",
            otherwise="`rate`: too many connects at once, it ends by itself. `connections`: the quota is reached; "
            "`auroral dsql connections`. `auth`: role, token or clock. `timeout` and `network`: endpoint, route, "
            "security group; `auroral dsql probe`.",
            queries=(Query(counted(metrics.CONNECTS, ("reason",), _REFUSED), "{{reason}}"),),
            shape=Shape.BARS,
            empty="none was refused",
        ),
        Panel(
            title="Time to connect",
            unit=Unit.SECONDS,
            shows="One attempt: token, dial, TLS and login, without the limiters.",
            normal="Some hundredths of a second when it opens.",
            otherwise="Slow and opened: DSQL or the network. Slow and refused: a time-out; see *Refusals*.",
            queries=(
                Query(quantile(0.5, metrics.CONNECT_LATENCY, ("outcome",)), "P50 {{outcome}}"),
                Query(quantile(0.99, metrics.CONNECT_LATENCY, ("outcome",)), "P99 {{outcome}}"),
            ),
        ),
        Panel(
            title="Limiter waits",
            unit=Unit.SECONDS,
            shows="P99 of how long an opening waited for leave: `start` (random delay, once a process), `local` "
            "(the process's token bucket), `shared` (the counter in DynamoDB).",
            normal="Next to nothing once services run.",
            otherwise="`local`: a pool fills faster than its share of the rate. `shared`: all processes together are "
            "at the limit of the counter.",
            queries=(
                Query(quantile(0.99, metrics.LIMITER_WAIT_LATENCY, ("limiter",)), "P99 {{limiter}}"),
                Query(mean(metrics.LIMITER_WAIT_LATENCY, ("limiter",)), "mean {{limiter}}"),
            ),
        ),
        Panel(
            title="Counter not reached",
            unit=Unit.COUNT,
            shows="Openings that went on under the local limiter alone, as the counter in DynamoDB could not be asked.",
            normal="None.",
            otherwise="The local limits still hold. See DynamoDB's throttles, its endpoint, and the task role.",
            queries=(Query(counted(metrics.LIMITER_FAILURES, (SERVICE,)), _WHO),),
            shape=Shape.BARS,
            empty="it was always reached",
        ),
        Panel(
            title="Age of tokens",
            unit=Unit.SECONDS,
            shows="Time since the IAM token now in use was signed, the oldest of each service. A token lives for "
            f"{limits.TOKEN_LIFETIME_S // 60} minutes; the next opening after 10 of them signs a new one.",
            normal="Below the line: up to an hour after a start, whose connections all end at about the same time.",
            otherwise="Above it, or together with refusals for `auth`: signing fails; see *Tokens*.",
            queries=(Query(max_of(metrics.TOKEN_AGE, (SERVICE,)), _WHO),),
            steps=over(TOKEN_OLD_S),
        ),
        Panel(
            title="Tokens",
            unit=Unit.COUNT,
            shows="IAM tokens `signed`, and `failed` for want of credentials.",
            normal="Signed alone.",
            otherwise="Failed: the task role's credentials cannot be had. `auroral cluster logs SERVICE`.",
            queries=(Query(counted(metrics.TOKENS, ("outcome",)), "{{outcome}}"),),
            shape=Shape.BARS,
        ),
    ),
)

STARTING = Row(
    "Starting",
    (
        Panel(
            title="Warm-up, by task",
            unit=Unit.SECONDS,
            shows="How long a task's pools took to fill before it served.",
            normal="Alike among the tasks of a service.",
            otherwise="Longer than before: see *Limiter waits* and *Refusals* at its start. ECS stops a task whose "
            "start takes longer than the health check's start period.",
            queries=(_lasted(metrics.WARMUP_LATENCY),),
        ),
        Panel(
            title="Connections of warm-ups",
            unit=Unit.COUNT,
            shows="Connections of warm-ups, `opened`, or `refused` after all attempts. One stack for each start.",
            normal="Opened alone.",
            otherwise="Refused: the task serves with a smaller pool, and opens the rest later. See *Refusals*.",
            queries=(Query(counted(metrics.WARMUP_CONNECTIONS, (SERVICE, "outcome")), f"{_WHO} {{{{outcome}}}}"),),
            shape=Shape.BARS,
        ),
        Panel(
            title="Connections before warm-ups",
            unit=Unit.COUNT,
            shows="Connections of the brief stores that Temporal opens while it starts, two at a time at most.",
            normal="A few for each task that starts.",
            otherwise="Without end: tasks start again and again. `auroral cluster status`.",
            queries=(Query(counted(metrics.STARTUP_CONNECTIONS, (SERVICE, "outcome")), f"{_WHO} {{{{outcome}}}}"),),
            shape=Shape.BARS,
        ),
    ),
)
