"""How a deployment is, as JSON and as a screen: deployments in the double of ECS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auroral.ecs.health import judge
from auroral.ecs.operation import Operation, set_mark
from auroral.ecs.snapshot import AlarmSeen, Part, Snapshot, short_image
from auroral.report.cluster_status import SCHEMA, StatusDocument, document, encode, schema
from auroral.report.cluster_status_text import text
from tests.support.fake_ecs import Behaviour, FakeAws
from tests.support.observed import deployed, look, members, row

Golden = Callable[[str, str], None]
FLAGS = ("--outputs", "my outputs.json")


def _document(aws: FakeAws, seen: Snapshot | None = None, **how: Any) -> StatusDocument:
    found = seen or look(aws)
    return document(aws.fleet, found, judge(aws.fleet, found), **how)


def _trouble() -> tuple[FakeAws, Snapshot]:
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


def test_a_deployment_that_is_well(golden: Golden) -> None:
    golden("status-well.txt", text(_document(deployed())))


def test_a_deployment_that_is_not_started(golden: Golden) -> None:
    golden("status-not-started.txt", text(_document(deployed(settled=False))))


def test_a_deployment_in_trouble(golden: Golden) -> None:
    aws, seen = _trouble()
    golden("status-trouble.txt", text(_document(aws, seen, flags=FLAGS)))


def test_a_deployment_of_which_little_is_known(golden: Golden) -> None:
    aws = deployed()
    why = "operation failed: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/reader/me is not "
    parts = {part.value: why + f"authorized to perform: x:{part.name}" for part in Part}
    seen = Snapshot(cluster=look(aws).cluster, unknown=parts)
    golden("status-unknown.txt", text(_document(aws, seen)))


@pytest.mark.parametrize("how", ["well", "trouble"])
def test_no_line_is_longer_than_100_columns(how: str) -> None:
    """But for commands, which are to be copied."""
    aws, seen = _trouble() if how == "trouble" else (deployed(), None)
    lines = text(_document(aws, seen)).splitlines()
    assert [line for line in lines if len(line) > 100 and "→ " not in line] == []


def test_ids_and_commands_stay_whole() -> None:
    aws, seen = _trouble()
    found = _document(aws, seen, flags=FLAGS)
    shown = text(found).splitlines()
    for one in found.findings:
        if one.command:
            assert any(line.strip() == f"→ {one.command}" for line in shown)
    for task in found.stopped[:5]:
        assert any(task.task in line for line in shown)


def test_colours_are_a_terminals() -> None:
    aws, seen = _trouble()
    found = _document(aws, seen)
    plain, painted = text(found), text(found, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31munhealthy\x1b[0m" in painted
    assert re.sub(r"\x1b\[[0-9]+m", "", painted) == plain


def test_commands_carry_what_names_the_deployment() -> None:
    aws, seen = _trouble()
    commands = [one.command for one in _document(aws, seen, flags=FLAGS).findings]
    assert "auroral cluster up --outputs 'my outputs.json'" in commands
    assert any(command.startswith("aws autoscaling") and "outputs" not in command for command in commands)


def test_the_document_is_read_back_and_keeps_its_name() -> None:
    aws, seen = _trouble()
    found = _document(aws, seen)
    assert msgspec.json.decode(encode(found), type=StatusDocument) == found
    assert json.loads(encode(found))["schema"] == SCHEMA == "auroral.cluster-status/1"
    assert "\n" not in encode(found, indent=False)


def test_the_document_fits_its_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    aws, seen = _trouble()
    rules = json.loads(schema())
    for found in (_document(aws, seen), _document(deployed(settled=False)), _document(deployed(), stores=False)):
        jsonschema.validate(json.loads(encode(found)), rules)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(encode(_document(deployed()))), "schema": "auroral.cluster-status/2"}, rules)


def test_the_schema_names_every_field() -> None:
    """A reader of version 1 relies on these: one that goes away, or changes its kind, makes another version."""
    made = json.loads(schema())["$defs"]
    assert set(made["StatusDocument"]["required"]) >= {"at", "verdict", "findings", "services", "pools", "unknown"}
    assert _names(made["StatusDocument"]) == set(StatusDocument.__struct_fields__)
    assert made["Verdict"]["enum"] == sorted(["healthy", "unhealthy", "not started"])


def _names(definition: dict[str, Any]) -> set[str]:
    names: Iterable[str] = definition["properties"]
    return set(names)


def test_stores_that_nobody_asked_for_are_told_as_that() -> None:
    assert "not asked for (--no-stores)" in text(_document(deployed(), stores=False))


@pytest.mark.parametrize(
    ("image", "short"),
    [
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:" + "0123456789abcdef" * 4,
            "server@0123456789ab",
        ),
        ("localhost:5000/dev/server:1.2@sha256:" + "f" * 64, "server:1.2@ffffffffffff"),
        ("temporalio/ui:2.34", "ui:2.34"),
        ("grafana", "grafana"),
        ("", ""),
    ],
)
def test_an_image_in_a_column(image: str, short: str) -> None:
    assert short_image(image) == short
