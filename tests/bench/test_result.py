from __future__ import annotations

import json

import jsonschema
import pytest

from auroral.bench.result import SCHEMA_ID, decode, encode, schema
from tests.support.sample_results import MAKERS


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.whole if one == "long" else ()) for one in sorted(MAKERS)]
)
def test_every_result_reads_back_and_is_valid_by_the_schema(name: str) -> None:
    result = MAKERS[name]()
    data = encode(result)
    assert decode(data) == result
    jsonschema.validate(json.loads(data), schema())


def test_the_schema_refuses_what_is_not_a_result() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": SCHEMA_ID}, schema())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"schema": 3}', b"\xff"])
def test_what_is_no_result_is_refused_with_what_was_expected(data: bytes) -> None:
    with pytest.raises(ValueError, match=SCHEMA_ID):
        decode(data)
