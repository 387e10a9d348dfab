"""The control cluster: which one, as whom, and a connection to it. Acts."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping

import msgspec
from temporalio.client import Client

from auroral.bench import prepare
from auroral.bench.settings import ControlSettings
from auroral.bench.telemetry import runtime_with_metrics
from auroral.errors import UsageError
from auroral.temporal.connect import connect, resolve
from auroral.temporal.spec import ConnectionSpec, TargetSettings

_FILE_VARIABLE = "TEMPORAL_CONFIG_FILE"


def control_connection(
    control: ControlSettings, target: TargetSettings, connection: ConnectionSpec, environ: Mapping[str, str]
) -> ConnectionSpec:
    """Say how the control cluster is reached; `connection` is the one to the cluster that is loaded.

    Without an address and a profile of its own it is that cluster, with the same credentials. These go to no other:
    what another cluster wants stands in the profile. Raises `UsageError` where the profile is of no use.
    """
    if control.profile is None:
        if control.address is None:
            return msgspec.structs.replace(connection, namespace=control.namespace)
        return ConnectionSpec(
            address=control.address,
            namespace=control.namespace,
            tls=bool(control.tls),
            connect_timeout_s=connection.connect_timeout_s,
        )
    asked = TargetSettings(
        address=control.address,
        namespace=control.namespace,
        namespace_given=True,
        profile=control.profile,
        temporal_config=target.temporal_config,
        tls=control.tls,
        connect_timeout_s=connection.connect_timeout_s,
    )
    # The variables beside the file's name are the target's.
    found = resolve(asked, {name: value for name, value in environ.items() if name == _FILE_VARIABLE})
    if found is None:
        raise UsageError(
            f"the profile {control.profile} names no address",
            hint="add an address to it, or name one with --control-address",
        )
    return found.connection


async def connect_control(
    spec: ConnectionSpec, *, patience_s: float, usable_s: float, identity: str, report: Callable[[str], None]
) -> Client:
    """Connect, and create the namespace where it is missing. Raises `TargetError`."""
    # Whatever the SDK would say on stderr of a heartbeat or an activity that failed: losses are told in our words.
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    # A runtime of its own: by itself the SDK's core logs to stdout.
    runtime, _ = runtime_with_metrics(enabled=False)
    client = await connect(spec, runtime=runtime, identity=identity, patience_s=patience_s, report=report)
    await prepare.check_health(client, spec.address, timeout_s=spec.connect_timeout_s)
    state = await prepare.ensure_namespace(client, spec, allow_namespace=True)
    if state.created:
        report(f"control namespace {spec.namespace} created, retention one day")
        await prepare.wait_usable(
            client, spec.namespace, f"auroral-spread-usable-{uuid.uuid4().hex[:12]}", timeout_s=usable_s
        )
    return client
