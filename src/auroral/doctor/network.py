"""What must be reached from here, and what it means where it is not. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from auroral.doctor.checks import Check, Group, State

MAX_SKEW = timedelta(minutes=5)
"""AWS refuses a signature that is further off: "Elements of an AWS API request signature", read in November 2026."""
NEAR_SKEW = timedelta(minutes=1)
HTTPS_PORT = 443
REGISTRY = "registry.terraform.io"
_SUFFIXES = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
_HOSTS = {"sts": "sts", "ecs": "ecs", "ecr": "api.ecr", "ssmmessages": "ssmmessages", "logs": "logs"}

Failed = Literal["name", "refused", "timeout", "tls", "other"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One host to reach."""

    name: str
    host: str
    port: int = HTTPS_PORT
    tls: bool = True
    needed: bool = True
    """Whether nothing works without it; False: some things do not."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    failed: Failed | None = None
    words: str = ""
    took_s: float = 0.0
    date: str | None = None
    """HTTP's header Date, where it was asked for."""


def endpoints(region: str, environ: Mapping[str, str], *, registry: bool) -> list[Endpoint]:
    """AWS's regional endpoints that commands call; with `AWS_ENDPOINT_URL` that one alone. The first one is STS's.

    `registry` adds Terraform's. Raises `ValueError` where `AWS_ENDPOINT_URL` is no URL.
    """
    if given := environ.get("AWS_ENDPOINT_URL", "").strip():
        url = urlsplit(given)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"expected a URL in AWS_ENDPOINT_URL, got {given!r}")
        port = url.port or (HTTPS_PORT if url.scheme == "https" else 80)
        found = [Endpoint(name="AWS_ENDPOINT_URL", host=url.hostname, port=port, tls=url.scheme == "https")]
    else:
        suffix = next((one for start, one in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com")
        found = [Endpoint(name=name, host=f"{host}.{region}.{suffix}") for name, host in _HOSTS.items()]
    if registry:
        found.append(Endpoint(name="Terraform's registry", host=REGISTRY, needed=False))
    return found


def proxy_of(environ: Mapping[str, str], host: str) -> tuple[str, int] | None:
    """Host and port of the proxy for HTTPS that the environment names for a host, as botocore reads it."""
    given = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    if not given or _bypassed(environ.get("no_proxy") or environ.get("NO_PROXY") or "", host):
        return None
    url = urlsplit(given if "://" in given else f"http://{given}")
    return (url.hostname, url.port or 80) if url.hostname else None


def proxy_headers(environ: Mapping[str, str], host: str) -> dict[str, str]:
    """What a proxy for this host wants to hear of who asks: the name and password that its URL has."""
    if proxy_of(environ, host) is None:
        return {}
    given = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    url = urlsplit(given if "://" in given else f"http://{given}")
    if not url.username:
        return {}
    who = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(who.encode()).decode()}"}


def _bypassed(listed: str, host: str) -> bool:
    names = [one.strip().lstrip(".") for one in listed.split(",") if one.strip()]
    return any(one in ("*", host) or host.endswith(f".{one}") for one in names)


def reachable(endpoint: Endpoint, reached: Reached) -> Check:
    """Whether one is reached, and what stands in the way."""
    name = f"{endpoint.name} at {endpoint.host}" + ("" if endpoint.port == HTTPS_PORT else f":{endpoint.port}")
    if reached.failed is None:
        how = "TLS verified" if endpoint.tls else "TCP"
        return _check(name, State.OK, f"{how} in {reached.took_s * 1e3:,.0f} ms")
    state = State.MISSING if endpoint.needed else State.WARN
    return _check(name, state, _WORDS[reached.failed].format(words=reached.words), _REMEDIES[reached.failed])


_WORDS: dict[Failed, str] = {
    "name": "the name does not resolve: {words}",
    "refused": "the connection is refused: {words}",
    "timeout": "no answer: {words}",
    "tls": "TLS fails: {words}",
    "other": "{words}",
}
_REMEDIES: dict[Failed, str] = {
    "name": "check the region's name, and this machine's DNS",
    "refused": "let this machine reach it, or name a proxy in HTTPS_PROXY",
    "timeout": "let this machine reach it, or name a proxy in HTTPS_PROXY",
    "tls": "a proxy that opens TLS needs its authority trusted here: AWS_CA_BUNDLE and SSL_CERT_FILE",
    "other": "let this machine reach it, or name a proxy in HTTPS_PROXY",
}


def dsql(host: str, *, failure: str | None, took_s: float = 0.0) -> Check:
    """The deployment's public DSQL endpoint; `failure` is what stood in the way."""
    name = f"DSQL at {host}"
    if failure is None:
        return _check(name, State.OK, f"TCP and TLS in {took_s * 1e3:,.0f} ms")
    remedy = "let this machine reach its port 5432, or run the commands for it with --where cluster"
    return _check(name, State.WARN, failure, remedy)


def opensearch(host: str, reached: Reached) -> Check:
    """The visibility store, which answers inside the VPC alone."""
    name = f"OpenSearch at {host}"
    if reached.failed is None:
        return _check(name, State.OK, f"reached from here in {reached.took_s * 1e3:,.0f} ms: --where here will do")
    found = f"not reached from outside the VPC, as it should be: --where cluster ({reached.words})"
    return _check(name, State.OK, found)


def clock(date: str | None, skew: timedelta | None) -> Check:
    """How far this machine's clock is off AWS's; `skew` is above zero where it is fast."""
    if skew is None:
        why = "AWS tells no time" if date is None else f"AWS tells a time that cannot be read: {date}"
        return _check("clock", State.UNKNOWN, f"{why}: its endpoint is not reached, or a proxy hides it")
    off = abs(skew)
    if off <= timedelta(seconds=1):  # Date has whole seconds
        return _check("clock", State.OK, "with AWS's to a second")
    way = "fast" if skew > timedelta() else "slow"
    found = f"{off.total_seconds():,.0f} s {way} by AWS's"
    remedy = "set it by NTP: timedatectl set-ntp true"
    if off > MAX_SKEW:
        return _check("clock", State.MISSING, f"{found}; AWS refuses signatures that are off by 5 minutes", remedy)
    return _check("clock", State.WARN if off > NEAR_SKEW else State.OK, found, remedy if off > NEAR_SKEW else "")


def skew_of(date: str | None, now_s: float) -> timedelta | None:
    """This machine's clock less AWS's; None where that was not told."""
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    return timedelta(seconds=now_s - told.timestamp())


def no_url(words: str) -> Check:
    """`AWS_ENDPOINT_URL` is none."""
    return _check("AWS_ENDPOINT_URL", State.MISSING, words, "unset it, or give it as https://host:port")


def _check(name: str, state: State, found: str, remedy: str = "") -> Check:
    return Check(group=Group.NETWORK, name=name, state=state, found=found, remedy=remedy)
