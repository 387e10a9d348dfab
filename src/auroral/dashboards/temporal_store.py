"""Panels of the dashboard Temporal Server on what it keeps: the store of workflows, and visibility. Pure."""

from __future__ import annotations

from auroral.dashboards import metrics
from auroral.dashboards.panels import Panel, Query, Shape, Unit, over
from auroral.dashboards.queries import counted, quantile, rate_of, top

SHOWN_SERIES = 12
"""Of operations and the like: more lines are no picture."""

BY_OPERATION = (metrics.SERVICE, "operation")
OPERATION = "{{service}} {{operation}}"


def panels() -> tuple[Panel, ...]:
    """Make the panels."""
    return (
        Panel(
            title="Requests to the store, by operation",
            unit=Unit.REQUESTS_PER_S,
            queries=(Query(top(SHOWN_SERIES, rate_of(metrics.PERSISTENCE_REQUESTS, BY_OPERATION)), OPERATION),),
            shows="Requests a second to the store of workflows (DSQL), the most frequent operations.",
            normal="UpdateWorkflowExecution and AppendHistoryNodes lead.",
            otherwise="GetWorkflowExecution rising: history's caches are too small, or shards move.",
        ),
        Panel(
            title="Store latency P99, by operation",
            unit=Unit.SECONDS,
            queries=(Query(top(SHOWN_SERIES, quantile(0.99, metrics.PERSISTENCE_LATENCY, BY_OPERATION)), OPERATION),),
            steps=over(2, warn=1),
            shows="Time of requests to the store, the wait for a connection and replays included.",
            normal="Below 0.2 s.",
            otherwise="DSQL Persistence: does the pool wait, do conflicts replay, does DSQL commit slowly?",
        ),
        Panel(
            title="Store errors",
            unit=Unit.COUNT,
            queries=(Query(top(SHOWN_SERIES, counted(metrics.PERSISTENCE_ERRORS, BY_OPERATION)), OPERATION),),
            shape=Shape.BARS,
            empty="none",
            shows="Requests to the store that failed unexpectedly, in each interval.",
            normal="None.",
            otherwise="`auroral cluster logs history` (Operation failed with internal error); `auroral dsql probe`.",
        ),
        Panel(
            title="Store errors by type",
            unit=Unit.COUNTS_PER_S,
            width=6,
            queries=(
                Query(
                    top(SHOWN_SERIES, rate_of(metrics.PERSISTENCE_ERROR_WITH_TYPE, (metrics.SERVICE, "error_type"))),
                    "{{service}} {{error_type}}",
                ),
            ),
            empty="none",
            shows="All errors of the store, also those a caller expects: not found, a condition that does not hold.",
            normal="NotFound, now and then a ConditionFailed.",
            otherwise="ShardOwnershipLost: Shards. Timeout: the pool or DSQL.",
        ),
        Panel(
            title="Limits of the store reached",
            unit=Unit.COUNTS_PER_S,
            width=6,
            queries=(
                Query(
                    rate_of(metrics.PERSISTENCE_RESOURCE_EXHAUSTED, (metrics.SERVICE, "resource_exhausted_cause")),
                    "{{service}} {{resource_exhausted_cause}}",
                ),
            ),
            empty="none",
            shows="Requests that Temporal's own limiter of the store (persistenceMaxQPS) did not let through.",
            normal="None.",
            otherwise="Raise the dynamic configuration, if DSQL has room; else fewer background tasks.",
        ),
        Panel(
            title="Visibility latency P99",
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.99, metrics.VISIBILITY_LATENCY, ("operation",)), "{{operation}}"),),
            steps=over(2, warn=1),
            width=6,
            shows="Time of requests to visibility (OpenSearch), by operation.",
            normal="Below 0.5 s; a record waits for its bulk, up to a second.",
            otherwise="`auroral visibility status`.",
        ),
        Panel(
            title="Visibility errors",
            unit=Unit.COUNT,
            queries=(Query(counted(metrics.VISIBILITY_ERRORS, ("operation",)), "{{operation}}"),),
            shape=Shape.BARS,
            empty="none",
            width=6,
            shows="Requests to visibility that failed, in each interval. Records are tried again until they are in.",
            normal="None.",
            otherwise="`auroral visibility status`: writes blocked, mapping, or no node.",
        ),
    )
