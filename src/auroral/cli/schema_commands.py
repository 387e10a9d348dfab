"""What the commands of `auroral schema` do: find where, run auroral-schema there, end with its status."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from auroral.cli.process import Process
from auroral.deployment import Deployment, load_outputs, missing_output
from auroral.dsql.target import resolve
from auroral.errors import ExitCode, UsageError

ADMIN = "admin"
_NEEDS_NO_DATABASE = ("help", "h", "dry-run")
"""auroral-schema's own flags with which a command asks no database; `update --dry-run` asks it, and says so itself."""
_OWN_DATABASE = ("plain-dsn", "endpoint")


def run(
    process: Process,
    command: str,
    flags: Mapping[str, Any],
    *,
    args: Sequence[str],
    user: str | None,
    outputs: str | None,
    in_cluster: bool,
    **task: Any,
) -> ExitCode:
    """Run one command of auroral-schema, here or in the cluster."""
    deployment = load_outputs(outputs) if outputs is not None else None
    extra = [*args, *_deployed_roles(command, args, deployment)]
    if in_cluster:
        return _in_cluster(process, [command, *extra], flags, deployment, user=user, **task)
    given = [f"--{name.replace('_', '-')}" for name, value in task.items() if value and name != "timeout"]
    if given:
        raise UsageError(f"{', '.join(given)} is for a task of the cluster", hint="add --in-cluster, or leave it out")
    return _here(process, [command, *_target(process, flags, args, deployment, user), *extra], flags)


def _target(
    process: Process, flags: Mapping[str, Any], args: Sequence[str], deployment: Deployment | None, user: str | None
) -> list[str]:
    """auroral-schema's flags for the database; none where its own arguments name one, or need none."""
    named = [arg.lstrip("-").partition("=")[0] for arg in args if arg.startswith("-")]
    if any(name in _OWN_DATABASE for name in named):
        return []
    somewhere = flags.get("endpoint") or process.environ.get("DSQL_ENDPOINT", "").strip()
    somewhere = somewhere or (deployment.dsql_endpoint if deployment is not None else None)
    if not somewhere and any(name in _NEEDS_NO_DATABASE for name in named):
        return []
    environ = {name: value for name, value in process.environ.items() if name != "DSQL_USER"}
    target, _ = resolve(flags=flags, environ=environ, deployment=deployment)
    chosen = {
        "endpoint": target.endpoint,
        "port": str(target.port),
        "database": target.database,
        "region": target.region,
        "host-address": target.host_address,
        "ca-file": target.tls_ca_file,
        "user": user or ADMIN,
    }
    return [part for name, value in chosen.items() if value for part in (f"--{name}", value)]


def _deployed_roles(command: str, args: Sequence[str], deployment: Deployment | None) -> list[str]:
    """The deployment's IAM roles, for `roles` and `status`, unless the arguments name some."""
    if command not in ("roles", "status") or deployment is None:
        return []
    if any(arg.lstrip("-").startswith(("server-arn", "operator-arn")) for arg in args):
        return []
    parts = [part for arn in deployment.server_role_arns for part in ("--server-arn", arn)]
    return [*parts, *(("--operator-arn", deployment.operator_role_arn) if deployment.operator_role_arn else ())]


def _here(process: Process, arguments: Sequence[str], flags: Mapping[str, Any]) -> ExitCode:
    from auroral.cli.schema_program import run_program
    from auroral.local.binaries import SCHEMA, obtain_binaries

    found = asyncio.run(obtain_binaries([SCHEMA], report=process.err, environ=process.environ))
    environment = dict(process.environ)
    if profile := flags.get("profile"):
        environment["AWS_PROFILE"] = str(profile)
    return run_program([str(found[SCHEMA]), *arguments], environment, out=process.out, err=process.err)


def _in_cluster(
    process: Process,
    command: Sequence[str],
    flags: Mapping[str, Any],
    deployment: Deployment | None,
    *,
    user: str | None,
    **task: Any,
) -> ExitCode:
    from auroral.ecs.one_shot import OneShot, ended, task_id
    from auroral.ecs.tasks import AwsEcs, start
    from auroral.units import parse_duration_s

    _refuse_database_flags(flags)
    try:
        timeout_s = parse_duration_s(task["timeout"])
    except ValueError as error:
        raise UsageError(f"--timeout {task['timeout']}: expected {error or 'a duration such as 60m'}") from error

    def chosen(flag: str, output: str) -> Any:
        value = task[flag] or (getattr(deployment, output) if deployment is not None else None)
        if not value:
            raise missing_output(deployment, output, f"--{flag.replace('_', '-')}")
        return value

    wanted = OneShot(
        cluster=chosen("cluster", "ecs_cluster"),
        task_definition=chosen("task_definition", "schema_task_definition"),
        subnets=tuple(chosen("subnet", "task_subnets")),
        security_groups=tuple(chosen("security_group", "schema_security_groups")),
        command=(*command, *(("--user", user) if user else ())),
        started_by="auroral-schema",
        client_token=uuid.uuid4().hex,
        capacity_provider=task["capacity_provider"] or (deployment.capacity_provider if deployment else None),
    )
    container = task["container"] or (deployment.schema_container if deployment else None)
    region = flags.get("region") or (deployment.region if deployment else None) or process.environ.get("AWS_REGION")
    ecs = AwsEcs(region=region, profile=flags.get("profile") or process.environ.get("AWS_PROFILE") or None)
    running = start(ecs, wanted, container)
    what = f"auroral-schema {command[0]}"
    process.err(f"{what} is task {task_id(running.arn)} of cluster {wanted.cluster}")
    try:
        last = running.follow(process.out, process.err, timeout_s=timeout_s)
    except KeyboardInterrupt:
        if task["stop_on_interrupt"]:
            running.stop()
            process.err("interrupted; the task was told to stop, and the same command goes on where it stopped")
        else:
            stop_it = f"aws ecs stop-task --cluster {wanted.cluster} --task {running.arn}"
            process.err(f"interrupted; the task goes on. Stop it: {stop_it}")
        return ExitCode.INTERRUPTED
    return ended(last, what)


def _refuse_database_flags(flags: Mapping[str, Any]) -> None:
    """The task's own environment says where the database is."""
    given = [f"--{name}" for name in flags if name not in ("region", "profile")]
    if given:
        raise UsageError(
            f"{', '.join(given)} is not for --in-cluster: the task's own environment names the database",
            hint="leave it out, or give it to auroral-schema after --",
        )
