"""What Terraform says of a deployment: the contract between its outputs and auroral's commands. Pure but for files.

Three forms are read: `terraform output -json`, where each output is an object with its `value`; plain JSON of names and
values; and `terraform output -json contract`. The output `contract` fills every field. An output with the name of a
field counts before it, so that another stack can name what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import msgspec.structs

from auroral.errors import OutputError, UsageError
from auroral.infra import contract as contracts
from auroral.infra.contract import Contract

__all__ = ["Contract", "Deployment", "load_outputs", "missing_output", "parse_outputs"]

MAX_BYTES = 4 * 1024 * 1024


class Deployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The outputs that commands use, each under Terraform's own name. What a stack does not have is None, or empty."""

    project: str | None = None
    """Prefix of every name of the deployment."""
    region: str | None = None
    account_id: str | None = None
    dsql_endpoint: str | None = None
    """Host name for TLS and tokens."""
    dsql_host_address: str | None = None
    """What to dial instead of it, from inside the network."""
    opensearch_endpoint: str | None = None
    """Host name or URL of the visibility store."""
    opensearch_index: str | None = None
    ecs_cluster: str | None = None
    """Name or ARN."""
    ecs_services: dict[str, str] = {}
    """Temporal's service → name of the ECS service."""
    schema_task_definition: str | None = None
    """Family, family:revision or ARN of the one-shot schema task."""
    schema_container: str | None = None
    """Its container's name; None: it has one container only."""
    schema_security_groups: tuple[str, ...] = ()
    schema_log_group: str | None = None
    task_subnets: tuple[str, ...] = ()
    """Private subnets of one-shot tasks."""
    capacity_provider: str | None = None
    """For one-shot tasks; None: the launch type EC2."""
    task_role_arns: dict[str, str] = {}
    """Service → ARN of its task role: `history`, `matching`, `frontend`, `worker`, `schema`, …"""
    operator_role_arn: str | None = None
    log_groups: dict[str, str] = {}
    """Service → CloudWatch log group."""

    contract: Contract | None = None
    """All of the stack's contract; None where the outputs have none."""
    source: str = ""
    """Where it was read from, for messages."""
    unknown: tuple[str, ...] = ()
    """Outputs that this version does not know, in order."""

    @property
    def server_role_arns(self) -> tuple[str, ...]:
        """ARNs of the task roles that run Temporal's server, without doubles."""
        arns = (self.task_role_arns.get(service) for service in SERVER_SERVICES)
        return tuple(dict.fromkeys(arn for arn in arns if arn))


SERVER_SERVICES = ("frontend", "internal-frontend", "history", "matching", "worker")
"""Keys of `task_role_arns` that are Temporal's own roles. The others (schema, ui, …) enter no store as Temporal."""

OUTPUTS = tuple(name for name in Deployment.__struct_fields__ if name not in ("contract", "source", "unknown"))


def load_outputs(path: str | Path) -> Deployment:
    """Read the outputs of a file. Raises `OutputError` where it cannot be read, `UsageError` where it is no outputs."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OutputError(
            f"the deployment's outputs {path} cannot be read: {error.strerror}",
            hint="write them with: terraform output -json > outputs.json",
        ) from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} has {len(data):,} bytes: expected the outputs of a stack, at most {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: expected `terraform output -json`") from error
    return parse_outputs(text, str(path))


def parse_outputs(text: str, source: str = "the deployment's outputs") -> Deployment:
    """Read the outputs from their JSON. Raises `UsageError` with every output of a wrong type."""
    hint = "expected what `terraform output -json` prints"
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{source} is not JSON: {error or 'it is nested too deeply'}", hint=hint) from error
    if not isinstance(document, dict):
        raise UsageError(f"{source} is JSON, but not an object of outputs", hint=hint)
    if _is_contract(document):
        document = {"contract": document}
    values = {name: _value(output) for name, output in document.items()}
    contract = None if values.get("contract") is None else contracts.parse(values["contract"], source)
    problems: list[str] = []
    known: dict[str, Any] = {} if contract is None else _of_contract(contract)
    for name in OUTPUTS:
        if values.get(name) is None or values[name] == "":
            continue  # Terraform prints null for an output of a part that is switched off
        try:
            known[name] = msgspec.convert(values[name], type=_types()[name])
        except msgspec.ValidationError as error:
            problems.append(f"  {name} = {_brief(document[name])}: expected {_expected(name, error)}")
    if problems:
        raise UsageError("\n".join([f"outputs of another form than expected in {source}:", *problems]), hint=hint)
    unknown = tuple(name for name in values if name not in (*OUTPUTS, "contract"))
    return Deployment(**known, contract=contract, source=source, unknown=unknown)


def _of_contract(contract: Contract) -> dict[str, Any]:
    """The fields that the contract fills."""
    schema, services = contract.tasks.schema, contract.services
    tasks = msgspec.structs.asdict(contract.tasks)
    return {
        "project": contract.project,
        "region": contract.region,
        "account_id": contract.account_id,
        "dsql_endpoint": contract.dsql.endpoint,
        "opensearch_endpoint": contract.visibility.endpoint,
        "opensearch_index": contract.visibility.index,
        "ecs_cluster": contract.cluster.name,
        "ecs_services": {name: one.service for name, one in services.items()},
        "schema_task_definition": schema.task_family,
        "schema_container": schema.container,
        "schema_security_groups": schema.group_ids,
        "schema_log_group": schema.log_group,
        "task_subnets": schema.subnet_ids,
        "capacity_provider": schema.capacity_provider,
        "task_role_arns": {name: one.role_arn for name, one in (*services.items(), *tasks.items())},
        "operator_role_arn": contract.tasks.operator.role_arn,
        "log_groups": {
            **contract.log_groups,
            **{name: one.log_group for name, one in (*services.items(), *tasks.items())},
        },
    }


def _is_contract(document: Mapping[str, Any]) -> bool:
    """Whether the document is the contract's value itself."""
    return isinstance(document.get("version"), int) and "cluster" in document and "contract" not in document


def missing_output(deployment: Deployment | None, output: str, flag: str) -> UsageError:
    """The error of a command that needs an output that is not there: which, and the flag that would replace it."""
    if deployment is None:
        return UsageError(
            f"expected {flag}, or --outputs with the output {output}; found neither",
            hint="terraform output -json > outputs.json writes what --outputs takes",
        )
    return UsageError(
        f"{deployment.source} has no output {output}, and {flag} is not given",
        hint=f"give {flag}, or outputs of a stack that has {output}",
    )


def _value(output: Any) -> Any:
    """The value of one output, whichever form it has, without a map's nulls."""
    value = output["value"] if _described(output) else output
    if isinstance(value, Mapping):
        return {name: item for name, item in value.items() if item is not None}
    return value


def _described(output: Any) -> bool:
    return isinstance(output, Mapping) and "value" in output and set(output) <= {"value", "type", "sensitive"}


def _types() -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(Deployment)}


def _expected(name: str, error: msgspec.ValidationError) -> str:
    kind = {"str": "a text", "tuple": "a list of texts", "dict": "a map of texts"}
    default = getattr(Deployment(), name)
    return f"{kind.get(type(default).__name__, 'a text')} ({error})"


def _brief(output: Any) -> str:
    if _described(output) and output.get("sensitive"):
        return "(sensitive, not shown)"
    text = msgspec.json.encode(_value(output)).decode()
    return text if len(text) <= 60 else f"{text[:57]}…"
