"""Which cluster of Aurora DSQL a command is for: its flags, the environment, a deployment's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from auroral.cli.process import Process
from auroral.dsql.target import SETTINGS, DsqlTarget, resolve
from auroral.errors import UsageError


def outputs_option() -> click.Option:
    """The flag for a deployment's outputs."""
    return click.Option(
        ["--outputs"],
        metavar="FILE",
        help="Outputs of a deployment (terraform output -json): endpoint, address and region, where neither flags nor "
        "environment name a cluster.",
    )


def find_target(process: Process, flags: Mapping[str, Any], outputs: str | None) -> DsqlTarget:
    """Choose the cluster. Raises `ConfigurationError`, `UsageError`, `OutputError`."""
    deployment = None
    if outputs is not None:
        from auroral.deployment import load_outputs

        if not outputs.strip():
            raise UsageError("expected a file after --outputs, not ''", hint="leave --outputs out to use none")
        deployment = load_outputs(outputs)
    target, _ = resolve(flags=flags, environ=process.environ, deployment=deployment)
    return target


__all__ = ["SETTINGS", "find_target", "outputs_option"]
