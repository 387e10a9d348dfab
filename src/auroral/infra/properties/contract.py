"""Property 31: one contract, and no secret in what Terraform writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from auroral.infra.findings import Finding, broken, judged, kept
from auroral.infra.model import UNKNOWN, Platform, Resource
from auroral.infra.tasks import tasks

_SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY|KEY_DATA)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|X-Amz-Signature=")
_HOLDERS: Mapping[str, tuple[tuple[str | int, ...], ...]] = {
    "aws_secretsmanager_secret_version": (("secret_string",), ("secret_binary",)),
    "aws_opensearch_domain": (("advanced_security_options", 0, "master_user_options", 0, "master_user_password"),),
    "random_password": (("result",),),
    "tls_private_key": (("private_key_pem",),),
    "aws_iam_access_key": (("secret",),),
}


def one_contract_no_secrets(platform: Platform) -> Iterator[Finding]:
    """31: commands learn everything from one output, and plan and state can be shown to anyone."""
    contracts = [name for name, value in platform.outputs.items() if _is_contract(value)]
    if "contract" in platform.outputs or platform.of_type("aws_ecs_service"):
        if contracts == ["contract"]:
            yield kept("output.contract")
        else:
            yield broken(
                "output.contract", f"outputs that are contracts: {contracts or 'none'}: expected one, contract"
            )
    for name, value in platform.outputs.items():
        yield judged(f"output.{name}", _secrets_in(value, name))
    for resource in platform.resources:
        problems = [*_held(resource), *_secrets_in(_shown(resource), "")]
        if problems:
            yield broken(resource, "; ".join(problems))
    for task in tasks(platform):
        named = [name for name in task.environment() if _SECRET_NAME.search(name)]
        yield judged(
            task.resource,
            [f"environment {name} is a value: expected a secret's ARN in secrets" for name in named],
        )


def _is_contract(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("version"), int) and "project" in value


def _held(resource: Resource) -> Iterator[str]:
    for argument in _HOLDERS.get(resource.type, ()):
        value = resource.get(*argument)
        if value is not UNKNOWN and value not in (None, ""):
            yield f"{argument[-1]} stands in the plan or state: expected secrets made outside of Terraform"
    if resource.type == "aws_ssm_parameter" and resource.get("type") == "SecureString":
        yield "a SecureString's value stands in the plan or state: expected secrets made outside of Terraform"


def _shown(resource: Resource) -> Any:
    return {name: value for name, value in resource.values.items() if name != "timeouts"}


def _secrets_in(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _secrets_in(part, str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets_in(part, name)
    elif isinstance(value, str) and _SECRET_VALUE.search(value):
        yield f"{name or 'a value'} holds a key or a signed address: expected none in plan or state"
