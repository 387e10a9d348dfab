"""A deployment in the double of ECS, as `auroral cluster status` looks at it."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import msgspec

from auroral.dsql.membership import Member
from auroral.ecs.fleet import TEMPORAL, of_contract
from auroral.ecs.health.judgement import Judgement, judge
from auroral.ecs.health.snapshot import AlarmSeen, Membership, Snapshot
from auroral.ecs.health.status import gather
from auroral.ecs.operation import Operation, set_mark
from auroral.infra.contract import parse
from auroral.report.cluster_status import StatusDocument, document
from tests.support.contract_file import CONTRACT
from tests.support.fake_ecs import Behaviour, FakeAws, FakeClock

ES = "AWS/ES"
GREEN = {
    "ClusterStatus.green": 1.0,
    "ClusterStatus.yellow": 0.0,
    "ClusterStatus.red": 0.0,
    "Nodes": 3.0,
    "ClusterIndexWritesBlocked": 0.0,
    "FreeStorageSpace": 41_000.0,
}


def deployed(*, settled: bool = True, connections: float = 412.0) -> FakeAws:
    """The deployment of the example contract, all stores well."""
    aws = FakeAws.from_fleet(
        of_contract(parse(json.loads(CONTRACT.read_text()), "x"), "outputs.json"), clock=FakeClock()
    )
    monitoring = aws.world.monitoring
    for name, value in GREEN.items():
        monitoring.set_metric(ES, name, value)
    monitoring.set_metric("AWS/Usage", "ResourceCount", connections)
    status = {"EngineVersion": "OpenSearch_2.19", "Processing": False, "UpgradeProcessing": False, "Deleted": False}
    aws.add("opensearch", "describe_domain", lambda **_: {"DomainStatus": domain(status)})
    if settled:
        aws.settle({key: one.planned for key, one in aws.fleet.services.items() if key != "benchmark-worker"})
    return aws


def domain(status: dict[str, Any]) -> dict[str, Any]:
    """A domain as DescribeDomain answers, with what its model asks for."""
    return {
        "DomainId": "1/dev",
        "DomainName": "dev",
        "ARN": "arn:aws:es:us-east-1:123456789012:domain/dev",
        "ClusterConfig": {},
        **status,
    }


def members(aws: FakeAws, *, silent_s: float = 3.0, more: tuple[Member, ...] = ()) -> Membership:
    """A row for each running task of Temporal's services."""
    now = aws.clock.utc().replace(tzinfo=None)
    rows = [
        row(task.address, key, silent_s, now=now)
        for key in TEMPORAL
        for task in aws.service(key).tasks
        if task.status == "RUNNING"
    ]
    return Membership(rows=(*rows, *more))


def row(address: str, role: str = "history", silent_s: float = 3.0, *, now: Any = None) -> Member:
    """One host's row."""
    now = now or datetime(2026, 11, 26, 8, 0)
    return Member(
        host_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{role}/{address}")),
        role=role,
        address=f"{address}:6934",
        session_start=now - timedelta(hours=1),
        last_heartbeat=now - timedelta(seconds=silent_s),
        record_expiry=now + timedelta(hours=47),
        silent_s=silent_s,
    )


def look(aws: FakeAws, **how: Any) -> Snapshot:
    """What is to see."""
    how.setdefault("members", lambda: members(aws))
    return gather(aws, aws.fleet, now=aws.clock.utc, **how)


def judged(aws: FakeAws, **how: Any) -> Judgement:
    """How it is."""
    return judge(aws.fleet, look(aws, **how))


def documented(aws: FakeAws, seen: Snapshot | None = None, **how: Any) -> StatusDocument:
    """The document of what is to see."""
    found = seen or look(aws)
    return document(aws.fleet, found, judge(aws.fleet, found), **how)


def in_trouble() -> tuple[FakeAws, Snapshot]:
    """A roll whose tasks crash while `up` was interrupted, an alarm, a store that does not answer."""
    aws = deployed(connections=8_412)
    ring = '{"level":"warn","msg":"unable to bootstrap ringpop. retrying","error":"join duration of 30s exceeded"}'
    line = '{"level":"warn","msg":"DSQL refused a connection","error":"SQLSTATE 53400"}'
    made = aws.register("history")
    aws.behaviour("history", Behaviour(crash_after_s=30, lines=((5, line), (25, ring))), revision=made.revision)
    aws.service("history").rollback = False
    aws.call("ecs", "update_service", cluster="dev", service="dev-history", taskDefinition=made.arn)
    aws.call("ecs", "update_service", cluster="dev", service="dev-ui", desiredCount=0)
    aws.world.instances[0].connected = False
    aws.faults.deny("opensearch:DescribeDomain")
    aws.clock.advance(420)
    mark = Operation(name="up", state="interrupted", at=aws.clock.utc() - timedelta(minutes=5))
    call = set_mark(aws.world.names.cluster_arn, mark)
    aws.call(call.service, call.operation, **call.arguments)
    stale = tuple(row(f"10.9.9.{n}", silent_s=40_000) for n in range(7))
    seen = look(aws, members=lambda: members(aws, more=stale))
    described = "Fewer tasks of history run than wanted, for 300 s. See: auroral cluster status"
    alarm = AlarmSeen(name="dev-history-tasks", since=aws.clock.utc() - timedelta(minutes=2), description=described)
    return aws, msgspec.structs.replace(seen, alarms=(alarm,))
