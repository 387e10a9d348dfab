from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench import inputs, workflows
from auroral.bench.workload import BUILTINS, Activity, builtin


@pytest.mark.parametrize("name", [name for name in BUILTINS if name != "simple"])
def test_a_start_s_argument_is_read_as_the_interpreter_reads_it(name: str) -> None:
    workload = builtin(name)
    (payload,) = workflows.encode_input(workload).payloads
    assert inputs.decode_input(payload.data).steps == workload.steps


@given(st.floats(0, 86_400))
def test_an_activity_s_argument_is_the_interpreter_s_byte_for_byte(sleep_s: float) -> None:
    (payload,) = workflows.encode_input(builtin("state-transitions")).payloads
    step = inputs.decode_input(payload.data).steps[0]
    assert isinstance(step, Activity)
    # As `workflows._RemoteActivity` makes it.
    theirs = inputs.Work(sleep_s=sleep_s, failure_rate=step.failure_rate, result_bytes=step.result_bytes)
    written = inputs.encode_sleep(sleep_s)
    assert written == msgspec.json.encode(theirs)
    assert inputs.decode_work(written).sleep_s == sleep_s


def test_nonsense_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        inputs.decode_input(b'{"steps": [{"step": "nap"}]}')
    with pytest.raises(msgspec.DecodeError):
        inputs.decode_work(b'{"sleep_s": "long"}')
