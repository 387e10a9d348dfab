"""Alerts on what is scraped: targets that do not answer, services without tasks, tasks that do not stay. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics as m
from auroral.dashboards.metrics import CLUSTER, INSTANCE, SERVICE, SERVICES
from auroral.dashboards.queries import EVERYTHING, min_of, series
from auroral.dashboards.rules import INTERVAL_S, Alert, RuleFile, Severity
from auroral.ecs.health.crash_loop import WINDOW_S

GENERATIONS = 3
"""Times that a service may have its tasks replaced within `WINDOW_S`: two rolls make three generations."""

_TEMPORAL = {SERVICE: f"=~{'|'.join(SERVICES)}"}
_OVER = f"{WINDOW_S // 60}m"


def _any(where: dict[str, str]) -> str:
    return f"group by ({CLUSTER}) ({series(m.UP, where, scope=EVERYTHING)})"


def _without(service: str) -> str:
    gone = f"{_any(_TEMPORAL)} unless on ({CLUSTER}) {_any({SERVICE: service})}"
    return f'label_replace({gone}, "{SERVICE}", "{service}", "", "")'


TARGET_LOST = Alert(
    name="ScrapeTargetLost",
    asks=min_of(m.UP, (CLUSTER, SERVICE, INSTANCE), scope=EVERYTHING),
    condition="== 0",
    for_s=300,
    severity=Severity.TICKET,
    summary="A task of {{ $labels.service }} does not show its metrics",
    description="{{ $labels.instance }} has not answered a scrape for 5 minutes, and is still among ECS's tasks.",
)

SERVICE_MISSING = Alert(
    name="ServiceMissing",
    asks=f"({' or '.join(_without(service) for service in SERVICES)})",
    condition="> 0",
    for_s=600,
    severity=Severity.PAGE,
    summary="{{ $labels.service }} has no task, while others of Temporal's services run",
    description="No task of {{ $labels.service }} has been scraped in {{ $labels.cluster }} for 10 minutes.",
)

# Of the most that ran at once: what runs now is few after a scaling in, and nothing after `cluster down`.
CRASH_LOOP = Alert(
    name="TasksDoNotStay",
    asks=f"count by ({CLUSTER}, {SERVICE}) (last_over_time({series(m.UP, _TEMPORAL, scope=EVERYTHING)}[{_OVER}])) / "
    f"max_over_time((count by ({CLUSTER}, {SERVICE}) ({series(m.UP, _TEMPORAL, scope=EVERYTHING)}))"
    f"[{_OVER}:{INTERVAL_S}s])",
    condition=f"> {GENERATIONS}",
    for_s=0,
    severity=Severity.PAGE,
    summary="Tasks of {{ $labels.service }} start and stop",
    description='{{ $value | printf "%.1f" }} times as many tasks were seen within '
    f"{WINDOW_S // 60} minutes as ran at once; two rolls make {GENERATIONS}.",
)

COLLECTION = RuleFile(
    name="collection",
    says="Alerts on what is scraped.",
    groups={"collection": [TARGET_LOST, SERVICE_MISSING, CRASH_LOOP]},
)
