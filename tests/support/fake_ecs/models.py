"""botocore's own models of the APIs: what boto3 would refuse is refused here, and no answer has what none has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from auroral.aws_calls import Kind
from tests.support.fake_ecs.failures import Refused

Valid = Callable[[Any], bool]


@cache
def _operations(service: str) -> Mapping[str, Any]:
    """boto3's name of each operation → its model."""
    from botocore import xform_name
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def check_request(service: str, operation: str, arguments: Mapping[str, Any]) -> None:
    """Raises `AssertionError` where boto3 has no such operation, and `Refused` as boto3 does."""
    operations = _operations(service)
    if operation not in operations:
        raise AssertionError(f"boto3 has no {service}.{operation}")
    shape = operations[operation].input_shape
    found = _errors(arguments, shape) if shape is not None else ("no arguments" if arguments else "")
    if found:
        raise Refused("ParamValidationError", f"Parameter validation failed: {found}", Kind.INVALID)


def check_answer(service: str, operation: str, answer: Mapping[str, Any]) -> None:
    """Raises `AssertionError` where the API's answers have another form."""
    shape = _operations(service)[operation].output_shape
    found = _errors(answer, shape) if shape is not None else ""
    if found:
        raise AssertionError(f"{service}.{operation} never answers so: {found}")


def _errors(value: Any, shape: Any) -> str:
    from botocore.validate import ParamValidator

    if _plain(shape)(value):
        return ""
    report = ParamValidator().validate(value, shape)
    return str(report.generate_report()) if report.has_errors() else ""


@cache
def _plain(shape: Any) -> Valid:
    """A test that errs on one side: what it lets pass is valid, all else is for botocore's validator to judge.

    That one walks through the model anew for each value, which takes ten times as long.
    """
    if shape.serialization.keys() & {"location", "hostLabel"} or shape.type_name not in _TESTS:
        return _never
    return _TESTS[shape.type_name](shape)


def _structure(shape: Any) -> Valid:
    if shape.is_tagged_union or shape.is_document_type:
        return _never
    required, known = frozenset(shape.metadata.get("required", ())), shape.members
    tests: dict[str, Valid] = {}  # made when first wanted: a shape may hold itself

    def test(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, one in value.items():
            if name not in tests:
                if name not in known:
                    return False
                tests[name] = _plain(known[name])
            if not tests[name](one):
                return False
        return True

    return test


def _list(shape: Any) -> Valid:
    of, least = shape.member, shape.metadata.get("min", 0)
    return lambda value: type(value) is list and len(value) >= least and all(map(_plain(of), value))


def _map(shape: Any) -> Valid:
    key, item, least = shape.key, shape.value, shape.metadata.get("min", 0)
    return lambda value: (
        type(value) is dict
        and len(value) >= least
        and all(map(_plain(key), value))
        and all(map(_plain(item), value.values()))
    )


def _string(shape: Any) -> Valid:
    least = shape.metadata.get("min", 0)
    return lambda value: type(value) is str and len(value) >= least


def _number(shape: Any) -> Valid:
    least = shape.metadata.get("min", -math.inf)
    types = (int,) if shape.type_name in ("integer", "long") else (int, float)
    return lambda value: type(value) in types and value >= least


def _never(_value: Any) -> bool:
    return False


_TESTS: dict[str, Callable[[Any], Valid]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    **dict.fromkeys(("integer", "long", "float", "double"), _number),
    "boolean": lambda _shape: lambda value: type(value) is bool,
    "timestamp": lambda _shape: lambda value: isinstance(value, datetime),
}
"""By botocore's name of a shape's type."""
