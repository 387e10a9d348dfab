"""Alerts on the server's DSQL store: pools, connects, tokens, limiters, conflicts. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics as m
from auroral.dashboards.metrics import CLUSTER, INSTANCE, SERVICE
from auroral.dashboards.queries import EVERYTHING, counted, max_of, ratio, series, sum_of
from auroral.dashboards.rule_records import (
    CONNECT_RATE,
    CONNECT_RATE_LIMIT,
    CONNECTION_LIMIT,
    CONNECTIONS,
    PERSISTENCE_P99,
    recorded,
)
from auroral.dashboards.rules import Alert, RuleFile, Severity
from auroral.dsql import limits
from auroral.ecs.health.judgement_stores import FILLING, NEARLY_FULL

POOL_SHARE = 0.9
"""Of the target. The keeper replaces a few connections at a time and opens them before it closes."""

EXHAUSTED_SHARE = 0.001
"""Of all transactions: Temporal tries those again, at a cost of latency."""

BROKEN_CONNECTS = 5
"""In ten minutes: a connection that breaks now and then is the network's ordinary life."""

PERSISTENCE_P99_S = 1.0

TOKEN_OLD_S = limits.SESSION_LIFETIME_S + limits.TOKEN_LIFETIME_S
"""A token is signed for the next connect alone, and a pool that was filled at once replaces none of its connections
before they end, within this lifetime; the token of the last connect may have been nearly as old as one may be."""

_TASK = (CLUSTER, SERVICE, INSTANCE)
_OF_SERVICE = (CLUSTER, SERVICE)


def _limit(number: float, metric: m.Metric) -> str:
    return f"> on () group_left () ({number:g} * {recorded(metric)})"


POOL_BELOW_TARGET = Alert(
    name="DsqlPoolBelowTarget",
    asks=ratio(
        sum_of(m.POOL_OPEN, _TASK, scope=EVERYTHING),
        sum_of(m.POOL_TARGET, _TASK, scope=EVERYTHING),
    ),
    condition=f"< {POOL_SHARE}",
    for_s=600,
    severity=Severity.TICKET,
    summary="A pool of {{ $labels.service }} is not full",
    description="{{ $labels.instance }} has had {{ $value | humanizePercentage }} of its connections to DSQL open for "
    f"10 minutes; less than {POOL_SHARE:.0%} is too few.",
)

POOL_EXHAUSTED = Alert(
    name="DsqlPoolExhausted",
    asks=f"min by ({', '.join(_TASK)}) (min_over_time({series(m.POOL_WAITING, scope=EVERYTHING)}[5m]))",
    condition="> 0",
    for_s=120,
    severity=Severity.PAGE,
    summary="Requests of {{ $labels.service }} wait for connections to DSQL",
    description='At {{ $labels.instance }} at least {{ $value | printf "%.0f" }} callers have been waiting for a '
    "connection at every moment of the last 5 minutes.",
)

CONNECTS_NEAR_LIMIT = Alert(
    name="DsqlConnectsNearLimit",
    asks=recorded(CONNECT_RATE),
    condition=_limit(FILLING, CONNECT_RATE_LIMIT),
    for_s=300,
    severity=Severity.PAGE,
    summary="{{ $labels.cluster }} connects to DSQL nearly as fast as DSQL admits",
    description='{{ $value | printf "%.1f" }} connects a second for 5 minutes, over '
    f"{FILLING:.0%} of the limit. A start has a burst of {limits.CONNECT_BURST:,} and is over sooner.",
)

CONNECTIONS_NEAR_LIMIT = Alert(
    name="DsqlConnectionsNearLimit",
    asks=recorded(CONNECTIONS),
    condition=_limit(FILLING, CONNECTION_LIMIT),
    for_s=600,
    severity=Severity.TICKET,
    summary="{{ $labels.cluster }} has most of DSQL's connections open",
    description='{{ $value | printf "%.0f" }} connections, over '
    f"{FILLING:.0%} of the limit; at {NEARLY_FULL:.0%} `auroral cluster status` calls it unhealthy.",
)

ADMISSION_REFUSED = Alert(
    name="DsqlAdmissionRefused",
    asks=counted(
        m.CONNECTS,
        (*_OF_SERVICE, "reason"),
        {"outcome": "refused", "reason": "=~rate|connections|auth"},
        scope=EVERYTHING,
        over="5m",
    ),
    condition="> 0",
    for_s=60,
    severity=Severity.PAGE,
    summary="DSQL refuses {{ $labels.service }}: {{ $labels.reason }}",
    description='{{ $value | printf "%.0f" }} connects of {{ $labels.service }} refused within 5 minutes, for the '
    "reason {{ $labels.reason }}. The plan's limits add up to less than DSQL's: this is not expected to happen.",
)

CONNECTS_FAIL = Alert(
    name="DsqlConnectsFail",
    asks=counted(
        m.CONNECTS,
        (*_OF_SERVICE, "reason"),
        {"outcome": "refused", "reason": "=~timeout|network|other"},
        scope=EVERYTHING,
        over="10m",
    ),
    condition=f"> {BROKEN_CONNECTS}",
    for_s=120,
    severity=Severity.TICKET,
    summary="{{ $labels.service }} often fails to connect to DSQL: {{ $labels.reason }}",
    description='{{ $value | printf "%.0f" }} connects of {{ $labels.service }} failed within 10 minutes, for the '
    f"reason {{{{ $labels.reason }}}}; up to {BROKEN_CONNECTS} are ordinary.",
)

STARTUP_REFUSED = Alert(
    name="DsqlWarmupRefused",
    asks=counted(m.WARMUP_CONNECTIONS, _OF_SERVICE, {"outcome": "refused"}, scope=EVERYTHING, over="15m"),
    condition="> 0",
    for_s=0,
    severity=Severity.TICKET,
    summary="{{ $labels.service }} started with an incomplete pool",
    description='{{ $value | printf "%.0f" }} connections of a warm-up were given up within 15 minutes, after all '
    "their attempts.",
)

TOKENS_FAIL = Alert(
    name="DsqlTokensFail",
    asks=counted(m.TOKENS, _OF_SERVICE, {"outcome": "failed"}, scope=EVERYTHING, over="5m"),
    condition="> 0",
    for_s=120,
    severity=Severity.PAGE,
    summary="{{ $labels.service }} cannot sign tokens for DSQL",
    description='{{ $value | printf "%.0f" }} tokens not signed within 5 minutes. Open connections go on until they '
    f"are {limits.SESSION_LIFETIME_S // 60} minutes old; new ones need a token.",
)

TOKEN_OLD = Alert(
    name="DsqlTokenOld",
    asks=max_of(m.TOKEN_AGE, _TASK, scope=EVERYTHING),
    condition=f"> {TOKEN_OLD_S}",
    for_s=120,
    severity=Severity.TICKET,
    summary="A task of {{ $labels.service }} has not signed a token for long",
    description="The token of {{ $labels.instance }} is {{ $value | humanizeDuration }} old; it is good for "
    f"{limits.TOKEN_LIFETIME_S // 60} minutes, and every new connection needs one that is.",
)

LIMITER_OPEN = Alert(
    name="DsqlLimiterFailsOpen",
    asks=counted(m.LIMITER_FAILURES, _OF_SERVICE, scope=EVERYTHING, over="10m"),
    condition="> 0",
    for_s=60,
    severity=Severity.TICKET,
    summary="{{ $labels.service }} connects without the shared limit",
    description='{{ $value | printf "%.0f" }} openings within 10 minutes went on under the local limiter alone: the '
    "counter in DynamoDB could not be asked.",
)

REPLAYS_EXHAUSTED = Alert(
    name="DsqlReplaysExhausted",
    asks=ratio(
        counted(m.REPLAYS_EXHAUSTED, _OF_SERVICE, scope=EVERYTHING, over="10m"),
        f"sum by ({', '.join(_OF_SERVICE)}) "
        f"(increase({series(m.TRANSACTION_LATENCY, scope=EVERYTHING, suffix='_count')}[10m]))",
    ),
    condition=f"> {EXHAUSTED_SHARE}",
    for_s=300,
    severity=Severity.TICKET,
    summary="Conflicts of {{ $labels.service }} outlast their replays",
    description="{{ $value | humanizePercentage }} of the transactions of the last 10 minutes met a conflict that no "
    f"replay solved; {EXHAUSTED_SHARE:.1%} is ordinary.",
)

PERSISTENCE_SLOW = Alert(
    name="PersistenceSlow",
    asks=recorded(PERSISTENCE_P99),
    condition=f"> {PERSISTENCE_P99_S:g}",
    for_s=600,
    severity=Severity.TICKET,
    summary="Requests of {{ $labels.service }} to the store are slow",
    description="The slowest hundredth has taken over {{ $value | humanizeDuration }} for 10 minutes; "
    f"{PERSISTENCE_P99_S:g} s is the threshold.",
)

DSQL = RuleFile(
    name="dsql",
    says="Alerts on the server's DSQL store.",
    groups={
        "dsql-connections": [
            POOL_BELOW_TARGET,
            POOL_EXHAUSTED,
            CONNECTS_NEAR_LIMIT,
            CONNECTIONS_NEAR_LIMIT,
            ADMISSION_REFUSED,
            CONNECTS_FAIL,
            STARTUP_REFUSED,
            TOKENS_FAIL,
            TOKEN_OLD,
            LIMITER_OPEN,
        ],
        "dsql-transactions": [REPLAYS_EXHAUSTED, PERSISTENCE_SLOW],
    },
)
