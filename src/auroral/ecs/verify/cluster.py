"""Judges what AWS says of a deployment for its proof: services, image, metrics, alarms, connections. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from auroral.capacity.budget import KEEPER_EXTRA, STARTUP_EXTRA, Term
from auroral.ecs.fleet import TEMPORAL, Fleet, FleetService
from auroral.ecs.health.snapshot import WINDOW_S
from auroral.ecs.operation import parse
from auroral.ecs.rollout.steady import Before, State, Wanted, before, revision, standing
from auroral.ecs.seen import ClusterSeen, TaskSeen
from auroral.ecs.verify.checks import Found, Pending, failed, passed
from auroral.units import format_duration, format_number

FRESH_S = 120.0
"""A series whose newest sample is older than this is lost: the collector scrapes every 15 s."""
ARRIVAL_S = 180.0
"""A task may run so long before its first sample is there: the collector looks for tasks every 30 s."""

_SERVERS = "|".join(TEMPORAL)
UP = f'up{{service=~"{_SERVERS}"}}'
UP_AGE = f"time() - timestamp({UP})"
POOL_AGE = f'time() - timestamp(dsql_pool_open{{service=~"{_SERVERS}"}})'
"""Ages by the workspace's own clock. infra/stacks/platform/collector.yaml gives the labels `service` and `instance`."""
POOLS = "sum(dsql_pool_open)"

_VERSION = re.compile(r"^auroral-server (\S+), Temporal (\S+), .*$", re.M)
_ECR = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<name>[^@:]+)@(?P<digest>sha256:\w+)$"
)


class Sample(Protocol):
    """One series' value, as `auroral.ecs.health.prometheus` answers it."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of the series."""

    @property
    def value(self) -> float:
        """At the time of the question."""


class EcrImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image by digest in ECR."""

    account: str
    region: str
    name: str
    """Of the repository."""
    digest: str


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """What the wait for steady services begins with."""

    wanted: Mapping[str, Wanted]
    before: Mapping[str, Before]


def began(fleet: Fleet, seen: ClusterSeen, health: Mapping[str, bool]) -> Began:
    """The services as they are found. `health`: whether a service's tasks have health checks; those left out are not
    known. A deployment that has failed by now counts as failed."""
    ordered = [one for one in fleet.ordered() if one.key in seen.services]
    return Began(
        wanted={
            one.key: Wanted(key=one.key, health_checked=health.get(one.key), start_period_s=float(one.start_period_s))
            for one in ordered
        },
        before={
            one.key: msgspec.structs.replace(before(seen, one.key), failed=frozenset(), deployments=frozenset())
            for one in ordered
        },
    )


def services(fleet: Fleet, seen: ClusterSeen, since: Began, waited_s: float) -> Found | Pending:
    """Whether all that `up` starts is steady."""
    faults: list[tuple[str, str]] = []
    moving: list[tuple[str, str]] = []
    counts: list[str] = []
    for one in fleet.ordered():
        there = seen.services[one.key]
        if there.status != "ACTIVE":
            faults.append((f"there is no service {one.name}: ECS has it as {there.status}", "auroral infra apply"))
            continue
        if not there.desired and (one.key in TEMPORAL or one.planned):
            faults.append((f"{one.key} is at 0", "auroral cluster up"))
            continue
        stands = standing(seen, since.wanted[one.key], since.before[one.key], waited_s)
        told = (f"{one.key}: {stands.reason}", f"auroral cluster logs {one.key}")
        if stands.state is State.FAILING:
            faults.append(told)
        elif stands.state is not State.STEADY:
            moving.append((told[0], "auroral cluster status"))
        else:
            counts.append(f"{one.key} {there.running}")
    if faults:
        return failed("; ".join(text for text, _ in faults), faults[0][1], *_service_notes(fleet, seen))
    if moving:
        return Pending(text="; ".join(text for text, _ in moving), remedy=moving[0][1])
    return passed(f"steady: {', '.join(counts)}", *_service_notes(fleet, seen))


def image_of(reference: str) -> tuple[str, EcrImage | None]:
    """The tag that a reference has, empty where it has none; and where ECR may be asked for the tags of its digest."""
    found = _ECR.match(reference)
    if found is not None:
        return "", EcrImage(**found.groupdict())
    last = reference.rsplit("/", 1)[-1]
    return (last.partition(":")[2] if "@" not in last else ""), None


def executed(status: int, output: str, tags: Collection[str], note: str = "") -> Found:
    """What `auroral-server version && auroral-server health` came to in a task whose image has these tags. `note`: why
    they are not known."""
    told = _VERSION.search(output)
    if told is None:
        return failed(
            f"auroral-server version ended with {status} and no version: {_line(output)}",
            "auroral cluster logs frontend",
        )
    version = told[1]
    what = f"auroral-server {version}, Temporal {told[2]}"
    if status:
        return failed(
            f"{what} says that it is not healthy: {_line(output[told.end() :])}", "auroral cluster logs frontend"
        )
    if tags and version not in tags:
        return failed(
            f"the server says that it is {version}, its image is tagged {', '.join(sorted(tags))}",
            "auroral cluster roll frontend",
        )
    return passed(f"{what}, healthy{', as its image is tagged' if tags else ''}", *((note,) if note else ()))


def metrics(
    seen: ClusterSeen, fleet: Fleet, up: Sequence[Sample], up_age: Sequence[Sample], pool_age: Sequence[Sample]
) -> Found | Pending:
    """Whether each running task of Temporal's has fresh series, by its address. The samples are the answers to `UP`,
    `UP_AGE` and `POOL_AGE`."""
    tasks = [one for key in TEMPORAL if key in fleet.services for one in seen.tasks_of(key) if one.status == "RUNNING"]
    if not tasks:
        return failed("no task of Temporal's services runs that could have metrics", "auroral cluster up")
    alive = {_host(one) for one in up if one.value >= 1}
    scraped, pools = _youngest(up_age), _youngest(pool_age)
    faults: list[tuple[TaskSeen, str]] = []
    for task in tasks:
        fault = _fault(fleet.services[task.service], task, alive, scraped, pools)
        if fault:
            faults.append((task, fault))
    if not faults:
        age_s = max(scraped[task.address] for task in tasks)
        return passed(f"series of all {len(tasks)} tasks, the oldest {format_duration(round(age_s))} old")
    lasting = [one for one in faults if _ran_s(one[0], seen.at) > ARRIVAL_S]
    told = "; ".join(f"{task.service} at {task.address} {fault}" for task, fault in lasting or faults)
    if lasting:
        return failed(f"{len(lasting)} of {len(tasks)} tasks: {told}", "auroral cluster logs collector")
    return Pending(text=f"{told}; it has just started", remedy="auroral cluster logs collector")


def alarms(names: Iterable[str], ringing: Sequence[tuple[str, str]], prefix: str, silent: Sequence[str] = ()) -> Found:
    """Whether one rings. `names` are all that begin so; `ringing` those in ALARM, each with its description; `silent`
    those in INSUFFICIENT_DATA, which could not ring."""
    count = len(list(names))
    if not count:
        return failed(f"there are no alarms whose names begin with {prefix}", "auroral infra apply")
    if ringing:
        told = "; ".join(f"{name} ({words})" if words else name for name, words in ringing)
        return failed(f"{len(ringing)} of {count} ring: {told}", "auroral cluster status")
    blind = f"{len(silent)} of {count} have no data to judge by: {', '.join(silent)}"
    return passed(f"none of {count} rings", *((blind,) if silent else ()))


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Open connections, by one source."""

    source: str
    connections: float


def budget(fleet: Fleet, seen: ClusterSeen, counts: Sequence[Count], why: str = "") -> Found:
    """Whether there are no more connections than the tasks may hold, and these no more than DSQL admits. `why`: the
    reason why there are no counts."""
    terms = _terms(fleet, seen)
    most, limit = sum(term.value for term in terms), fleet.allowance.connections
    words = " + ".join(f"{term.count} × {format_number(term.each)} {term.label}" for term in terms[:-1])
    total = f"{words} + {terms[-1].count} operators = {format_number(most)}" if words else format_number(most)
    if most > limit:
        return failed(f"the tasks may hold more than DSQL admits: {total} of {limit:,}", "auroral capacity plan")
    if not counts:
        return failed(f"how many connections there are is not known: {why}", "auroral dsql connections")
    told = ", ".join(f"{one.connections:,.0f} by {one.source}" for one in counts)
    if max(one.connections for one in counts) > most:
        return failed(
            f"{told}: more than the tasks may hold, {total}; who holds the others?", "auroral dsql connections"
        )
    return passed(f"{told}: at most {total} of {limit:,}", *((why,) if why else ()))


def _service_notes(fleet: Fleet, seen: ClusterSeen) -> tuple[str, ...]:
    notes = []
    for one in fleet.ordered():
        there = seen.services[one.key]
        if 0 < there.desired < one.planned:
            notes.append(f"{one.key} has {there.desired} tasks, planned are {one.planned}")
        if fleet.contract is not None and there.desired and there.task_definition != one.task_definition:
            notes.append(
                f"{one.key} runs {revision(there.task_definition)}, the outputs name {revision(one.task_definition)}: "
                f"auroral cluster roll {one.key}"
            )
    operation = parse(seen.mark)
    if operation is not None:
        notes.append(f"the cluster is marked: {operation.name} {operation.state}")
    return tuple(notes)


def _fault(
    service: FleetService,
    task: TaskSeen,
    alive: Collection[str],
    scraped: Mapping[str, float],
    pools: Mapping[str, float],
) -> str:
    host = task.address
    if host not in scraped:
        return "has no series"
    if scraped[host] > FRESH_S:
        return f"has been lost for {format_duration(round(scraped[host]))}"
    if host not in alive:
        return "does not answer the collector (up is 0)"
    if service.dsql is not None and pools.get(host, FRESH_S + 1) > FRESH_S:
        return "tells nothing of its pool (dsql_pool_open)"
    return ""


def _host(sample: Sample) -> str:
    return sample.labels.get("instance", "").rpartition(":")[0]


def _youngest(ages: Sequence[Sample]) -> dict[str, float]:
    """Seconds by host, of its newest series."""
    found: dict[str, float] = {}
    for one in ages:
        found[_host(one)] = min(one.value, found.get(_host(one), one.value))
    return found


def _ran_s(task: TaskSeen, at: datetime) -> float:
    return (at - task.started_at).total_seconds() if task.started_at is not None else 0.0


def _terms(fleet: Fleet, seen: ClusterSeen) -> list[Term]:
    """What tasks may hold, those included that were there when CloudWatch counted: it is minutes late."""
    since = seen.at - timedelta(seconds=WINDOW_S)
    terms = []
    for one in fleet.services.values():
        there = seen.services[one.key]
        if one.dsql is None:
            continue
        of_late = sum(
            task.service == one.key and (task.stopped_at is None or task.stopped_at >= since) for task in seen.stopped
        )
        count = max(there.desired, there.running) + of_late
        each = one.dsql.pool_size + one.dsql.reservoir + KEEPER_EXTRA + STARTUP_EXTRA
        if count:
            terms.append(Term(label=one.key, count=count, each=each))
    return [*terms, Term(label="operators", count=fleet.allowance.operator_connections, each=1)]


def _line(text: str) -> str:
    return " ".join(text.split())[:300] or "nothing was said"
