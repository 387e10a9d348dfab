"""What the commands of `auroral schema` do: find where, run auroral-schema there, end with its status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from auroral import marked
from auroral.cli.dsql_target import dsql_site
from auroral.cli.process import Process
from auroral.cli.where import Asked, Site, deployment_of, in_cluster, place_in, refuse_for_cluster, there
from auroral.deployment import Deployment, missing_output
from auroral.dsql.target import resolve
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.ecs.one_shot.request import Place

ADMIN = "admin"
TASK = "schema"
_NEEDS_NO_DATABASE = ("help", "h", "dry-run")
"""auroral-schema's own flags with which a command asks no database; `update --dry-run` asks it, and says so itself."""
_OWN_DATABASE = ("plain-dsn", "endpoint")


def run(
    process: Process,
    command: str,
    flags: Mapping[str, Any],
    asked: Asked,
    *,
    args: Sequence[str],
    user: str | None,
    **task: Any,
) -> ExitCode:
    """Run one command of auroral-schema, here or in the cluster. `task`: what its flags say of the task."""
    deployment = deployment_of(process, asked, flags)
    extra = [*args, *_deployed_roles(command, args, deployment)]
    named = [f"--{name.replace('_', '-')}" for name, value in task.items() if value]
    if asked.where is None and named:
        asked = replace(asked, where="cluster")
    place = _place(deployment, asked, task)
    if _asks_no_database(args):
        place = place if asked.where == "cluster" else None

    def site() -> Site | None:
        if not _endpoint(process, flags, deployment):
            return None
        environ = {name: value for name, value in process.environ.items() if name != "DSQL_USER"}
        return dsql_site(replace(process, environ=environ), flags, deployment)

    if in_cluster(process, asked, key=TASK, place=place, deployment=deployment, site=site):
        assert place is not None
        refuse_for_cluster([f"--{name}" for name in flags if name not in ("region", "profile")], "the database")
        door = there(process, asked, flags, key=TASK, place=place, deployment=deployment)
        return door([command, *extra, *(("--user", user) if user else ())], process.out)
    if named:
        raise UsageError(f"{', '.join(named)} is for a task of the cluster", hint="leave it out, or --where cluster")
    if asked.dry_run:
        raise UsageError(
            "--dry-run prints the call that starts a task, and this runs here",
            hint="add --where cluster, or give it to auroral-schema: -- --dry-run",
        )
    return _here(process, [command, *_target(process, flags, args, deployment, user), *extra], flags)


def _place(deployment: Deployment | None, asked: Asked, task: Mapping[str, Any]) -> Place | None:
    """Where its task runs: by flags, else by the outputs. None where neither names one, unless it was asked for."""
    from auroral.ecs.one_shot.request import Place

    known = place_in(deployment, TASK)
    if known is not None and not any(task.values()):
        return known

    def chosen(flag: str, output: str) -> Any:
        value = task[flag] or (getattr(deployment, output) if deployment is not None else None)
        if not value:
            raise missing_output(deployment, output, f"--{flag.replace('_', '-')}")
        return value

    try:
        return Place(
            cluster=chosen("cluster", "ecs_cluster"),
            task_definition=chosen("task_definition", "schema_task_definition"),
            subnets=tuple(chosen("subnet", "task_subnets")),
            security_groups=tuple(chosen("security_group", "schema_security_groups")),
            container=task["container"] or (deployment.schema_container if deployment else None),
            capacity_provider=task["capacity_provider"] or (deployment.capacity_provider if deployment else None),
        )
    except UsageError:
        if asked.where == "cluster":
            raise
        return None


def _asks_no_database(args: Sequence[str]) -> bool:
    """Whether auroral-schema's own arguments name a database, or ask none."""
    return any(name in (*_OWN_DATABASE, *_NEEDS_NO_DATABASE) for name in _named(args))


def _named(args: Sequence[str]) -> list[str]:
    return [arg.lstrip("-").partition("=")[0] for arg in args if arg.startswith("-")]


def _endpoint(process: Process, flags: Mapping[str, Any], deployment: Deployment | None) -> str | None:
    given = flags.get("endpoint") or process.environ.get("DSQL_ENDPOINT", "").strip()
    return given or (deployment.dsql_endpoint if deployment is not None else None)


def _target(
    process: Process, flags: Mapping[str, Any], args: Sequence[str], deployment: Deployment | None, user: str | None
) -> list[str]:
    """auroral-schema's flags for the database; none where its own arguments name one, or need none."""
    named = _named(args)
    if any(name in _OWN_DATABASE for name in named):
        return []
    if not _endpoint(process, flags, deployment) and any(name in _NEEDS_NO_DATABASE for name in named):
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
    # Its streams are apart here, and what they hold is marked once, by us.
    environment = {name: value for name, value in process.environ.items() if name != marked.VARIABLE}
    if profile := flags.get("profile"):
        environment["AWS_PROFILE"] = str(profile)
    return run_program([str(found[SCHEMA]), *arguments], environment, out=process.out, err=process.err)
