"""Which cluster, as whom: the settings of every command that reaches Aurora DSQL, and the region in an endpoint. Pure.

The environment's names are those of the server (docs/reference/server-environment.md).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from auroral.aws_settings import (
    OUTPUTS_HINT,
    REGION_VARIABLES,
    choose_region,
    parse_port,
    parse_region,
    with_one_region,
)
from auroral.config import FileLayer, Layer, Origin, Resolved, Setting, printable
from auroral.config import resolve as resolve_layers
from auroral.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from auroral.deployment import Deployment

ADMIN = "admin"
"""The role whose tokens ask for `DbConnectAdmin`; every other role's ask for `DbConnect`."""
OPERATOR_ROLE = "temporal_operator"
"""Made and granted by `auroral schema roles`."""
DEFAULT_PORT = 5432
GROUP = "Aurora DSQL"
_REGION_IN_ENDPOINT = re.compile(r"[a-z0-9-]+\.dsql(?:-[a-z0-9]+)?\.([a-z]{2}[a-z0-9-]*-[0-9]+)\.on\.aws")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ROLE_BYTES = 63


class DsqlTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, and as whom to enter it. It holds no secret: tokens are made when a connection opens."""

    endpoint: str
    """Host name: TLS and tokens are for it."""
    region: str
    """That tokens are signed for."""
    user: str = OPERATOR_ROLE
    """Database role."""
    database: str = "postgres"
    port: int = DEFAULT_PORT
    host_address: str | None = None
    """Dialled instead of the endpoint, where given."""
    profile: str | None = None
    """Of AWS's configuration."""
    tls_ca_file: str | None = None
    """PEM file of authorities to trust instead of the system's."""

    @property
    def cluster_id(self) -> str:
        """First label of the endpoint: the cluster's id, in endpoints that AWS names."""
        return self.endpoint.partition(".")[0]


def region_of(endpoint: str) -> str:
    """Read the region out of `<id>.dsql.<region>.on.aws`, or of its PrivateLink form; empty where there is none."""
    found = _REGION_IN_ENDPOINT.fullmatch(endpoint)
    return found[1] if found else ""


def _endpoint(text: str) -> str:
    lowered = text.lower().rstrip(".")
    if not _HOST.fullmatch(lowered):
        raise ValueError("a host name such as <id>.dsql.<region>.on.aws, without scheme and port")
    return lowered


def _address(text: str) -> str:
    """An IP address, or a name such as a VPC endpoint's: the server takes either."""
    import ipaddress

    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text))
    lowered = text.lower().rstrip(".")
    if not _HOST.fullmatch(lowered) or lowered.replace(".", "").isdigit():
        raise ValueError("an IP address or a host name, without scheme and port")
    return lowered


def _name(text: str) -> str:
    if not printable(text) or not 0 < len(text.encode()) <= _ROLE_BYTES:
        raise ValueError(f"a name of at most {_ROLE_BYTES} bytes")
    return text


def _setting(name: str, parse: Any, expected: str, help_text: str, variables: tuple[str, ...], **more: Any) -> Setting:
    return Setting(
        name=name,
        field=name.replace("-", "_"),
        parse=parse,
        expected=expected,
        help=help_text,
        group=GROUP,
        environment=variables,
        **more,
    )


SETTINGS = (
    _setting(
        "endpoint", _endpoint, "a host name", "Host name of the cluster; TLS and tokens are for it.",
        ("DSQL_ENDPOINT",), metavar="HOST",
    ),
    _setting("port", parse_port, "a port", "Its port.", ("DSQL_PORT",), default=DEFAULT_PORT, metavar="PORT"),
    _setting(
        "host-address", _address, "an address", "Dial this address instead of the endpoint's.",
        ("DSQL_HOST_ADDRESS",), metavar="ADDRESS",
    ),
    _setting("database", _name, "a name", "The database.", ("DSQL_DATABASE",), default="postgres", metavar="NAME"),
    _setting(
        "user", _name, "a role", "The database role; admin enters with an admin's token.",
        ("DSQL_USER",), default=OPERATOR_ROLE, metavar="ROLE",
    ),
    _setting(
        "region", parse_region, "a region", "Region of the tokens, where the endpoint names none.",
        REGION_VARIABLES, default_text="the endpoint's", metavar="REGION",
    ),
    _setting("profile", str, "a profile", "Profile of AWS's configuration.", ("AWS_PROFILE",), metavar="NAME"),
    _setting(
        "tls-ca-file", str, "a file", "PEM file of authorities to trust instead of the system's.",
        ("DSQL_TLS_CA_FILE",), default_text="the system's", metavar="FILE",
    ),
)  # fmt: skip
"""Every setting, in the order of help."""


def resolve(
    *, flags: Mapping[str, Any], environ: Mapping[str, str], deployment: Deployment | None = None
) -> tuple[DsqlTarget, dict[str, Origin]]:
    """Choose the cluster by flags, environment and the deployment's outputs, and say where each value came from.

    A deployment's other outputs count only where its endpoint does: an address of one cluster is none of another's.
    Raises `ConfigurationError` with every problem.
    """
    resolved = _layers(flags, environ, deployment)
    if deployment is not None and resolved.origins["endpoint"].layer is not Layer.FILE:
        resolved = _layers(flags, environ, None)
    values, problems = resolved.values, list(resolved.problems)
    endpoint = values["endpoint"]
    if endpoint is None and not any(problem.name == "endpoint" for problem in problems):
        without = f"{deployment.source}, without the output dsql_endpoint" if deployment else "nowhere"
        problems.append(
            Problem("endpoint", "none", without, "a cluster: --endpoint, DSQL_ENDPOINT, or --outputs of a deployment")
        )
    if endpoint is not None:
        without = f"--region or AWS_REGION, as {endpoint} names none"
        choose_region(resolved, region_of(endpoint), problems, without=without)
    if problems:
        raise ConfigurationError(problems, hint=OUTPUTS_HINT)
    return DsqlTarget(**{setting.field: values[setting.name] for setting in SETTINGS}), resolved.origins


def _layers(flags: Mapping[str, Any], environ: Mapping[str, str], deployment: Deployment | None) -> Resolved:
    file = None
    if deployment is not None:
        named = {
            "endpoint": deployment.dsql_endpoint,
            "host-address": deployment.dsql_host_address,
            "region": deployment.region,
        }
        file = FileLayer(deployment.source, {"dsql": {name: text for name, text in named.items() if text}})
    resolved = resolve_layers(
        SETTINGS, flags=flags, environ=with_one_region(environ), file=file, table="dsql", prefix="\0"
    )
    for name, origin in resolved.origins.items():
        if origin.layer is Layer.FILE and deployment is not None:
            output = {"region": "region"}.get(name, f"dsql_{name.replace('-', '_')}")
            resolved.origins[name] = Origin(Layer.FILE, f"{deployment.source}: {output}")
    return resolved
