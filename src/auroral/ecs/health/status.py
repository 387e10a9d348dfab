"""Looks at a whole deployment at once: each part in a thread of its own, none of which can sink the others. Acts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.definition import container_of
from auroral.ecs.fleet import Fleet
from auroral.ecs.health import stores
from auroral.ecs.health.crash_loop import suspected
from auroral.ecs.health.prometheus import Ask
from auroral.ecs.health.snapshot import GroupSeen, Membership, Part, Snapshot
from auroral.ecs.observe import Observer
from auroral.ecs.scaling import groups_named
from auroral.ecs.seen import ClusterSeen
from auroral.errors import AuroralError

DEADLINE_S = 25.0
"""What has not answered by then is told as not known."""

ReadMembers = Callable[[], Membership]
"""Raises `AuroralError`."""

_FAILED_ACTIVITIES = ("Failed", "Cancelled")


def gather(
    account: Account,
    fleet: Fleet,
    *,
    ask: Ask | None = None,
    members: ReadMembers | None = None,
    with_stores: bool = True,
    deadline_s: float = DEADLINE_S,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Snapshot:
    """Everything that can be seen within `deadline_s` after ECS has answered.

    `ask` questions the workspace of metrics, `members` reads the ring's rows; None: nobody does. Raises `AwsError` and
    `TargetError` where ECS itself cannot be asked; whatever else fails is in `Snapshot.unknown`.
    """
    named, at = fleet.named, now()
    parts = _Parts()
    parts.begin(Part.GROUPS, lambda: _groups(account, fleet))
    if named.alarm_prefix:
        parts.begin(Part.ALARMS, lambda: stores.alarms(account, named.alarm_prefix))
    if with_stores:
        _begin_stores(parts, account, fleet, ask, at)
        if members is not None:
            parts.begin(Part.MEMBERSHIP, members)
    cluster = Observer(account, fleet, now=now).look(instances=True, stopped=True)
    parts.begin(Part.IMAGES, lambda: _images(account, fleet, cluster))
    looping = suspected(cluster)
    if looping:
        parts.begin(Part.RING, lambda: stores.ring_lines(account, fleet, looping, at))
    found = parts.end(deadline_s)
    images, newest = found.pop(Part.IMAGES, ({}, {}))
    return Snapshot(
        cluster=cluster,
        images=images,
        newest=newest,
        groups=found.get(Part.GROUPS, {}),
        connections=found.get(Part.CONNECTIONS),
        refusals=found.get(Part.REFUSALS),
        search=found.get(Part.SEARCH),
        domain=found.get(Part.DOMAIN),
        alarms=found.get(Part.ALARMS),
        membership=found.get(Part.MEMBERSHIP),
        ring=found.get(Part.RING),
        unknown=parts.unknown,
    )


def _begin_stores(parts: _Parts, account: Account, fleet: Fleet, ask: Ask | None, at: datetime) -> None:
    named = fleet.named
    parts.begin(Part.REFUSALS, lambda: stores.refusals(account, fleet, ask, at))
    if named.dsql_cluster:
        parts.begin(Part.CONNECTIONS, lambda: stores.connections(account, named.dsql_cluster, at))
    else:
        parts.unknown[Part.CONNECTIONS] = "no task definition names the DSQL cluster"
    if named.domain:
        parts.begin(Part.SEARCH, lambda: stores.search(account, named.domain, named.account_id, at))
        parts.begin(Part.DOMAIN, lambda: stores.domain(account, named.domain))
    else:
        parts.unknown[Part.SEARCH] = "no task definition names a domain of Amazon OpenSearch Service"


class _Parts:
    """Readers at work. Their threads end with the process: one that still waits for AWS keeps nobody."""

    def __init__(self) -> None:
        self.unknown: dict[str, str] = {}
        self._found: dict[Part, Any] = {}
        self._threads: dict[Part, threading.Thread] = {}
        self._lock = threading.Lock()
        self._over = False
        self._bug: BaseException | None = None

    def begin(self, part: Part, read: Callable[[], Any]) -> None:
        """Let a reader start."""
        thread = threading.Thread(target=self._run, args=(part, read), name=f"status {part}", daemon=True)
        self._threads[part] = thread
        thread.start()

    def end(self, deadline_s: float) -> dict[Part, Any]:
        """What was read in time; `unknown` says why the rest was not."""
        last_s = time.monotonic() + deadline_s
        for thread in self._threads.values():
            thread.join(max(0.0, last_s - time.monotonic()))
        with self._lock:
            self._over = True
            for part in self._threads:
                if part not in self._found and part not in self.unknown:
                    self.unknown[part] = f"no answer within {deadline_s:g} s"
            if self._bug is not None:
                raise self._bug
            return dict(self._found)

    def _run(self, part: Part, read: Callable[[], Any]) -> None:
        value, why, bug = None, "", None
        try:
            value = read()
        except AuroralError as error:
            why = error.message
        except Exception as error:  # a bug of ours, raised again in the thread that waits
            bug = error
        with self._lock:
            if self._over:
                return
            if bug is not None:
                self._bug = bug
            elif why:
                self.unknown[part] = why
            else:
                self._found[part] = value


def _groups(account: Account, fleet: Fleet) -> dict[str, GroupSeen]:
    """The Auto Scaling groups by pool, with why one that lacks instances gets none."""
    names = {pool.group: key for key, pool in fleet.pools.items() if pool.group}
    groups = {}
    for one in groups_named(account, names):
        name = str(one["AutoScalingGroupName"])
        serving = sum(1 for instance in one.get("Instances") or () if instance.get("LifecycleState") == "InService")
        wanted = max(int(one.get("DesiredCapacity", 0)), int(one.get("MinSize", 0)))
        groups[names[name]] = GroupSeen(
            name=name,
            minimum=int(one.get("MinSize", 0)),
            desired=int(one.get("DesiredCapacity", 0)),
            maximum=int(one.get("MaxSize", 0)),
            in_service=serving,
            trouble=_trouble(account, name) if serving < wanted else "",
        )
    return {key: groups[key] for key in fleet.pools if key in groups}


def _trouble(account: Account, group: str) -> str:
    """Why the newest attempt to change the group failed; empty where it did not."""
    answer = account.call("autoscaling", "describe_scaling_activities", AutoScalingGroupName=group, MaxRecords=1)
    for activity in answer.get("Activities") or ():
        if activity.get("StatusCode") in _FAILED_ACTIVITIES:
            return " ".join(str(activity.get("StatusMessage") or activity.get("Description") or "it failed").split())
    return ""


def _images(account: Account, fleet: Fleet, cluster: ClusterSeen) -> tuple[dict[str, str], dict[str, str]]:
    """Images of the revisions that services run, and the newest revision of each service's family."""
    images: dict[str, str] = {}
    newest: dict[str, str] = {}
    for key, service in fleet.services.items():
        running = cluster.services[key].task_definition
        if not running:
            continue
        one = _newest(account, service.family)
        if one is not None:
            newest[key] = str(one.get("taskDefinitionArn", ""))
        if one is None or newest[key] != running:
            one = _definition(account, running)
        images[running] = str(container_of(one, service.container).get("image", ""))
    return images, newest


def _newest(account: Account, family: str) -> Mapping[str, Any] | None:
    """None where all revisions of a family are deregistered: a service goes on with the one that it has."""
    try:
        return _definition(account, family)
    except AwsError as error:
        if error.failure.kind in (Kind.MISSING, Kind.INVALID):
            return None
        raise


def _definition(account: Account, name: str) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = account.call("ecs", "describe_task_definition", taskDefinition=name)[
        "taskDefinition"
    ]
    return definition
