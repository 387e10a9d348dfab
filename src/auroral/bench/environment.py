"""What cluster and what machine a run took place on, as far as they tell within a second."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import os
import platform
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from auroral import __version__
from auroral.bench.result import Environment
from auroral.temporal.spec import ConnectionSpec

if TYPE_CHECKING:
    from temporalio.client import Client

IMDS_URL = "http://169.254.169.254"
"""The EC2 instance metadata service, on each instance's own link."""
_HTTP_TIMEOUT_S = 0.5
_HTTP_FAULTS = (OSError, ValueError, http.client.HTTPException)
_RPC_TIMEOUT = timedelta(seconds=2)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What this process may use."""

    cores: int
    memory_bytes: int
    cpu_model: str | None


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """Where AWS says that this process runs."""

    instance_type: str | None = None
    availability_zone: str | None = None
    container: str | None = None


async def describe(
    client: Client | None,
    connection: ConnectionSpec,
    *,
    local_server: bool,
    local_cluster: str | None = None,
    environ: Mapping[str, str],
    imds_url: str = IMDS_URL,
    root: Path = Path("/"),
) -> Environment:
    """Describe cluster and machine; what cannot be told is null. Never fails, never takes long.

    `root` stands for the file system's root, `imds_url` for the metadata service.
    """
    server, cloud = await asyncio.gather(_server(client), asyncio.to_thread(cloud_of, environ, imds_url, root))
    machine = machine_of(root)
    return Environment(
        address=connection.address,
        local_server=local_server,
        local_cluster=local_cluster,
        auroral_version=__version__,
        sdk_version=_sdk_version(),
        python_version=platform.python_version(),
        platform=platform.platform(),
        cpu_model=machine.cpu_model,
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        instance_type=cloud.instance_type,
        availability_zone=cloud.availability_zone,
        container=cloud.container,
        **server,
    )


def _sdk_version() -> str:
    import temporalio.service

    return temporalio.service.__version__


async def _server(client: Client | None) -> dict[str, Any]:
    """Ask the cluster; Temporal Cloud answers the first question with a refusal, and an old server may too."""
    from temporalio.api.workflowservice.v1 import GetClusterInfoRequest, GetSystemInfoRequest
    from temporalio.service import RPCError

    if client is None:
        return {}
    service = client.workflow_service
    try:
        cluster = await service.get_cluster_info(GetClusterInfoRequest(), timeout=_RPC_TIMEOUT)
    except RPCError:
        pass
    else:
        return {
            "server_version": cluster.server_version or None,
            "persistence_store": cluster.persistence_store or None,
            "visibility_store": cluster.visibility_store or None,
            "history_shards": cluster.history_shard_count or None,
            "cluster_name": cluster.cluster_name or None,
        }
    try:
        system = await service.get_system_info(GetSystemInfoRequest(), timeout=_RPC_TIMEOUT)
    except RPCError:
        return {}
    return {"server_version": system.server_version or None}


def machine_of(root: Path = Path("/")) -> Machine:
    """Cores and memory that this process may use: its affinity and its cgroup count, not the whole machine."""
    import psutil

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(root / "sys/fs/cgroup")
    limit = _memory_limit_bytes(root / "sys/fs/cgroup")
    memory_bytes = int(psutil.virtual_memory().total)
    return Machine(
        cores=available if quota is None else max(1, min(available, math.ceil(quota))),
        memory_bytes=memory_bytes if limit is None else min(memory_bytes, limit),
        cpu_model=_cpu_model(root),
    )


def _cpu_quota(cgroup: Path) -> float | None:
    """CPU limit in cores: cgroup v2's `cpu.max`, or v1's quota and period."""
    match _read(cgroup / "cpu.max").split():
        case [quota, period] if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
        case [_, _]:
            return None
    quota, period = (_read(cgroup / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _memory_limit_bytes(cgroup: Path) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text.isdigit():
            return int(text)
    return None


def _cpu_model(root: Path) -> str | None:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None  # ARM's cpuinfo has numbers only


def cloud_of(environ: Mapping[str, str], imds_url: str = IMDS_URL, root: Path = Path("/")) -> Cloud:
    """Ask the ECS task metadata (v4) where there is one, and IMDSv2 where DMI says Amazon EC2. Blocks ~1 s at most."""
    task: Any = {}
    if address := environ.get("ECS_CONTAINER_METADATA_URI_V4"):
        try:
            task = json.loads(_http(f"{address}/task"))
        except _HTTP_FAULTS:
            task = {}
    container = None
    if isinstance(task, dict) and task.get("Family"):
        cluster = str(task.get("Cluster", "")).rpartition("/")[2]
        container = f"{cluster}/{task['Family']}:{task.get('Revision', '')}"
    else:
        task = {}
    zone = task.get("AvailabilityZone")
    if task.get("LaunchType") == "FARGATE":
        return Cloud(instance_type="AWS Fargate", availability_zone=zone, container=container)
    if "Amazon EC2" not in _read(root / "sys/class/dmi/id/sys_vendor"):
        return Cloud(availability_zone=zone, container=container)
    try:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = {"X-aws-ec2-metadata-token": _http(f"{imds_url}/latest/api/token", "PUT", lifetime)}
        instance_type = _http(f"{imds_url}/latest/meta-data/instance-type", headers=token)
        zone = zone or _http(f"{imds_url}/latest/meta-data/placement/availability-zone", headers=token)
    except _HTTP_FAULTS:
        return Cloud(availability_zone=zone, container=container)
    return Cloud(instance_type=instance_type, availability_zone=zone, container=container)


def _http(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> str:
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}))
    # Never through a proxy: these addresses are the machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_HTTP_TIMEOUT_S) as response:
        body: bytes = response.read(1 << 20)
    return body.decode()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
