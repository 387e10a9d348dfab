"""Makes Grafana's JSON of a dashboard, with the types of its foundation SDK (extra `dashboards`). Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from auroral.dashboards.panels import (
    CLOUDWATCH_UID,
    METRICS_UID,
    NEUTRAL,
    RED,
    Board,
    CloudQuery,
    Panel,
    Place,
    Query,
    Shape,
    Step,
    Variable,
    placed,
)
from auroral.errors import UsageError

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard as models

TAG = "auroral"
"""Of each of our dashboards: they link to each other by it."""

BAR = "1m"
"""What one bar stands for at least."""

METRICS_TYPE = "grafana-amazonprometheus-datasource"
CLOUDWATCH_TYPE = "cloudwatch"
_MIXED = "-- Mixed --"


def text(board: Board) -> str:
    """Write a dashboard as the file that Grafana provisions, the same each time.

    Raises `UsageError` where the extra is not installed.
    """
    made = _dashboard(board)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard(board: Board) -> models.Dashboard:
    try:
        from grafana_foundation_sdk.builders import dashboard as builders
        from grafana_foundation_sdk.models import dashboard as models
    except ModuleNotFoundError as error:
        raise UsageError(
            "the foundation SDK of Grafana, which dashboards are made with, is not installed",
            hint="pip install 'auroral[dashboards]'; nothing but the build needs it",
        ) from error
    builder = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(board.since, "now")
        .refresh(board.refresh)
        .timezone("browser")
        .link(
            builders.DashboardLink("")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in board.variables:
        builder.with_variable(_variable(variable))
    made = builder.build()
    made.panels = _panels(board)
    return made


def _panels(board: Board) -> list[models.Panel | models.RowPanel]:
    """Panels in the order of the grid; those of a collapsed row lie in it."""
    from grafana_foundation_sdk.models import dashboard as models

    shown: list[models.Panel | models.RowPanel] = []
    heading: models.RowPanel | None = None
    for number, place in enumerate(placed(board), start=1):
        position = models.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)
        if place.panel is None:
            heading = models.RowPanel(
                title=place.row.title, collapsed=place.row.collapsed, id_val=number, grid_pos=position, panels=[]
            )
            shown.append(heading)
            continue
        panel = _panel(place, number)
        panel.grid_pos = position
        if place.row.collapsed and heading is not None:
            heading.panels.append(panel)
        else:
            shown.append(panel)
    return shown


def _panel(place: Place, number: int) -> models.Panel:
    from grafana_foundation_sdk.builders import stat, timeseries

    panel = place.panel
    assert panel is not None  # the caller has taken the headings out
    builder: Any = stat.Panel() if panel.shape is Shape.NUMBER else timeseries.Panel()
    builder.id(number).title(panel.title).description(panel.description).unit(panel.unit.value)
    builder.datasource(_source(panel)).targets([])
    for index, query in enumerate(panel.queries):
        builder.with_target(_target(query, _letter(index), panel.shape))
    if panel.lowest is not None:
        builder.min(panel.lowest)
    if panel.highest is not None:
        builder.max(panel.highest)
    if panel.decimals is not None:
        builder.decimals(panel.decimals)
    if panel.empty:
        builder.no_value(panel.empty)
    if panel.shape is Shape.NUMBER:
        _number(builder, panel)
    else:
        _timeline(builder, panel)
    made: models.Panel = builder.build()
    return made


def _number(builder: Any, panel: Panel) -> None:
    from grafana_foundation_sdk.builders import common as builders
    from grafana_foundation_sdk.models import common

    builder.thresholds(_thresholds(panel.steps or (Step(None, NEUTRAL),)))
    builder.color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.NONE)
    builder.reduce_options(builders.ReduceDataOptions().calcs(["lastNotNull"]))


def _timeline(builder: Any, panel: Panel) -> None:
    from grafana_foundation_sdk.builders import common as builders
    from grafana_foundation_sdk.models import common

    bars = panel.shape is Shape.BARS
    builder.draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
    if bars:
        # A count looks back a minute at least; with steps that are shorter it would stand in several bars.
        builder.interval(BAR)
    builder.line_width(1).fill_opacity(50 if panel.shape is Shape.STACKED or bars else 8)
    builder.show_points(common.VisibilityMode.NEVER)
    if panel.shape is Shape.STACKED or bars:
        builder.stacking(builders.StackingConfig().mode(common.StackingMode.NORMAL))
    builder.tooltip(
        builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    builder.legend(
        builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    lines = [step for step in panel.steps if step.at is not None]
    if lines:
        # Its base is invisible in a timeline: what is drawn are the lines.
        builder.thresholds(_thresholds((Step(None, "transparent"), *lines)))
        builder.thresholds_style(builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    if lines and panel.headroom:
        builder.axis_soft_max(max(step.at for step in lines if step.at is not None))
    for index, query in enumerate(panel.queries):
        if isinstance(query, Query) and query.limit:
            builder.override_by_query(_letter(index), _dashed())


def _dashed() -> list[models.DynamicConfigValue]:
    from grafana_foundation_sdk.models import dashboard as models

    return [
        models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": RED}),
        models.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, 10]}),
        models.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
        models.DynamicConfigValue(id_val="custom.stacking", value={"mode": "none", "group": "A"}),
    ]


def _thresholds(steps: tuple[Step, ...]) -> Any:
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.models import dashboard as models

    found = [models.Threshold(value=step.at, color=step.colour) for step in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _target(query: Query | CloudQuery, letter: str, shape: Shape) -> Any:
    from grafana_foundation_sdk.builders import cloudwatch, prometheus
    from grafana_foundation_sdk.models import cloudwatch as aws

    if isinstance(query, Query):
        asked = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(_metrics())
        # A number is of now: the last of a range would be what was, for as long as the range, once a series has ended.
        asked = asked.instant() if shape is Shape.NUMBER else asked.range()
        return asked.legend_format(query.legend) if query.legend else asked
    target = (
        cloudwatch.CloudWatchMetricsQuery()
        .query_mode(aws.CloudWatchQueryMode.METRICS)
        .metric_query_type(aws.MetricQueryType.SEARCH)
        .metric_editor_mode(aws.MetricEditorMode.BUILDER)
        .id(f"q{letter.lower()}")
        .ref_id(letter)
        .datasource(_cloudwatch())
        .region("default")
        .namespace(query.metric.namespace)
        .metric_name(query.metric.name)
        .dimensions({name: [value] for name, value in query.dimensions.items()})
        .match_exact(True)
        .statistic(query.statistic or query.metric.statistic)
        .period("")
        .expression("")
    )
    return target.label(query.legend) if query.legend else target


def _source(panel: Panel) -> models.DataSourceRef:
    from grafana_foundation_sdk.models import dashboard as models

    kinds = {type(query) for query in panel.queries}
    if len(kinds) > 1:
        return models.DataSourceRef(type_val="datasource", uid=_MIXED)
    return _metrics() if Query in kinds else _cloudwatch()


def _metrics() -> models.DataSourceRef:
    from grafana_foundation_sdk.models import dashboard as models

    return models.DataSourceRef(type_val=METRICS_TYPE, uid=METRICS_UID)


def _cloudwatch() -> models.DataSourceRef:
    from grafana_foundation_sdk.models import dashboard as models

    return models.DataSourceRef(type_val=CLOUDWATCH_TYPE, uid=CLOUDWATCH_UID)


def _variable(variable: Variable) -> Any:
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.models import dashboard as models

    builder = (
        builders.QueryVariable(variable.name)
        .label(variable.label)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(variable.several)
        .include_all(variable.several)
    )
    if variable.several:
        # All is any value and none: what has no such label is not left out.
        builder.all_value(".*").current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    if variable.metric is None:
        return builder.datasource(_metrics()).query(variable.query)
    return builder.datasource(_cloudwatch()).query(
        {
            "queryType": "dimensionValues",
            "region": "default",
            "namespace": variable.metric.namespace,
            "metricName": variable.metric.name,
            "dimensionKey": variable.dimension,
            "dimensionFilters": {},
            "refId": "CloudWatchVariableQueryEditor-VariableQuery",
        }
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index)
