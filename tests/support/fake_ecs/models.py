"""botocore's own models of the APIs: what boto3 would refuse is refused here, and no answer has what none has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from auroral.aws_calls import Kind
from tests.support.fake_ecs.failures import Refused


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

    report = ParamValidator().validate(value, shape)
    return str(report.generate_report()) if report.has_errors() else ""
