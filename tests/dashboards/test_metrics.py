"""Every name is one that somebody exposes: compared with where it is defined."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from auroral.bench.metrics import MetricsEndpoint
from auroral.bench.progress import GeneratorSnapshot, RunSnapshot
from auroral.dashboards import metrics
from auroral.dashboards.metrics import Kind, Metric, Source
from auroral.dsql.connections import usage_dimensions
from tests.support.go import go

ROOT = Path(__file__).resolve().parents[2]
STORE_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
DEFINED = re.compile(r"New(Counter|Gauge|Timer|DimensionlessHistogram|BytesHistogram)Def\(\s*\"(\w+)\"")
KINDS = {"Counter": Kind.COUNTER, "Gauge": Kind.GAUGE}
EXPOSITION_SUFFIX = re.compile(r"_(total|seconds|total_seconds)$")


def of(source: Source) -> list[Metric]:
    return [metric for metric in metrics.ALL if metric.source is source]


def test_that_no_name_is_there_twice() -> None:
    assert len(metrics.BY_NAME) == len(metrics.ALL) > 100


def test_that_all_of_the_store_is_named_with_its_kind_and_labels() -> None:
    page = (ROOT / "docs/reference/server-metrics.md").read_text(encoding="utf-8")
    kinds = {"gauge": Kind.GAUGE, "counter": Kind.COUNTER, "timer": Kind.HISTOGRAM}
    documented = {
        name: (kinds[kind], tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in STORE_ROW.findall(page)
    }
    assert {metric.name: (metric.kind, metric.labels) for metric in of(Source.STORE)} == documented


@pytest.fixture(scope="module")
def temporals_definitions() -> dict[str, Kind]:
    """What Temporal's own source says, of the version that the server is built with."""
    answer = go("mod", "download", "-json", "go.temporal.io/server")
    assert answer.status == 0, answer.output
    folder = Path(json.loads(answer.output[answer.output.index("{") :])["Dir"])
    text = (folder / "common/metrics/metric_defs.go").read_text(encoding="utf-8")
    return {name: KINDS.get(kind, Kind.HISTOGRAM) for kind, name in DEFINED.findall(text)}


def test_that_temporal_defines_all_that_is_called_its_own(temporals_definitions: dict[str, Kind]) -> None:
    assert len(temporals_definitions) > 500
    assert not [
        (metric.name, metric.kind, temporals_definitions.get(metric.name))
        for metric in of(Source.TEMPORAL)
        if temporals_definitions.get(metric.name) is not metric.kind
    ]


def test_that_the_benchmark_exposes_all_that_is_called_its_own() -> None:
    generator = GeneratorSnapshot(
        process="generator-0",
        scheduled=3,
        outcomes={"completed": 2},
        in_flight=1,
        latency_buckets=((0.1, 2),),
        latency_count=2,
        latency_sum_s=0.1,
        lag_buckets=((0.1, 3),),
        lag_count=3,
        lag_sum_s=0.1,
    )
    endpoint = MetricsEndpoint(lambda: RunSnapshot(target_per_s=5, generators=(generator,)), dict, run_id="r1")
    text = endpoint.text().decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert {metric.name: metric.kind.value for metric in of(Source.BENCHMARK)} == exposed
    labels = {metric.name: set(metric.labels) for metric in of(Source.BENCHMARK)}
    for name, found in re.findall(r"^(\w+?)(?:_bucket|_sum|_count)?\{(.*)\} ", text, re.MULTILINE):
        assert set(re.findall(r"(\w+)=", found)) - {"le"} == labels[name], name


def test_that_the_sdk_knows_all_that_is_called_its_own() -> None:
    found = importlib.util.find_spec("temporalio.bridge.temporal_sdk_bridge")
    assert found is not None
    program = Path(str(found.origin)).read_bytes()
    for metric in of(Source.SDK):
        name = metric.name.removeprefix("temporal_")
        name = name.removesuffix("_total" if metric.kind is Kind.COUNTER else "_seconds")
        assert name.encode() in program, name
    assert b"sticky_cache_hits" not in program, "nothing can be missed by this test"


def test_that_cloudwatchs_metrics_say_where_they_are_documented() -> None:
    assert len(metrics.CLOUD) == len({(one.namespace, one.name) for one in metrics.CLOUD})
    for one in metrics.CLOUD:
        assert one.source, one
        assert one.dimensions, one
        assert one.statistic in {"Average", "Maximum", "Minimum", "Sum"}, one
    assert [one["Name"] for one in usage_dimensions("x")] == list(metrics.DSQL_CONNECTIONS.dimensions)


def test_that_cloudwatchs_names_are_those_of_the_alarms() -> None:
    known = {(one.namespace, one.name) for one in metrics.CLOUD}
    alarms = (ROOT / "infra/modules/observability").glob("*_alarms.tf")
    text = "\n".join(path.read_text(encoding="utf-8") for path in alarms)
    asked = set(re.findall(r'namespace\s*= "(AWS/\w+)",\s*metric\s*= "([\w.]+)"', text))
    assert len(asked) >= 3
    assert asked <= known
