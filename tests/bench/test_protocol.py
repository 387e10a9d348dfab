from __future__ import annotations

import msgspec
import pytest

from auroral.bench import protocol
from auroral.bench.protocol import decode_from_child, decode_to_generator, decode_to_worker, encode
from auroral.bench.samples import Outcome, Sample
from auroral.bench.settings import WorkerSettings
from auroral.temporal.spec import ConnectionSpec
from tests.bench.test_load import order

FROM_CHILD = [
    protocol.Hello(pid=7, metrics_port=None),
    protocol.Ready(),
    protocol.Ready(note="drove the API otherwise", transport="sdk"),
    protocol.Samples(samples=[Sample(index=1, workload=0, outcome=Outcome.REJECTED, intended_us=5, cause="X/Y")]),
    protocol.ScheduleEnded(t_s=1.0, scheduled=5, interrupted=False),
    protocol.Drained(t_s=2.0, held=1),
    protocol.CleanedUp(terminated=1, failed=0),
    protocol.ChildFailed(error="no", exit_code=3),
]
TO_GENERATOR = [
    order(),
    protocol.Go(epoch_unix_us=1, clock_offset_us=-5),
    protocol.StopSchedule(drain_timeout_s=1.0),
    protocol.CleanUp(deadline_s=1.0),
]


@pytest.mark.parametrize("frame", FROM_CHILD, ids=lambda frame: type(frame).__name__)
def test_what_a_child_says_reads_back(frame: msgspec.Struct) -> None:
    line = encode(frame)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_from_child(line) == frame


@pytest.mark.parametrize("frame", TO_GENERATOR, ids=lambda frame: type(frame).__name__)
def test_what_a_generator_is_told_reads_back(frame: msgspec.Struct) -> None:
    assert decode_to_generator(encode(frame)) == frame


def test_a_workers_order_reads_back() -> None:
    frame = protocol.WorkerOrder(
        connection=ConnectionSpec(address="a:1", namespace="n", api_key="secret"),
        task_queues=["q"],
        settings=WorkerSettings(),
        max_concurrent_activities=200,
        engine="sdk",
        manifest_digest="0123456789ab",
        name="worker-0",
        metrics=True,
    )
    assert decode_to_worker(encode(frame)) == frame


@pytest.mark.parametrize("line", [b"", b"hello", b"{}", b'{"type":"Unknown"}', b'{"type":"Hello"}'])
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_from_child(line)


def test_what_several_children_say_alike_is_one_sentence() -> None:
    said = {"generator-0": "took long", "generator-1": "", "generator-2": "took long", "generator-3": "took it easy"}
    assert protocol.notes_of(said) == ["generator-0 and generator-2 took long.", "generator-3 took it easy."]
    assert protocol.notes_of({f"generator-{number}": "took its time" for number in range(3)}) == [
        "generator-0, generator-1 and generator-2 took its time."
    ]
    assert protocol.notes_of({"generator-0": ""}) == []


def test_a_connection_does_not_show_its_secrets() -> None:
    shown = repr(ConnectionSpec(address="a:1", namespace="n", tls=True, api_key="secret", client_key="PEM"))
    assert "secret" not in shown
    assert "PEM" not in shown
