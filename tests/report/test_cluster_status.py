"""How a deployment is, as JSON and as a screen: deployments in the double of ECS."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import Any

import click
import jsonschema
import msgspec
import pytest

from auroral.cli.main import root
from auroral.ecs.health.judgement import judge
from auroral.ecs.health.verdict import note
from auroral.report.cluster_status import SCHEMA, StatusDocument, document, encode, schema
from tests.support.fake_ecs import Outcome
from tests.support.observed import deployed, documented, in_trouble, look

FLAGS = ("--outputs", "my outputs.json")


def test_commands_carry_what_names_the_deployment() -> None:
    aws, seen = in_trouble()
    commands = [one.command for one in documented(aws, seen, flags=FLAGS).findings]
    assert "auroral cluster up --outputs 'my outputs.json'" in commands
    assert any(command.startswith("aws autoscaling") and "outputs" not in command for command in commands)


@pytest.mark.parametrize(
    ("command", "flags", "told"),
    [
        ("auroral dsql connections", FLAGS, "auroral dsql connections --outputs 'my outputs.json'"),
        ("auroral schema status", ("--stack", "platform"), "auroral schema status --stack platform"),
        (
            "auroral visibility status",
            (*FLAGS, "--profile", "x"),
            "auroral visibility status --outputs 'my outputs.json' --profile x",
        ),
        ("auroral doctor", FLAGS, "auroral doctor --outputs 'my outputs.json'"),
        (
            "auroral doctor",
            ("--cluster", "dev", "--project", "p", "--region", "eu-west-1"),
            "auroral doctor --region eu-west-1",
        ),
        ("auroral dsql probe", ("--cluster", "dev"), "auroral dsql probe"),
        ("auroral cluster up", ("--cluster", "dev"), "auroral cluster up --cluster dev"),
        ("auroral infra apply", FLAGS, "auroral infra apply"),
        ("auroral cluster up", (), "auroral cluster up"),
    ],
)
def test_each_command_carries_the_flags_that_it_takes(command: str, flags: tuple[str, ...], told: str) -> None:
    aws = deployed()
    seen = look(aws)
    found = judge(aws.fleet, seen)
    made = msgspec.structs.replace(found, findings=(note("x", "y", command),))
    (finding,) = document(aws.fleet, seen, made, flags=flags).findings
    assert finding.command == told
    words = shlex.split(told)[1:]
    at: click.Command = root
    while isinstance(at, click.Group):
        found_command = at.get_command(click.Context(at), words.pop(0))
        assert found_command is not None
        at = found_command
    at.make_parser(click.Context(at)).parse_args(words)


def test_the_document_is_read_back_and_keeps_its_name() -> None:
    aws, seen = in_trouble()
    found = documented(aws, seen)
    assert msgspec.json.decode(encode(found), type=StatusDocument) == found
    assert json.loads(encode(found))["schema"] == SCHEMA == "auroral.cluster-status/1"
    assert "\n" not in encode(found, indent=False)


def test_the_document_fits_its_schema() -> None:
    aws, seen = in_trouble()
    rules = json.loads(schema())
    for found in (documented(aws, seen), documented(deployed(settled=False)), documented(deployed(), stores=False)):
        jsonschema.validate(json.loads(encode(found)), rules)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(encode(documented(deployed()))), "schema": "auroral.cluster-status/2"}, rules)


def test_the_schema_names_every_field() -> None:
    """A reader of version 1 relies on these: one that goes away, or changes its kind, makes another version."""
    made = json.loads(schema())["$defs"]
    assert set(made["StatusDocument"]["required"]) >= {"at", "verdict", "findings", "services", "pools", "unknown"}
    assert _names(made["StatusDocument"]) == set(StatusDocument.__struct_fields__)
    assert made["Verdict"]["enum"] == sorted(["healthy", "unhealthy", "not started"])


def _names(definition: dict[str, Any]) -> set[str]:
    names: Iterable[str] = definition["properties"]
    return set(names)


def test_one_shot_tasks_are_told_by_their_family() -> None:
    aws = deployed()
    aws.program("dev-schema", lambda run: Outcome(exit_code=3))
    network = {"awsvpcConfiguration": {"subnets": list(aws.world.subnets), "securityGroups": ["sg-1"]}}
    strategy = [{"capacityProvider": "dev-main"}]
    aws.call(
        "ecs",
        "run_task",
        cluster="dev",
        taskDefinition="dev-schema",
        networkConfiguration=network,
        capacityProviderStrategy=strategy,
    )
    aws.clock.advance(300)
    (one,) = documented(aws).stopped
    assert (one.service, one.exit_codes, one.by_itself) == ("dev-schema", {"schema": 3}, True)
