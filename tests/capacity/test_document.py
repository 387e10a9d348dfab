from __future__ import annotations

import json

import jsonschema
import pytest

from auroral.capacity.document import SCHEMA_ID, decode, encode, schema
from tests import generate
from tests.support.plans import of_preset, of_rate


def test_a_plan_is_read_back_as_it_was() -> None:
    plan = of_preset("150wps")
    assert decode(encode(plan)) == plan
    assert plan.feasible
    assert plan.service("history").replicas.value == 8
    assert plan.pool("benchmark").count.value == 4
    with pytest.raises(KeyError):
        plan.service("mystery")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", f"a plan {SCHEMA_ID}, not a document without a schema"),
        (b'{"schema": "auroral.bench.result/1"}', "not auroral.bench.result/1"),
        (b"[", "a plan"),
        (b'{"schema": "auroral.capacity.plan/1"}', "auroral_version"),
    ],
)
def test_anything_else_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(data)


def test_the_published_schema_takes_plans_and_refuses_others() -> None:
    published = json.loads((generate.REFERENCE / "plan-schema.json").read_text(encoding="utf-8"))
    assert published["$defs"] == schema()["$defs"]
    jsonschema.Draft202012Validator.check_schema(published)
    validator = jsonschema.Draft202012Validator(published)
    for plan in (of_preset("150wps"), of_rate(600), of_rate(10, distributed=True)):
        document = json.loads(encode(plan))
        validator.validate(document)
        assert not validator.is_valid({**document, "services": "many"})
