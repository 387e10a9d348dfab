"""What a local cluster is made of: its options, its processes with their ports, and each one's environment. Pure.

The server's variables are those of the image (docs/reference/server-environment.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from auroral.errors import UsageError

MAIN_DATABASE = "temporal"
VISIBILITY_DATABASE = "temporal_visibility"
HOST = "127.0.0.1"
DEFAULT_FRONTEND_PORT = 7233
"""Where Temporal's tools look."""


class Database(StrEnum):
    """What keeps the cluster's workflows. Visibility is on PostgreSQL in either case."""

    POSTGRES = "postgres"
    DSQL_DOUBLE = "dsql-double"


class Role(StrEnum):
    """Temporal's services."""

    HISTORY = "history"
    MATCHING = "matching"
    FRONTEND = "frontend"
    WORKER = "worker"

    @property
    def health_service(self) -> str:
        """The name under which the role's gRPC health is asked for (`service/*/service.go` of Temporal)."""
        return f"temporal.api.workflowservice.v1.{_HEALTH[self]}Service"


_HEALTH = {Role.HISTORY: "History", Role.MATCHING: "Matching", Role.FRONTEND: "Workflow", Role.WORKER: "Worker"}
PORTS_A_PROCESS = 4
_SHARDS_A_HISTORY = 8
"""With 8 for each of two, one of them is left without a shard once in 30,000 starts; with 2, once in 8."""
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "TZ", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT")


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a local cluster is asked to be."""

    database: Database = Database.POSTGRES
    histories: int = 1
    """History processes."""
    history_shards: int | None = None
    """None: 4 for one history process, 16 for each of several."""
    pool_size: int = 8
    """Connections to the main store of each process, open at all times on the double."""
    namespace: str = "benchmark"
    frontend_port: int | None = None
    """None: a free one."""
    dynamic_config: dict[str, Any] = {}
    """Values by key, over those that the image ships."""
    environment: dict[str, str] = {}
    """Variables for the server's processes, over ours."""
    conflicts: float = 0.0
    """Share of commits that the double refuses with a conflict."""
    seed: int = 1
    """Of the double's randomness."""
    double: dict[str, float] = {}
    """Settings of the double by name, from its start on (`auroral.local.double.settings`)."""

    @property
    def shards(self) -> int:
        """History shards, chosen or not."""
        if self.history_shards is not None:
            return self.history_shards
        return 4 if self.histories == 1 else 16 * self.histories

    def check(self) -> None:
        """Raise `UsageError` for options that no cluster can have."""
        if self.histories < 1:
            raise UsageError(f"expected at least one history process, got {self.histories}")
        if not 1 <= self.shards <= 16_384:
            raise UsageError(f"expected 1 to 16,384 history shards, got {self.shards}")
        if self.histories > 1 and self.shards < _SHARDS_A_HISTORY * self.histories:
            raise UsageError(
                f"expected at least {_SHARDS_A_HISTORY} history shards for each of {self.histories} history processes, "
                f"got {self.shards}",
                hint="hashing may give a process none of few shards, and Temporal never calls a history without one "
                "healthy; a cluster's number of shards is fixed at its first start",
            )
        if not 2 <= self.pool_size <= 500:
            raise UsageError(f"expected a pool of 2 to 500 connections, got {self.pool_size}")
        if not 0 <= self.conflicts < 1:
            raise UsageError(f"expected a share of conflicts from 0 to below 1, got {self.conflicts:g}")
        if self.conflicts and self.database is not Database.DSQL_DOUBLE:
            raise UsageError(
                f"only the double of DSQL makes conflicts, and the database is {self.database}",
                hint="add --database dsql-double",
            )


class ServerProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the server and its ports on the loopback."""

    name: str
    """The role, with a number where there are several: `history-2`."""
    role: Role
    grpc_port: int
    membership_port: int
    metrics_port: int
    http_port: int
    """Of a frontend's HTTP API; others leave theirs unused."""

    @property
    def metrics_url(self) -> str:
        """Its Prometheus endpoint."""
        return f"http://{HOST}:{self.metrics_port}/metrics"


def ports_needed(options: ClusterOptions) -> int:
    """How many free ports `processes` takes."""
    return (options.histories + 3) * PORTS_A_PROCESS


def processes(options: ClusterOptions, ports: Iterator[int]) -> list[ServerProcess]:
    """Lay out the processes, histories first, since the others wait for them."""
    several = options.histories > 1
    names = [
        (f"history-{number}" if several else "history", Role.HISTORY) for number in range(1, options.histories + 1)
    ]
    names += [(str(role), role) for role in (Role.MATCHING, Role.FRONTEND, Role.WORKER)]
    laid_out = []
    for name, role in names:
        grpc_port, membership_port, metrics_port, http_port = (next(ports) for _ in range(PORTS_A_PROCESS))
        if role is Role.FRONTEND and options.frontend_port is not None:
            grpc_port = options.frontend_port
        laid_out.append(
            ServerProcess(
                name=name,
                role=role,
                grpc_port=grpc_port,
                membership_port=membership_port,
                metrics_port=metrics_port,
                http_port=http_port,
            )
        )
    return laid_out


def server_environment(
    process: ServerProcess,
    cluster: list[ServerProcess],
    options: ClusterOptions,
    *,
    store: Mapping[str, str],
    dynamic_config_path: Path,
    inherited: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of one process: the shell's variables for Temporal or AWS do not reach it.

    `store` says how to reach the main store and visibility.
    """
    ports = {one.role: one for one in reversed(cluster)}
    ports[process.role] = process
    environment = {
        name: value for name, value in inherited.items() if name in _INHERITED or name.startswith(("AURORAL_", "LC_"))
    }
    for role, one in ports.items():
        environment[f"{role.upper()}_GRPC_PORT"] = str(one.grpc_port)
        environment[f"{role.upper()}_MEMBERSHIP_PORT"] = str(one.membership_port)
    environment |= {
        "FRONTEND_HTTP_PORT": str(ports[Role.FRONTEND].http_port),
        "BIND_ON_IP": HOST,
        "TEMPORAL_BROADCAST_ADDRESS": HOST,
        "PROMETHEUS_ENDPOINT": f"{HOST}:{process.metrics_port}",
        "NUM_HISTORY_SHARDS": str(options.shards),
        "TEMPORAL_SQL_MAX_CONNS": str(options.pool_size),
        "TEMPORAL_SQL_MAX_IDLE_CONNS": str(options.pool_size),
        "VISIBILITY_SQL_MAX_CONNS": "10",
        "DYNAMIC_CONFIG_FILE_PATH": str(dynamic_config_path),
        "TEMPORAL_SERVICES": str(process.role),
    }
    return {**environment, **store, **options.environment}
