"""Which OpenSearch, which index, signed for which region: the settings of `auroral visibility`. Pure.

The environment's names are those of the server (docs/reference/server-environment.md), so that both mean one index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from auroral.aws_settings import (
    OUTPUTS_HINT,
    REGION_VARIABLES,
    choose_region,
    parse_port,
    parse_region,
    with_one_region,
)
from auroral.config import FileLayer, Layer, Origin, Resolved, Setting
from auroral.config import parse_flag as parse_switch
from auroral.config import resolve as resolve_layers
from auroral.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from auroral.deployment import Deployment

DEFAULT_INDEX = "temporal_visibility_v1"
SERVICE = "es"
"""What requests to an OpenSearch domain are signed for. Temporal 1.32.2 signs for no other (client/aws.go)."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
GROUP = "OpenSearch"
# <name>.<region>.es.amazonaws.com, and <name>.aos.<region>.on.aws where it has both IPv4 and IPv6
# (Amazon OpenSearch Service Developer Guide, "Creating and managing domains", read in November 2026).
_REGION_IN_HOST = re.compile(
    r"[a-z0-9-]+\.(?:([a-z]{2}[a-z0-9-]*-[0-9]+)\.es\.amazonaws\.com(?:\.cn)?|aos\.([a-z]{2}[a-z0-9-]*-[0-9]+)\.on\.aws)"
)
_SERVERLESS = re.compile(r"\.aoss\.(amazonaws\.com|[a-z0-9-]+\.on\.aws)$")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# OpenSearch's own rules for names, "Create index", read in November 2026; `:` is refused by its security plugin.
_INDEX = re.compile(r"(?![-_+.])[a-z0-9._-]{1,200}")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A host, and what an endpoint says beside it; None: nothing."""

    host: str
    port: int | None = None
    scheme: str | None = None


class VisibilityTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One index of one OpenSearch, and how to reach it."""

    host: str
    port: int = 443
    scheme: str = "https"
    index: str = DEFAULT_INDEX
    region: str = ""
    """That requests are signed for; empty where they are not."""
    signing: bool = True
    profile: str | None = None
    """Of AWS's configuration."""
    username: str = ""
    """Where requests are not signed."""
    ca_file: str | None = None
    """PEM file of authorities to trust instead of the system's."""

    @property
    def url(self) -> str:
        """The address as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def region_of(host: str) -> str:
    """Read the region out of a domain's host name; empty where it names none."""
    found = _REGION_IN_HOST.fullmatch(host)
    return (found[1] or found[2]) if found else ""


def parse_endpoint(text: str) -> Address:
    """Read `https://host`, `host` or `host:port`. Raises `ValueError`."""
    expected = "https://<host>, a host name or host:port"
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise ValueError(expected) from error
    if parts.username is not None:
        raise ValueError(f"{expected}, without a user: TEMPORAL_OPENSEARCH_USERNAME and …_PASSWORD are for it")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{expected}, without a path")
    if host != "::1" and not _HOST.fullmatch(host):
        raise ValueError(expected)
    if parts.scheme not in ("", "http", "https"):
        raise ValueError(expected)
    if _SERVERLESS.search(host):
        raise ValueError("a domain, not a serverless collection: Temporal signs requests for domains only")
    return Address(host=host, port=port, scheme=parts.scheme or None)


def _show_endpoint(address: Address) -> str:
    port = f":{address.port}" if address.port is not None else ""
    return f"{address.scheme}://{address.host}{port}" if address.scheme else f"{address.host}{port}"


def _scheme(text: str) -> str:
    if text not in ("http", "https"):
        raise ValueError("https or http")
    return text


def _index(text: str) -> str:
    if not _INDEX.fullmatch(text):
        raise ValueError("a name of lower-case letters, digits, `_`, `-` and `.`, beginning with a letter or digit")
    return text


def _setting(name: str, parse: Any, expected: str, help_text: str, variables: tuple[str, ...], **more: Any) -> Setting:
    return Setting(
        name=name,
        field=name,
        parse=parse,
        expected=expected,
        help=help_text,
        group=GROUP,
        environment=variables,
        **more,
    )


SETTINGS = (
    _setting(
        "endpoint", parse_endpoint, "a host or URL", "The domain: https://<host>, or its host name.",
        ("TEMPORAL_OPENSEARCH_HOST",), show=_show_endpoint, metavar="URL",
    ),
    _setting(
        "port", parse_port, "a port", "Its port.",
        ("TEMPORAL_OPENSEARCH_PORT",), default_text="443", metavar="PORT",
    ),
    _setting(
        "scheme", _scheme, "https or http", "http is taken for this machine's own addresses only.",
        ("TEMPORAL_OPENSEARCH_SCHEME",), default_text="https", metavar="SCHEME",
    ),
    _setting(
        "index", _index, "an index", "The index.",
        ("TEMPORAL_OPENSEARCH_INDEX",), default=DEFAULT_INDEX, metavar="NAME",
    ),
    _setting(
        "region", parse_region, "a region", "Region that requests are signed for.",
        REGION_VARIABLES, default_text="the endpoint's", metavar="REGION",
    ),
    _setting("profile", str, "a profile", "Profile of AWS's configuration.", ("AWS_PROFILE",), metavar="NAME"),
    _setting(
        "signing", parse_switch, "true or false", "Sign requests with AWS credentials.",
        ("TEMPORAL_OPENSEARCH_SIGNING",), default=True, flag=True,
    ),
)  # fmt: skip
"""Every setting, in the order of help."""

_ELSEWHERE = ("TEMPORAL_OPENSEARCH_USERNAME", "TEMPORAL_OPENSEARCH_PASSWORD")


def resolve(
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    deployment: Deployment | None = None,
    ca_file: str | None = None,
) -> tuple[VisibilityTarget, dict[str, Origin]]:
    """Choose the index by flags, environment and the deployment's outputs, and say where each value came from.

    Raises `ConfigurationError` with every problem.
    """
    resolved = _layers(flags, environ, deployment)
    values, problems = resolved.values, list(resolved.problems)
    address: Address | None = values["endpoint"]
    if address is None:
        if not any(problem.name == "endpoint" for problem in problems):
            without = f"{deployment.source}, without opensearch_endpoint" if deployment else "nowhere"
            expected = "a domain: --endpoint, TEMPORAL_OPENSEARCH_HOST, or --outputs of a deployment"
            problems.append(Problem("endpoint", "none", without, expected))
        raise ConfigurationError(problems, hint=OUTPUTS_HINT)
    scheme = address.scheme or values["scheme"] or "https"
    port = address.port or (values["port"] if address.scheme is None else None) or (443 if scheme == "https" else 80)
    if scheme == "http" and address.host not in LOCAL_HOSTS:
        name = "endpoint" if address.scheme else "scheme"
        problems.append(
            Problem(name, f"http to {address.host}", resolved.origins[name].text, "https: http is for localhost only")
        )
    if values["signing"]:
        without = f"--region or AWS_REGION, as {address.host} names none; or --no-signing where requests are not signed"
        choose_region(resolved, region_of(address.host), problems, without=without)
    if problems:
        raise ConfigurationError(problems, hint=OUTPUTS_HINT)
    target = VisibilityTarget(
        host=address.host,
        port=port,
        scheme=scheme,
        index=values["index"],
        region=values["region"] if values["signing"] else "",
        signing=values["signing"],
        profile=values["profile"],
        username="" if values["signing"] else environ.get("TEMPORAL_OPENSEARCH_USERNAME", "").strip(),
        ca_file=ca_file,
    )
    return target, resolved.origins


def _layers(flags: Mapping[str, Any], environ: Mapping[str, str], deployment: Deployment | None) -> Resolved:
    file, outputs = None, {"endpoint": "opensearch_endpoint", "index": "opensearch_index", "region": "region"}
    if deployment is not None:
        named = {name: getattr(deployment, output) for name, output in outputs.items()}
        file = FileLayer(deployment.source, {"visibility": {name: text for name, text in named.items() if text}})
    resolved = resolve_layers(
        SETTINGS,
        flags=flags,
        environ=with_one_region(environ),
        file=file,
        table="visibility",
        prefix="TEMPORAL_OPENSEARCH_",
        other_variables=_ELSEWHERE,
    )
    for name, origin in resolved.origins.items():
        if origin.layer is Layer.FILE and deployment is not None:
            resolved.origins[name] = Origin(Layer.FILE, f"{deployment.source}: {outputs[name]}")
    return resolved
