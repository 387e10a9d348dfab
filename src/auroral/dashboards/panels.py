"""What a dashboard of ours is made of: values, laid out on Grafana's grid. Pure; `grafana` makes the file of them.

A panel says what it shows, what is normal and what to do otherwise; whoever reads it at night has nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from auroral.dashboards.metrics import CLUSTER, NAMESPACE, RESTARTS, SERVICE, SERVICE_REQUESTS, UP, CloudMetric
from auroral.dashboards.queries import OF_CLUSTER, series

COLUMNS = 24
"""Of Grafana's grid."""

SCREEN_ROWS = 21
"""Rows of the grid, 38 pixels each, that a browser's window shows below its own bars and Grafana's on a screen of 1080
pixels: some 800 of them."""

METRICS_UID = "auroral-metrics"
CLOUDWATCH_UID = "auroral-cloudwatch"
"""Data sources, as `images/grafana/provisioning/datasources/aws.yaml` names them."""

GREEN, AMBER, RED, NEUTRAL = "green", "orange", "red", "text"


class Unit(StrEnum):
    """Grafana's names of units."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    COUNT = "short"
    REQUESTS_PER_S = "reqps"
    COUNTS_PER_S = "cps"
    SHARE = "percentunit"
    PERCENT = "percent"
    BYTES = "bytes"
    MEBIBYTES = "mbytes"


class Shape(StrEnum):
    """How a panel shows its numbers."""

    TIMELINE = "timeseries"
    STACKED = "stacked"
    BARS = "bars"
    """For what is counted in each interval, and is rare."""
    NUMBER = "stat"


class Step(msgspec.Struct, frozen=True):
    """From this value on, this colour. `at` is None for the lowest."""

    at: float | None
    colour: str


class Query(msgspec.Struct, frozen=True):
    """A question to Prometheus."""

    expr: str
    legend: str = ""
    """Labels in braces, as Grafana has it: `{{service}}`."""
    limit: bool = False
    """Whether it is itself a limit of the others, drawn as a dashed red line."""


class CloudQuery(msgspec.Struct, frozen=True):
    """A question to CloudWatch."""

    metric: CloudMetric
    dimensions: Mapping[str, str]
    legend: str = ""
    """`${PROP('Dim.ServiceName')}` and the like, as CloudWatch's dynamic labels have it."""
    statistic: str = ""
    """Where another than the metric's own is wanted."""

    def __post_init__(self) -> None:
        if set(self.dimensions) != set(self.metric.dimensions):
            wanted = ", ".join(self.metric.dimensions)
            raise ValueError(f"{self.metric.name} has the dimensions {wanted}, found {', '.join(self.dimensions)}")


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel."""

    title: str
    unit: Unit
    shows: str
    """What the numbers are."""
    normal: str
    """What they are when all is well."""
    otherwise: str
    """What to do, or where to look, when they are not."""
    queries: tuple[Query | CloudQuery, ...]
    shape: Shape = Shape.TIMELINE
    steps: tuple[Step, ...] = ()
    """Where colours change; drawn as lines in a timeline."""
    width: int = 8
    height: int = 8
    lowest: float | None = 0
    """Of the axis; None: Grafana chooses."""
    highest: float | None = None
    headroom: bool = False
    """Whether a timeline's axis reaches up to the highest step, so that the room below a limit is seen."""
    decimals: int | None = None
    empty: str = ""
    """What to write where there are no data, such as `0` where a counter has not counted yet."""

    @property
    def description(self) -> str:
        """What Grafana shows of it on hovering, in Markdown."""
        return f"{self.shows}\n\n**Normal:** {self.normal}\n\n**Otherwise:** {self.otherwise}"


class Row(msgspec.Struct, frozen=True):
    """Panels under one heading; no heading where the title is empty."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A choice at the head of a dashboard, whose values are asked for."""

    name: str
    label: str
    query: str = ""
    """To Prometheus: `label_values(…)`."""
    metric: CloudMetric | None = None
    dimension: str = ""
    """Of that metric, where CloudWatch is asked."""
    several: bool = False
    """Whether several values, or all of them, may be chosen."""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One dashboard."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    since: str = "now-1h"
    refresh: str = "30s"

    def panels(self) -> Iterator[Panel]:
        """Go through all its panels."""
        for row in self.rows:
            yield from row.panels


class Place(msgspec.Struct, frozen=True):
    """Where a heading (`panel` is None) or a panel lies on the grid."""

    row: Row
    panel: Panel | None
    x: int
    y: int
    width: int
    height: int


CLUSTER_VARIABLE = Variable(name=CLUSTER, label="Cluster", query=f"label_values({UP.name}, {CLUSTER})")
SERVICE_VARIABLE = Variable(
    name=SERVICE,
    label="Service",
    query=f"label_values({series(RESTARTS, scope=OF_CLUSTER)}, {SERVICE})",
    several=True,
)
NAMESPACE_VARIABLE = Variable(
    name=NAMESPACE,
    label="Namespace",
    query=f"label_values({series(SERVICE_REQUESTS, scope=OF_CLUSTER)}, {NAMESPACE})",
    several=True,
)


def over(limit: float, *, warn: float | None = None) -> tuple[Step, ...]:
    """Red from the limit on, amber from `warn` on: less is better."""
    amber = () if warn is None else (Step(warn, AMBER),)
    return (Step(None, GREEN), *amber, Step(limit, RED))


def under(limit: float, *, warn: float | None = None) -> tuple[Step, ...]:
    """Red below the limit, amber below `warn`: more is better."""
    if warn is None:
        return (Step(None, RED), Step(limit, GREEN))
    return (Step(None, RED), Step(limit, AMBER), Step(warn, GREEN))


def any_is_bad() -> tuple[Step, ...]:
    """Red for whatever is above 0."""
    return (Step(None, GREEN), Step(1e-9, RED))


def placed(board: Board) -> list[Place]:
    """Lay a dashboard's rows out, panels from left to right and then below.

    Raises `ValueError` for a panel that is wider than the grid.
    """
    places: list[Place] = []
    y = 0
    for row in board.rows:
        if row.title:
            places.append(Place(row, None, 0, y, COLUMNS, 1))
            y += 1
        lines = _lines(row.panels)
        for line in lines:
            x = 0
            for panel in line:
                places.append(Place(row, panel, x, y, panel.width, panel.height))
                x += panel.width
            y += max(panel.height for panel in line)
    return places


def _lines(panels: Sequence[Panel]) -> list[list[Panel]]:
    lines: list[list[Panel]] = []
    used = COLUMNS
    for panel in panels:
        if not 0 < panel.width <= COLUMNS:
            raise ValueError(f"panel {panel.title!r}: expected a width of 1 to {COLUMNS}, found {panel.width}")
        if used + panel.width > COLUMNS:
            lines.append([])
            used = 0
        lines[-1].append(panel)
        used += panel.width
    return lines
