"""Which cluster, as asked for and as resolved. Pure."""

from __future__ import annotations

import msgspec


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which cluster is asked for. With no address, and none in Temporal's own configuration: a local server."""

    address: str | None = None
    local: bool = False
    """Whether a local cluster is asked for, in place of any address."""
    local_database: str | None = None
    """Of the local cluster; None: whichever runs, else PostgreSQL."""
    namespace: str = "benchmark"
    namespace_given: bool = False
    """Whether the namespace was asked for; if not, Temporal's own configuration may name another."""
    allow_namespace: bool = False
    """Whether a namespace other than `benchmark` or `benchmark-…` may be used."""
    profile: str | None = None
    temporal_config: str | None = None
    """Path of Temporal's own TOML configuration."""
    tls: bool | None = None
    """None: as Temporal's own configuration says."""
    connect_timeout_s: float = 10.0


class ConnectionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved target: all that a process needs to connect. Holds secrets: never written to disk or logs."""

    address: str
    namespace: str
    tls: bool = False
    server_ca: str | None = None
    """PEM."""
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None
    api_key: str | None = None
    metadata: dict[str, str] = {}
    connect_timeout_s: float = 10.0

    def __repr__(self) -> str:
        return f"ConnectionSpec({self.address}, namespace={self.namespace}, tls={self.tls})"
