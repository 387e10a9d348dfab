"""Which cluster of Aurora DSQL a command is for: its flags, the environment, a deployment's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from auroral.cli.process import Process
from auroral.cli.where import Asked, Site, There, deployment_of, in_cluster, place_in, refuse_for_cluster, there
from auroral.dsql.target import ADMIN, SETTINGS, DsqlTarget, resolve
from auroral.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroral.deployment import Deployment

TASK = "operator"
OUTPUTS = "endpoint, address and region, where neither flags nor environment name a cluster; the task operator"
_TAKEN = ("database", "user")
"""Settings that a task takes as flags; the others are its environment's, or the caller's own."""
_CALLERS = ("region", "profile")


def find_target(process: Process, flags: Mapping[str, Any], deployment: Deployment | None) -> DsqlTarget:
    """Choose the cluster. Raises `ConfigurationError`."""
    return resolve(flags=flags, environ=process.environ, deployment=deployment)[0]


def dsql_site(process: Process, flags: Mapping[str, Any], deployment: Deployment | None) -> Site:
    """What is reached here. Raises `ConfigurationError`."""
    target, origins = resolve(flags=flags, environ=process.environ, deployment=deployment)
    return Site(
        host=target.host_address or target.endpoint,
        port=target.port,
        named_by=origins["endpoint"],
        profile=target.profile,
        region=target.region,
    )


def run_where(
    process: Process,
    flags: Mapping[str, Any],
    asked: Asked,
    *,
    here: Callable[[Deployment | None], ExitCode],
    in_task: Callable[[There, Sequence[str]], ExitCode],
) -> ExitCode:
    """Run a command of the task `operator` where it is to run.

    `in_task` gets a door to the task, and the settings' flags for it.
    """
    deployment = deployment_of(process, asked, flags)
    place = place_in(deployment, TASK)

    def site() -> Site:
        return dsql_site(process, flags, deployment)

    if not in_cluster(process, asked, key=TASK, place=place, deployment=deployment, site=site):
        return here(deployment)
    assert place is not None
    others = [f"--{name}" for name in flags if name not in (*_TAKEN, *_CALLERS)]
    refuse_for_cluster(others, "the database")
    if flags.get("user") == ADMIN:
        raise UsageError(
            f"--user {ADMIN} is not for --where cluster: the role of the task {TASK} may not enter as {ADMIN}",
            hint="leave it out, or add --where here",
        )
    door = there(process, asked, flags, key=TASK, place=place, deployment=deployment)
    return in_task(door, [part for name in _TAKEN if flags.get(name) for part in (f"--{name}", str(flags[name]))])


__all__ = ["OUTPUTS", "SETTINGS", "TASK", "dsql_site", "find_target", "run_where"]
