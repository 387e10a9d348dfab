"""The dashboard Benchmark: what a run offers, what became of it, and whether its own machines kept up. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from auroral.bench.detect import LAG_MS
from auroral.bench.samples import DROPPED, SERVER_FAILURES
from auroral.dashboards import metrics
from auroral.dashboards.benchmark_workers import CLIENT, WORKERS
from auroral.dashboards.metrics import CLUSTER, INSTANCE, Metric
from auroral.dashboards.panels import (
    CLUSTER_VARIABLE,
    Board,
    Panel,
    Query,
    Row,
    Shape,
    Unit,
    Variable,
    over,
    under,
)
from auroral.dashboards.queries import OF_CLUSTER, counted, mean, quantile, rate_of, ratio, series, sum_of

LAG_S = LAG_MS / 1e3

RUN_VARIABLE = Variable(
    name="run_id",
    label="Run",
    query=f"label_values({series(metrics.BENCHMARK_INFO, scope=OF_CLUSTER)}, run_id)",
    several=True,
)

_RUN = (CLUSTER, INSTANCE)
_OUTCOME = ("outcome",)


def board() -> Board:
    """Make the dashboard."""
    return Board(
        uid="auroral-benchmark",
        title="Benchmark",
        description="What a run of the benchmark offers, what became of it, and whether its own machines kept up.",
        variables=(CLUSTER_VARIABLE, RUN_VARIABLE),
        rows=(_glance(), _load(), WORKERS, CLIENT),
        refresh="10s",
    )


def of_run(query: str) -> str:
    """Keep what the chosen runs say of themselves, of a query that keeps cluster and instance.

    A run names itself once (`auroral_benchmark_info`), and its other numbers are of the same process.
    """
    chosen = series(metrics.BENCHMARK_INFO, {"run_id": "=~$run_id"}, scope=OF_CLUSTER)
    return f"({query}) and on ({', '.join(_RUN)}) ({chosen})"


def _total(query: str, by: Sequence[str] = ()) -> str:
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} ({of_run(query)})"


def _rate(metric: Metric, by: Sequence[str] = (), **where: str) -> str:
    return _total(rate_of(metric, (*by, *_RUN), where, scope=OF_CLUSTER), by)


def _count(metric: Metric, by: Sequence[str] = (), over: str = "", **where: str) -> str:
    asked = counted(metric, (*by, *_RUN), where, scope=OF_CLUSTER, **({"over": over} if over else {}))
    return _total(asked, by)


def _quantile(share: float, metric: Metric) -> str:
    """Runs of a cluster follow each other: of several at once it is the worst."""
    return f"max({of_run(quantile(share, metric, _RUN, scope=OF_CLUSTER))})"


def _mean(metric: Metric) -> str:
    return f"max({of_run(mean(metric, _RUN, scope=OF_CLUSTER))})"


def _any_of(outcomes: frozenset[str]) -> str:
    return "=~" + "|".join(sorted(outcomes))


def _glance() -> Row:
    target = _total(sum_of(metrics.BENCHMARK_TARGET_RATE, _RUN, scope=OF_CLUSTER))
    completed = _rate(metrics.BENCHMARK_WORKFLOWS, outcome="completed")
    return Row(
        "",
        (
            Panel(
                title="Target",
                unit=Unit.COUNTS_PER_S,
                shows="Starts a second that the schedule intends now.",
                normal="What the run was asked for; less during its ramp, 0 once it drains.",
                otherwise="No data: no run is under way in this time. `auroral bench remote run` starts one.",
                queries=(Query(target),),
                shape=Shape.NUMBER,
                width=4,
                height=4,
            ),
            Panel(
                title="Completed",
                unit=Unit.COUNTS_PER_S,
                shows="Workflows completed a second.",
                normal="The target, a workflow's duration later.",
                otherwise="See *Target against actual*.",
                queries=(Query(completed),),
                shape=Shape.NUMBER,
                width=4,
                height=4,
            ),
            Panel(
                title="Completed of intended",
                unit=Unit.SHARE,
                shows="Completed of the starts intended, in the last five minutes.",
                normal="100 %; less while a ramp is steep, more while it drains; then no number.",
                otherwise="See *Outcomes a second* for what became of the others.",
                queries=(
                    Query(
                        ratio(
                            _count(metrics.BENCHMARK_WORKFLOWS, over="5m", outcome="completed"),
                            f"{_count(metrics.BENCHMARK_SCHEDULED, over='5m')} > 0",
                        )
                    ),
                ),
                shape=Shape.NUMBER,
                steps=under(0.95, warn=0.99),
                width=4,
                height=4,
            ),
            Panel(
                title="P99",
                unit=Unit.SECONDS,
                shows="P99 of the time from the intended start to the close, of what completed.",
                normal="What the threshold of the run says.",
                otherwise="See *Latency*.",
                queries=(Query(_quantile(0.99, metrics.BENCHMARK_LATENCY)),),
                shape=Shape.NUMBER,
                width=4,
                height=4,
            ),
            Panel(
                title="Lag",
                unit=Unit.SECONDS,
                shows="P99 of how much later than intended starts are sent: the generator's own delay.",
                normal=f"Below {LAG_MS:.0f} ms.",
                otherwise="The generator is the limit, and the result says nothing of the server.",
                queries=(Query(_quantile(0.99, metrics.BENCHMARK_LAG)),),
                shape=Shape.NUMBER,
                steps=over(LAG_S, warn=LAG_S / 2),
                width=4,
                height=4,
            ),
            Panel(
                title="In flight",
                unit=Unit.COUNT,
                shows="Workflows accepted and not yet closed.",
                normal="Rate × duration, steady.",
                otherwise="Growing: the server, or its workers, close fewer than are started.",
                queries=(Query(_total(sum_of(metrics.BENCHMARK_IN_FLIGHT, _RUN, scope=OF_CLUSTER))),),
                shape=Shape.NUMBER,
                width=4,
                height=4,
            ),
        ),
    )


def _load() -> Row:
    target = _total(sum_of(metrics.BENCHMARK_TARGET_RATE, _RUN, scope=OF_CLUSTER))
    return Row(
        "The run",
        (
            Panel(
                title="Target against actual",
                unit=Unit.COUNTS_PER_S,
                shows="Starts intended, and workflows completed, a second. Dashed: the target.",
                normal="All on the line.",
                otherwise="Intended below the target: the generator lags. Completed below it: see *In flight* and the "
                "dashboards of the server.",
                queries=(
                    Query(_rate(metrics.BENCHMARK_SCHEDULED), "intended"),
                    Query(_rate(metrics.BENCHMARK_WORKFLOWS, outcome="completed"), "completed"),
                    Query(target, "target", limit=True),
                ),
                width=12,
            ),
            Panel(
                title="Outcomes a second",
                unit=Unit.COUNTS_PER_S,
                shows="What became of intended starts; each has exactly one outcome.",
                normal="`completed` alone.",
                otherwise="`rejected`: a limit of the server. `timed_out`, `unfinished`: no worker, or a slow store. "
                "`back_pressured` and `generator_limited`: see *Never sent*.",
                queries=(Query(_rate(metrics.BENCHMARK_WORKFLOWS, _OUTCOME), "{{outcome}}"),),
                shape=Shape.STACKED,
                width=12,
            ),
            Panel(
                title="Latency",
                unit=Unit.SECONDS,
                shows="From the intended start to the close, of what completed. What did not complete has none: read "
                "it beside *Failed*.",
                normal="Steady over the whole run.",
                otherwise="All quantiles rise: the server or its workers are full. P99 alone: conflicts, a hot shard, "
                "or moving shards; see *DSQL Persistence*.",
                queries=(
                    *(
                        Query(_quantile(share, metrics.BENCHMARK_LATENCY), f"P{share * 100:.0f}")
                        for share in (0.5, 0.9, 0.95, 0.99)
                    ),
                    Query(_mean(metrics.BENCHMARK_LATENCY), "mean"),
                ),
                width=12,
            ),
            Panel(
                title="Lag of the generator",
                unit=Unit.SECONDS,
                shows="From the intended start to the sending, of what was sent.",
                normal=f"P99 below the line, {LAG_MS:.0f} ms.",
                otherwise="More `--generator-processes`, or more vCPU for the generator: the run ends inconclusive.",
                queries=(
                    Query(_quantile(0.5, metrics.BENCHMARK_LAG), "P50"),
                    Query(_quantile(0.99, metrics.BENCHMARK_LAG), "P99"),
                ),
                steps=over(LAG_S),
                headroom=True,
                width=12,
            ),
            Panel(
                title="In flight, by process",
                unit=Unit.COUNT,
                shows="Workflows accepted and not yet closed, of each generator process.",
                normal="Rate × duration, alike in all.",
                otherwise="Growing to `--max-in-flight`: what is full then is not sent, but counted as back-pressured.",
                queries=(
                    Query(
                        _total(sum_of(metrics.BENCHMARK_IN_FLIGHT, ("process", *_RUN), scope=OF_CLUSTER), ("process",)),
                        "{{process}}",
                    ),
                ),
                shape=Shape.STACKED,
            ),
            Panel(
                title="Never sent",
                unit=Unit.COUNT,
                shows="Starts dropped: `back_pressured` (the in-flight limit was full, the server's doing), "
                "`generator_limited` (our own lag).",
                normal="None.",
                otherwise="Of the second kind: the result says nothing of the server. Of the first: the server is "
                "slower than the rate.",
                queries=(
                    Query(_count(metrics.BENCHMARK_WORKFLOWS, _OUTCOME, outcome=_any_of(DROPPED)), "{{outcome}}"),
                ),
                shape=Shape.BARS,
                empty="all were sent",
            ),
            Panel(
                title="Failed",
                unit=Unit.COUNT,
                shows="Intended starts that did not complete by the server's doing.",
                normal="None.",
                otherwise="The same minutes of *Temporal Server* (errors, limits) and *DSQL Persistence* (refusals).",
                queries=(
                    Query(
                        _count(metrics.BENCHMARK_WORKFLOWS, _OUTCOME, outcome=_any_of(SERVER_FAILURES)), "{{outcome}}"
                    ),
                ),
                shape=Shape.BARS,
                empty="none failed",
            ),
        ),
    )
