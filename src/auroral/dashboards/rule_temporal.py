"""Alerts on Temporal: requests, shards and their owners, task queues, history's tasks. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics as m
from auroral.dashboards.metrics import CLUSTER, INSTANCE, NAMESPACE, SERVICE
from auroral.dashboards.queries import EVERYTHING, counted, max_of, quantile, series, sum_of
from auroral.dashboards.rule_records import (
    FRONTEND_ERRORS,
    HISTORY_SHARDS,
    PERSISTENCE_ERRORS,
    SCHEDULE_TO_START_P95,
    SHARDS,
    VISIBILITY_ERRORS,
    recorded,
    share,
)
from auroral.dashboards.rules import Alert, RuleFile, Severity

PERSISTENCE_ERROR_SHARE = 0.01
VISIBILITY_ERROR_SHARE = 0.05
FRONTEND_ERROR_SHARE = 0.01
REFUSED_SHARE = 0.01

ROLLS_WORTH = 4
"""Times that each shard may be taken in 15 minutes. A roll takes each about twice: when its owner ends, and when the
new task gets its part; a restart of all takes each once."""

SCHEDULE_TO_START_P95_S = 5.0
HISTORY_LAG_P99_S = 60.0

_HISTORY = {SERVICE: "history"}
_QUEUE = (CLUSTER, NAMESPACE, "taskqueue", "task_type")
_NOT_STICKY = {"taskqueue": "!=__sticky__"}
"""Tasks of a sticky queue go back to the ordinary one after 5 s, by themselves."""


def _scraped(where: dict[str, str]) -> str:
    return series(m.UP, where, scope=EVERYTHING)


def _polled() -> str:
    """Queues that somebody polls: polls that ended in the last 5 minutes, or wait now."""
    parts = [
        f"sum by ({', '.join(_QUEUE)}) (rate({series(metric, scope=EVERYTHING)}[5m])) > 0"
        for metric in (m.POLL_SUCCESS, m.POLL_TIMEOUTS)
    ]
    return " or ".join([*parts, f"{sum_of(m.PENDING_POLLS, _QUEUE, scope=EVERYTHING)} > 0"])


PERSISTENCE_FAILS = Alert(
    name="PersistenceErrors",
    asks=recorded(PERSISTENCE_ERRORS),
    condition=f"> {PERSISTENCE_ERROR_SHARE}",
    for_s=300,
    severity=Severity.PAGE,
    summary="Requests of {{ $labels.service }} to the store fail",
    description="{{ $value | humanizePercentage }} of its requests to DSQL failed unexpectedly over 5 minutes; "
    f"{PERSISTENCE_ERROR_SHARE:.0%} is the threshold. Conflicts and what is not found do not count.",
)

VISIBILITY_FAILS = Alert(
    name="VisibilityErrors",
    asks=recorded(VISIBILITY_ERRORS),
    condition=f"> {VISIBILITY_ERROR_SHARE}",
    for_s=600,
    severity=Severity.TICKET,
    summary="Requests of {{ $labels.service }} to OpenSearch fail",
    description="{{ $value | humanizePercentage }} of its requests to visibility failed over 5 minutes; "
    f"{VISIBILITY_ERROR_SHARE:.0%} is the threshold. Workflows run, and are not listed.",
)

FRONTEND_FAILS = Alert(
    name="FrontendErrors",
    asks=recorded(FRONTEND_ERRORS),
    condition=f"> {FRONTEND_ERROR_SHARE}",
    for_s=300,
    severity=Severity.PAGE,
    summary="Clients of {{ $labels.cluster }} get errors",
    description="{{ $value | humanizePercentage }} of the frontend's requests failed by the server's fault over 5 "
    f"minutes; {FRONTEND_ERROR_SHARE:.0%} is the threshold.",
)

REQUESTS_REFUSED = Alert(
    name="FrontendRefuses",
    asks=share(m.SERVICE_RESOURCE_EXHAUSTED, m.SERVICE_REQUESTS, (CLUSTER, NAMESPACE), {SERVICE: "frontend"}),
    condition=f"> {REFUSED_SHARE}",
    for_s=600,
    severity=Severity.TICKET,
    summary="The frontend refuses requests to {{ $labels.namespace }}",
    description="{{ $value | humanizePercentage }} of the namespace's requests met a limit over 5 minutes; "
    f"{REFUSED_SHARE:.0%} is the threshold.",
)

SHARD_STORM = Alert(
    name="ShardAcquisitionStorm",
    asks=counted(m.SHARDS_CREATED, (CLUSTER,), scope=EVERYTHING, over="15m"),
    condition=f"> on () group_left () ({ROLLS_WORTH} * {recorded(HISTORY_SHARDS)})",
    for_s=0,
    severity=Severity.PAGE,
    summary="History tasks of {{ $labels.cluster }} keep taking shards from each other",
    description='{{ $value | printf "%.0f" }} shards taken within 15 minutes, over '
    f"{ROLLS_WORTH} times as many as there are; a roll takes each about twice.",
)

SHARDS_UNOWNED = Alert(
    name="ShardsUnowned",
    asks=recorded(SHARDS),
    condition=f"< on () group_left () {recorded(HISTORY_SHARDS)} "
    f"unless on ({CLUSTER}) (count by ({CLUSTER}) ({_scraped(_HISTORY)} == 0))",
    for_s=600,
    severity=Severity.PAGE,
    summary="Shards of {{ $labels.cluster }} have no owner",
    description='History tasks own {{ $value | printf "%.0f" }} shards, fewer than there are, for 10 minutes: '
    "workflows of the others stand still.",
)

SHARDS_TWICE = Alert(
    name="ShardsOwnedTwice",
    asks=recorded(SHARDS),
    condition=f"> on () group_left () {recorded(HISTORY_SHARDS)}",
    for_s=600,
    severity=Severity.PAGE,
    summary="Shards of {{ $labels.cluster }} have two owners",
    description='History tasks take themselves for owners of {{ $value | printf "%.0f" }} shards, more than there '
    "are, for 10 minutes: they disagree about the ring.",
)

MEMBERSHIP = Alert(
    name="MembershipDisagreement",
    asks=f"count by ({CLUSTER}) ({_scraped(_HISTORY)} == 1) - on ({CLUSTER}) "
    f"sum by ({CLUSTER}) ({series(m.SHARDS, scope=EVERYTHING)} > bool 0)",
    condition="> 0",
    for_s=600,
    severity=Severity.PAGE,
    summary="History tasks of {{ $labels.cluster }} run outside the ring",
    description='{{ $value | printf "%.0f" }} history tasks have run for 10 minutes without a shard: the others do not '
    "count them as members.",
)

SCHEDULE_TO_START = Alert(
    name="ScheduleToStartSlow",
    asks=recorded(SCHEDULE_TO_START_P95),
    condition=f"> {SCHEDULE_TO_START_P95_S:g}",
    for_s=600,
    severity=Severity.TICKET,
    summary="Tasks of {{ $labels.taskqueue }} wait for workers",
    description="Of the tasks of {{ $labels.namespace }}/{{ $labels.taskqueue }} one in twenty has waited over "
    f"{{{{ $value | humanizeDuration }}}} for 10 minutes; {SCHEDULE_TO_START_P95_S:g} s is the threshold.",
)

NO_POLLER = Alert(
    name="BacklogWithoutPoller",
    asks=sum_of(m.BACKLOG, _QUEUE, _NOT_STICKY, scope=EVERYTHING),
    condition=f"> 0 unless on ({', '.join(_QUEUE)}) ({_polled()})",
    for_s=300,
    severity=Severity.TICKET,
    summary="Nobody polls {{ $labels.taskqueue }}, and tasks wait there",
    description='{{ $value | printf "%.0f" }} tasks ({{ $labels.task_type }}) of {{ $labels.namespace }}/'
    "{{ $labels.taskqueue }} wait, and no worker has polled for 5 minutes.",
)

HISTORY_LAG = Alert(
    name="HistoryTasksLag",
    asks=quantile(0.99, m.TASK_LATENCY_QUEUE, (CLUSTER, "operation"), _HISTORY, scope=EVERYTHING, over="10m"),
    condition=f"> {HISTORY_LAG_P99_S:g}",
    for_s=600,
    severity=Severity.TICKET,
    summary="History's tasks lag: {{ $labels.operation }}",
    description="The slowest hundredth has taken over {{ $value | humanizeDuration }} from being due to its end, "
    f"for 10 minutes; {HISTORY_LAG_P99_S:g} s is the threshold.",
)

TASKS_LOST = Alert(
    name="HistoryTasksFailForGood",
    asks=counted(m.TASK_TERMINAL_FAILURES, (CLUSTER, "operation"), scope=EVERYTHING, over="15m"),
    condition="> 0",
    for_s=0,
    severity=Severity.TICKET,
    summary="History tasks can never succeed: {{ $labels.operation }}",
    description='{{ $value | printf "%.0f" }} tasks within 15 minutes; Temporal moves them to its dead-letter queue.',
)

DEADLOCK = Alert(
    name="ServerDeadlock",
    asks=max_of(m.DEADLOCKS, (CLUSTER, SERVICE, INSTANCE), scope=EVERYTHING),
    condition="> 0",
    for_s=120,
    severity=Severity.PAGE,
    summary="A task of {{ $labels.service }} is stuck",
    description='Temporal suspects {{ $value | printf "%.0f" }} deadlocks at {{ $labels.instance }}.',
)

PANICS = Alert(
    name="ServerPanics",
    asks=counted(m.SERVICE_PANICS, (CLUSTER, SERVICE), scope=EVERYTHING, over="15m"),
    condition="> 0",
    for_s=0,
    severity=Severity.TICKET,
    summary="{{ $labels.service }} panics",
    description='{{ $value | printf "%.0f" }} requests within 15 minutes ended in a panic, which the server survived.',
)

TEMPORAL = RuleFile(
    name="temporal",
    says="Alerts on Temporal.",
    groups={
        "temporal-requests": [PERSISTENCE_FAILS, VISIBILITY_FAILS, FRONTEND_FAILS, REQUESTS_REFUSED, PANICS],
        "temporal-shards": [SHARD_STORM, SHARDS_UNOWNED, SHARDS_TWICE, MEMBERSHIP, DEADLOCK],
        "temporal-tasks": [SCHEDULE_TO_START, NO_POLLER, HISTORY_LAG, TASKS_LOST],
    },
)
