"""How a deployment is, as a versioned document. Pure. `auroral.report.cluster_status_text` prints it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from auroral.ecs.fleet import TEMPORAL, Fleet
from auroral.ecs.health.crash_loop import by_itself, stale_rows
from auroral.ecs.health.judgement import Judgement
from auroral.ecs.health.snapshot import AlarmSeen, DomainSeen, Refusals, SearchSeen, Snapshot, revision_of, short_image
from auroral.ecs.health.verdict import Finding, Verdict
from auroral.ecs.operation import Operation
from auroral.ecs.seen import InstanceSeen, ServiceSeen, TaskSeen
from auroral.json_document import json_text

SCHEMA = "auroral.cluster-status/1"
"""A reader of version 1 knows every field of it; later versions of auroral may add some."""

EVENTS = 3
"""Of each service."""

_OF_CLUSTER = ("auroral cluster ", "auroral bench remote ")
_OF_OUTPUTS = ("auroral dsql ", "auroral schema ", "auroral visibility ", "auroral doctor ")
"""Commands that take a deployment's outputs, region and profile, and no names of ECS."""
_NAMES = ("--cluster", "--project")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One of ECS's messages on a service."""

    at: datetime
    text: str


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    service: str
    name: str
    """Of the ECS service."""
    status: str
    """ACTIVE, DRAINING, INACTIVE, MISSING."""
    desired: int
    running: int
    pending: int
    planned: int
    rollout: str
    """IN_PROGRESS, COMPLETED, FAILED; empty where ECS says nothing."""
    rollout_reason: str
    failed_tasks: int
    """Of the deployment, in a row."""
    deployments: int
    """More than one while a roll is under way."""
    revision: str
    """Of the task definition that it runs."""
    newest_revision: str | None
    """Of its family; None: not known."""
    image: str | None
    """Tag, or the first digits of its digest; None: not known."""
    events: list[Event]
    """The newest first."""


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One pool of instances: its Auto Scaling group, and what ECS knows of those that joined the cluster."""

    pool: str
    group: str
    provider: str
    instance_type: str
    minimum: int
    desired: int | None
    """None, and the next: not known."""
    maximum: int
    in_service: int | None
    joined: int
    """Instances of the cluster."""
    without_agent: int
    """Of these, whose agent does not answer."""
    cpu: int
    cpu_free: int
    """CPU units."""
    memory_mib: int
    memory_free_mib: int
    tasks: int


class Dsql(msgspec.Struct, frozen=True, kw_only=True):
    """The DSQL cluster."""

    cluster: str
    connections: float | None
    connections_at: datetime | None
    limit: int
    limiter: str
    refusals: Refusals | None


class OpenSearch(msgspec.Struct, frozen=True, kw_only=True):
    """The visibility store."""

    domain: str
    measured: SearchSeen | None
    described: DomainSeen | None


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of `cluster_membership` against running tasks."""

    rows: int
    of_tasks: int
    """Of hosts that a task of this cluster has."""
    stale: int
    """The others."""
    server_tasks: int
    """Running tasks of Temporal's services."""


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """One task that stopped within the last hour."""

    service: str
    """Or, of a one-shot task, the family of its task definition."""
    task: str
    at: datetime | None
    by_itself: bool
    """Not stopped by a deployment, a scaling or a person."""
    stop_code: str
    reason: str
    exit_codes: Mapping[str, int]
    lived_s: float | None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment at one moment. What is null is not known; `unknown` says why, unless nobody asked for it."""

    schema: str = SCHEMA
    at: datetime
    cluster: str
    region: str
    project: str
    source: str
    """Where it was read from what the deployment consists of."""
    verdict: Verdict
    findings: list[Finding]
    evidence: list[str]
    """Of a crash loop."""
    operation: Operation | None
    services: list[Service]
    pools: list[Pool]
    dsql: Dsql
    opensearch: OpenSearch
    alarms: list[AlarmSeen] | None
    ring: Ring | None
    stopped: list[Stopped]
    """The newest first."""
    unknown: dict[str, str]


def document(
    fleet: Fleet, seen: Snapshot, judged: Judgement, *, flags: Sequence[str] = (), stores: bool = True
) -> StatusDocument:
    """Put together what is printed. `flags` are added to the commands of findings that take them."""
    servers = [key for key in TEMPORAL if key in fleet.services]
    running = sum(1 for task in seen.cluster.tasks if task.service in servers and task.status == "RUNNING")
    return StatusDocument(
        at=seen.at,
        cluster=fleet.cluster,
        region=fleet.region,
        project=fleet.project,
        source=fleet.source,
        verdict=judged.verdict,
        findings=[msgspec.structs.replace(one, command=_with(one.command, flags)) for one in judged.findings],
        evidence=list(judged.evidence.lines) if judged.evidence.loops else [],
        operation=judged.operation,
        services=[_service(fleet, seen, key) for key in _order(fleet)],
        pools=[_pool(fleet, seen, key) for key in fleet.pools],
        dsql=Dsql(
            cluster=fleet.named.dsql_cluster,
            connections=seen.connections.connections if seen.connections else None,
            connections_at=seen.connections.at if seen.connections else None,
            limit=fleet.allowance.connections,
            limiter=fleet.named.limiter,
            refusals=seen.refusals,
        ),
        opensearch=OpenSearch(domain=fleet.named.domain, measured=seen.search, described=seen.domain),
        alarms=None if seen.alarms is None else list(seen.alarms),
        ring=_ring(seen, running),
        stopped=_stopped(seen),
        unknown=dict(seen.unknown) if stores else {**seen.unknown, "stores": "not asked for (--no-stores)"},
    )


def encode(found: StatusDocument, *, indent: bool = True) -> str:
    """The document as JSON; in one line without `indent`."""
    return json_text(found) if indent else msgspec.json.encode(found).decode()


def schema() -> str:
    """The JSON Schema of the document."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
        "title": f"What `auroral cluster status --json` prints ({SCHEMA})",
        **msgspec.json.schema(StatusDocument),
    }
    made["$defs"]["StatusDocument"]["properties"]["schema"] = {"const": SCHEMA}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _order(fleet: Fleet) -> list[str]:
    """As they start; what `up` does not start comes last."""
    first = [one.key for one in fleet.ordered()]
    return [*first, *(key for key in fleet.services if key not in first)]


def _with(command: str, flags: Sequence[str]) -> str:
    """The command with the flags that name the deployment, as far as it takes them."""
    if f"{command} ".startswith(_OF_OUTPUTS):
        pairs = zip(flags[::2], flags[1::2], strict=True)
        flags = [part for flag, value in pairs if flag not in _NAMES for part in (flag, value)]
    elif not f"{command} ".startswith(_OF_CLUSTER):
        return command
    return f"{command} {shlex.join(flags)}" if flags else command


def _service(fleet: Fleet, seen: Snapshot, key: str) -> Service:
    known, one = fleet.services[key], seen.cluster.services[key]
    primary = one.primary
    newest = seen.newest.get(key)
    image = seen.images.get(one.task_definition)
    return Service(
        service=key,
        name=one.name,
        status=one.status,
        desired=one.desired,
        running=one.running,
        pending=one.pending,
        planned=known.planned,
        rollout=primary.rollout if primary else "",
        rollout_reason=primary.reason if primary else "",
        failed_tasks=primary.failed if primary else 0,
        deployments=len(one.deployments),
        revision=revision_of(one.task_definition),
        newest_revision=revision_of(newest) if newest else None,
        image=short_image(image) if image else None,
        events=[Event(at=event.at, text=_said(one, event.text)) for event in one.events[:EVENTS]],
    )


def _said(service: ServiceSeen, text: str) -> str:
    """ECS begins each of its messages with the service's name, which stands beside it here."""
    return " ".join(text.removeprefix(f"(service {service.name})").split())


def _pool(fleet: Fleet, seen: Snapshot, key: str) -> Pool:
    pool, group = fleet.pools[key], seen.groups.get(key)
    ours = [one for one in seen.cluster.instances if one.provider == pool.provider]

    def total(field: str) -> int:
        return sum(int(getattr(one, field)) for one in ours if _counts(one))

    return Pool(
        pool=key,
        group=pool.group,
        provider=pool.provider,
        instance_type=pool.instance_type,
        minimum=group.minimum if group else pool.minimum,
        desired=group.desired if group else None,
        maximum=group.maximum if group else pool.maximum,
        in_service=group.in_service if group else None,
        joined=len(ours),
        without_agent=sum(1 for one in ours if not one.connected),
        cpu=total("cpu"),
        cpu_free=total("cpu_left"),
        memory_mib=total("memory"),
        memory_free_mib=total("memory_left"),
        tasks=sum(one.running + one.pending for one in ours),
    )


def _counts(instance: InstanceSeen) -> bool:
    """Whether a task may be placed there."""
    return instance.status == "ACTIVE" and instance.connected


def _ring(seen: Snapshot, server_tasks: int) -> Ring | None:
    if seen.membership is None:
        return None
    rows = seen.membership.rows
    stale = len(stale_rows(rows, seen.cluster))
    return Ring(rows=len(rows), of_tasks=len(rows) - stale, stale=stale, server_tasks=server_tasks)


def _stopped(seen: Snapshot) -> list[Stopped]:
    def when(task: TaskSeen) -> float:
        at = task.stopped_at or task.created_at
        return at.timestamp() if at else 0.0

    return [
        Stopped(
            service=task.service or task.family,
            task=task.id,
            at=task.stopped_at,
            by_itself=by_itself(task),
            stop_code=task.stop_code,
            reason=task.reason,
            exit_codes=task.exit_codes,
            lived_s=(task.stopped_at - task.started_at).total_seconds()
            if task.stopped_at and task.started_at
            else None,
        )
        for task in sorted(seen.cluster.stopped, key=when, reverse=True)
    ]
