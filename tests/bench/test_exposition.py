"""Reading a few families out of a Prometheus text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from auroral.bench.exposition import samples

TEXT = rb"""# HELP temporal_num_pollers Current number of active pollers per queue type
# TYPE temporal_num_pollers gauge
temporal_num_pollers{namespace="benchmark",poller_type="activity_task"} 5
temporal_num_pollers{namespace="benchmark",poller_type="workflow_task"} 1 1732341600000
other_family{a="b"} 7
temporal_num_pollers 3
temporal_num_pollers{poller_type="a \"quoted\" \\ back\nslash, comma}"} +Inf
temporal_num_pollers{poller_type="cut off
temporal_num_pollers{poller_type="no value"}
temporal_num_pollers nonsense
"""


def test_reads_only_what_is_asked_for() -> None:
    assert list(samples(TEXT, ["other"])) == [("other_family", {"a": "b"}, 7.0)]
    assert list(samples(TEXT, ["missing"])) == []
    assert list(samples(b"", ["other"])) == []


def test_reads_labels_escapes_and_timestamps_and_passes_over_what_is_broken() -> None:
    assert [(labels, value) for _, labels, value in samples(TEXT, ["temporal_num_pollers"])] == [
        ({"namespace": "benchmark", "poller_type": "activity_task"}, 5.0),
        ({"namespace": "benchmark", "poller_type": "workflow_task"}, 1.0),
        ({}, 3.0),
        ({"poller_type": 'a "quoted" \\ back\nslash, comma}'}, float("inf")),
    ]


@given(st.text(), st.floats(allow_nan=False))
def test_reads_what_a_prometheus_client_writes(label: str, value: float) -> None:
    # Carriage returns and surrogates are no business of a label's value in the text format.
    label = label.encode("utf-8", "ignore").decode().replace("\r", "")
    registry = CollectorRegistry()
    Gauge("some_gauge", "help", ["first", "second"], registry=registry).labels(label, "x").set(value)
    assert list(samples(generate_latest(registry), ["some_"])) == [
        ("some_gauge", {"first": label, "second": "x"}, value)
    ]


@given(st.binary())
def test_no_text_breaks_it(text: bytes) -> None:
    for name, labels, value in samples(b"some_" + text, ["some_"]):
        assert isinstance(name, str)
        assert isinstance(labels, dict)
        assert isinstance(value, float)
