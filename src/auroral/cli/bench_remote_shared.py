"""What the commands of `auroral bench remote` share: the deployment they need whole, its results, a question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from auroral.bench import object_place
from auroral.bench.object_place import Place
from auroral.bench.result import Result
from auroral.cli.bench_report import write_reports
from auroral.cli.deployed import HINT, Operated
from auroral.cli.process import Process
from auroral.errors import OutputError, UsageError

if TYPE_CHECKING:
    from auroral.aws_account import Account
    from auroral.deployment import Contract
    from auroral.ecs.fleet import FleetService
    from auroral.ecs.one_shot.request import LogStream
    from auroral.ecs.remote.plan import Room


def contract_of(acted: Operated) -> Contract:
    """The deployment's contract. Raises `UsageError` where only names were given."""
    if acted.fleet.contract is None:
        raise UsageError(
            "generator and results are known from the deployment's outputs alone, not from --cluster", hint=HINT
        )
    return acted.fleet.contract


def place_of(contract: Contract) -> Place:
    """Where the deployment's runs leave their results."""
    return object_place.parse(f"s3://{contract.benchmark.results_bucket}/{contract.benchmark.results_prefix}")


def generator_of(account: Account, contract: Contract) -> dict[str, Any]:
    """The generator's task definition, as the last apply registered it. Raises `AwsError`."""
    arn = contract.tasks.generator.task_definition_arn
    return dict(account.call("ecs", "describe_task_definition", taskDefinition=arn)["taskDefinition"])


def room_of(acted: Operated, definition: dict[str, Any] | None, generators: int = 1) -> Room:
    """What the workers' pool holds beside so many generators, without their definition of the usual size."""
    from auroral.capacity.placement import TaskSize
    from auroral.capacity.presets import presets
    from auroral.ecs.remote.plan import room, task_size, worker_service

    service = worker_service(acted.fleet)
    pool = acted.fleet.pools.get(service.pool)
    if pool is None:
        raise UsageError(
            f"{acted.fleet.source or acted.fleet.cluster} has no pool of instances for {service.name}", hint=HINT
        )
    usual = presets().benchmark.generator
    generator = (
        task_size("generator", definition)
        if definition is not None
        else TaskSize(service="generator", cpu_units=usual.cpu_units, memory_mib=usual.memory_mib)
    )
    worker = TaskSize(service="benchmark-worker", cpu_units=service.cpu, memory_mib=service.memory)
    return room(pool, worker, generator, generators)


def processes_of(account: Account, service: FleetService) -> int:
    """Worker processes of a task: as its environment says, else one for each of its vCPUs. Raises `AwsError`."""
    from auroral.capacity.instances import CPU_UNITS_PER_VCPU
    from auroral.ecs.one_shot.request import container_of
    from auroral.ecs.remote.plan import environment_of

    answer = account.call("ecs", "describe_task_definition", taskDefinition=service.task_definition)
    told = environment_of(container_of(answer["taskDefinition"], service.container)).get("BENCHMARK_WORKER_COUNT", "")
    return int(told) if told.isdigit() and int(told) else max(1, service.cpu // CPU_UNITS_PER_VCPU)


def log_of(contract: Contract, definition: dict[str, Any], task: str) -> LogStream | None:
    """Where a generator's lines are."""
    from auroral.ecs.one_shot.request import container_of, log_stream

    return log_stream(container_of(definition, contract.tasks.generator.container), task)


def show(process: Process, directory: Path, *, as_json: bool) -> Result:
    """Print the result in a directory as `auroral bench run` does, with its reports written there."""
    from auroral.bench.store import RESULT, read_result
    from auroral.report.text import summary

    result = read_result(directory)
    try:
        text, _ = write_reports(result, directory)
    except OutputError as error:
        text = summary(result, directory)
        process.err(f"warning: {error}")
    if as_json:
        process.document((directory / RESULT).read_text(encoding="utf-8"))
    else:
        process.out(text)
    return result
