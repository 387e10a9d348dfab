from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from auroral.bench.steps import Activity, Timer, Workload
from auroral.bench.workflows import INJECTED_FAILURE, _attempt_timeout, _read_input, encode_input, wait_activity
from auroral.bench.workload import block, builtin
from tests.support.workloads import workloads


@given(workloads())
def test_the_interpreter_reads_what_a_start_carries(workload: Workload) -> None:
    payloads = encode_input(workload).payloads
    if not workload.steps:
        assert not payloads
    else:
        (payload,) = payloads
        assert payload.metadata["encoding"] == b"json/plain"
        assert _read_input(payload.data).steps == workload.steps


def test_all_starts_of_a_workload_carry_the_same_bytes() -> None:
    first, second = (encode_input(builtin("state-transitions")).SerializeToString() for _ in range(2))
    assert first == second
    assert _read_input(b'{"steps":[]}') is _read_input(b'{"steps":[]}')


def test_the_input_is_compact() -> None:
    workload = Workload(name="long name that nobody needs", steps=(Activity(), Timer(duration_s=2.0)))
    assert msgspec.json.decode(encode_input(workload).payloads[0].data) == {
        "steps": [{"step": "activity"}, {"step": "timer", "duration_s": 2.0}]
    }


def test_an_input_of_another_language_is_refused_for_good() -> None:
    with pytest.raises(ApplicationError, match="does not understand") as caught:
        _read_input(b'{"steps": [{"step": "nap"}]}')
    assert caught.value.non_retryable


def test_attempts_get_time_enough() -> None:
    assert _attempt_timeout(0).total_seconds() == 10
    assert _attempt_timeout(20).total_seconds() == 70


async def test_an_activity_without_work_returns_at_once() -> None:
    assert await ActivityEnvironment().run(wait_activity) is None


async def test_an_activity_waits_and_returns_what_it_was_told() -> None:
    began = time.monotonic()
    assert await ActivityEnvironment().run(wait_activity, {"sleep_s": 0.02, "result_bytes": 9}, b"x") == block(9)
    assert time.monotonic() - began >= 0.02


async def test_failures_come_as_often_as_told_and_are_marked() -> None:
    failures: list[str | None] = []
    for _ in range(400):
        try:
            await ActivityEnvironment().run(wait_activity, {"failure_rate": 0.25})
        except ApplicationError as error:
            failures.append(error.type)
    assert 60 <= len(failures) <= 140  # 100 expected with a standard deviation of 9
    assert set(failures) == {INJECTED_FAILURE}
