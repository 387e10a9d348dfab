"""Which cluster, as whom: the settings of every command that reaches Aurora DSQL, and the region in an endpoint. Pure.

The environment's names are those of the server (docs/reference/server-environment.md).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

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
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+")
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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ValueError("a port from 1 to 65535")
    return int(text)


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


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("a region such as eu-west-1")
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
    _setting("port", _port, "a port", "Its port.", ("DSQL_PORT",), default=DEFAULT_PORT, metavar="PORT"),
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
        "region", _region, "a region", "Region of the tokens, where the endpoint names none.",
        ("AWS_REGION", "AWS_DEFAULT_REGION"), default_text="the endpoint's", metavar="REGION",
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
    _choose_region(resolved, endpoint or "", problems)
    if problems:
        raise ConfigurationError(
            problems, hint="terraform output -json > outputs.json writes what --outputs takes of a deployment"
        )
    return DsqlTarget(**{setting.field: values[setting.name] for setting in SETTINGS}), resolved.origins


def _choose_region(resolved: Resolved, endpoint: str, problems: list[Problem]) -> None:
    """The endpoint's own region comes first: a token that is signed for another one is refused."""
    named, given = region_of(endpoint), resolved.values["region"]
    origin = resolved.origins["region"]
    if named:
        if origin.layer is Layer.FLAG and given not in (None, named):
            problems.append(Problem("region", given, origin.text, f"{named}, which the endpoint names"))
        # Two variables that disagree are no problem where neither counts.
        problems[:] = [one for one in problems if one.name != "region" or one.origin == "--region"]
        resolved.values["region"] = named
        resolved.origins["region"] = resolved.origins["endpoint"]
    elif endpoint and given is None and not any(problem.name == "region" for problem in problems):
        problems.append(Problem("region", "none", "nowhere", f"--region or AWS_REGION, as {endpoint} names none"))


def _layers(flags: Mapping[str, Any], environ: Mapping[str, str], deployment: Deployment | None) -> Resolved:
    file = None
    if deployment is not None:
        named = {
            "endpoint": deployment.dsql_endpoint,
            "host-address": deployment.dsql_host_address,
            "region": deployment.region,
        }
        file = FileLayer(deployment.source, {"dsql": {name: text for name, text in named.items() if text}})
    # AWS's two names for the region often stand beside each other; AWS_REGION is the stronger one in every SDK.
    chosen = dict(environ)
    if chosen.get("AWS_REGION", "").strip():
        chosen.pop("AWS_DEFAULT_REGION", None)
    resolved = resolve_layers(SETTINGS, flags=flags, environ=chosen, file=file, table="dsql", prefix="\0")
    for name, origin in resolved.origins.items():
        if origin.layer is Layer.FILE and deployment is not None:
            output = {"region": "region"}.get(name, f"dsql_{name.replace('-', '_')}")
            resolved.origins[name] = Origin(Layer.FILE, f"{deployment.source}: {output}")
    return resolved
