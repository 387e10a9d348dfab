"""The commands that operate a deployed cluster, over HTTP, on the platform that `auroral infra apply` made on moto.

moto starts no task: what is wanted runs at once, none is listed, and ECS's counts are believed after a minute, which
`Skipping` passes over. What needs tasks (`exec`, `forward`, `verify`, one-shot tasks) is tested on the double of ECS.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral import aws_account
from auroral.aws_account import AwsAccount, AwsError
from auroral.bench.delivery import deliver
from auroral.bench.result import Result, encode
from auroral.cli.bench_remote_shared import place_of
from auroral.deployment import load_outputs
from auroral.ecs.discover import discover
from auroral.ecs.fleet import of_contract
from auroral.ecs.health.verdict import Verdict
from auroral.errors import ExitCode
from auroral.report.cluster_status import StatusDocument
from tests.infra.emulated import PROJECT, Deployed
from tests.infra.operated import CPU_UNITS, MEMORY_MIB, PLANNED, SERVICES, Ended, Site, operating
from tests.support.fake_docker import fake_docker
from tests.support.image_checkout import COLLECTOR, UI, make_checkout, make_repositories
from tests.support.moto_server import ACCOUNT, REGION
from tests.support.sample_results import MAKERS

pytestmark = [pytest.mark.whole, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The platform with its outputs; in the end no task and no instance is left to whoever comes next."""
    with operating(deployed, tmp_path_factory.mktemp("operated")) as one:
        yield one
        one.stop()
        one.leave()


@pytest.fixture
def stopped(site: Site) -> Site:
    """Without tasks."""
    site.stop()
    return site


@pytest.fixture
def running(site: Site) -> Site:
    """With the planned tasks."""
    site.start()
    return site


def document(ended: Ended) -> StatusDocument:
    return msgspec.json.decode(ended.out, type=StatusDocument)


def test_status_of_what_was_just_applied(stopped: Site) -> None:
    ended = stopped.cluster("status", "--json")
    assert ended.code == ExitCode.OK, ended.err
    found, contract = document(ended), stopped.contract
    assert (found.cluster, found.project, found.region) == (PROJECT, PROJECT, REGION)
    assert found.verdict is Verdict.NOT_STARTED
    assert {one.service: one.planned for one in found.services} == {
        key: one["planned_count"] for key, one in contract["services"].items()
    }
    for one in found.services:
        assert (one.name, one.status, one.desired, one.running) == (f"{PROJECT}-{one.service}", "ACTIVE", 0, 0)
        assert one.revision == one.newest_revision
        assert contract["services"][one.service]["task_definition_arn"].endswith(f":{one.revision}")
    assert {one.pool: (one.group, one.minimum, one.maximum) for one in found.pools} == {
        key: (one["asg"], one["min"], one["max"]) for key, one in contract["capacity"].items()
    }
    assert (found.dsql.cluster, found.dsql.limit) == (contract["dsql"]["identifier"], 10_000)
    assert found.opensearch.described is not None, "the applied domain is asked by its name"
    assert found.alarms == [], "every alarm of the stack is quiet"
    assert "cannot be reached" in found.unknown["membership"], "nobody is at DSQL's port"


def test_status_says_what_begins(stopped: Site) -> None:
    ended = stopped.cluster("status", "--no-stores")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.out.splitlines()[0].endswith(": not started")
    assert f"→ auroral cluster up --outputs {stopped.outputs}" in ended.out


def test_the_stack_itself_says_the_same_as_its_outputs(stopped: Site) -> None:
    """Terraform is asked; it is not told where AWS is."""
    by_file = stopped.cluster("status", "--json", "--no-stores")
    by_stack = stopped.run("cluster", "status", "--stack", str(stopped.deployed.directory), "--json", "--no-stores")
    assert by_stack.code == ExitCode.OK, by_stack.err
    one, other = document(by_stack), document(by_file)
    assert one.source == f"the stack in {stopped.deployed.directory}"
    assert (one.services, one.pools, one.dsql) == (other.services, other.pools, other.dsql)


NOT_NAMED = {
    "source",
    "named.account_id",
    "named.domain",  # moto's domains have no endpoint in a VPC, whose name says it
    "pools.benchmark.instance_type",  # no instance is there that would say it
    "services.benchmark-worker.planned",
    "services.benchmark-worker.maximum",
}
"""What names alone do not say of a running cluster without a benchmark."""


def test_names_find_the_fleet_of_the_contract(running: Site) -> None:
    contract = load_outputs(running.outputs).contract
    assert contract is not None
    known = _leaves(msgspec.to_builtins(msgspec.structs.replace(of_contract(contract), contract=None)))
    found = _leaves(msgspec.to_builtins(discover(aws_account.AwsAccount(region=REGION), PROJECT, PROJECT)))
    assert {name for name in known | found if known.get(name) != found.get(name)} == NOT_NAMED
    by_name = running.run("cluster", "status", "--cluster", PROJECT, "--region", REGION, "--json", "--no-stores")
    assert {one.service: one.planned for one in document(by_name).services} == {**PLANNED, "benchmark-worker": 0}


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_leaves(one, f"{name}.{key}".lstrip(".")) for key, one in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def test_up_and_down_over_http(stopped: Site) -> None:
    up = stopped.cluster("up", "--skip-preflight")
    assert up.code == ExitCode.OK, up.err
    assert up.out == "up: done: frontend, history, matching, worker, ui, grafana, collector\n"
    assert stopped.running() == PLANNED
    assert stopped.mark() == "", "the operation is over"
    status = document(stopped.cluster("status", "--json", "--no-stores"))
    assert status.verdict is Verdict.HEALTHY, status.findings
    assert {one.service: one.running for one in status.services if one.running} == PLANNED
    again = stopped.cluster("up", "--skip-preflight")
    assert again.out == "up: nothing to do: all is as wanted\n"
    unconfirmed = stopped.cluster("down")
    assert unconfirmed.code == ExitCode.USAGE
    assert "14 tasks of the cluster demo would be stopped, and nobody is here to confirm it" in unconfirmed.err
    assert stopped.running() == PLANNED
    down = stopped.cluster("down", "--yes")
    assert (down.code, down.out) == (0, "down: done: collector, grafana, ui, worker, matching, history, frontend\n")
    assert stopped.running() == {}


def test_up_cannot_look_for_the_schema_where_moto_runs_no_task(stopped: Site) -> None:
    before = stopped.services()
    ended = stopped.cluster("up")
    assert ended.code == ExitCode.UNREACHABLE
    assert "looking for schema and roles\nruns as the task schema of the cluster" in ended.err
    assert "whether the services can start is not known" in ended.err
    assert "--skip-preflight" in ended.err
    assert stopped.services() == before


def test_up_by_names_asks_for_what_names_do_not_say(stopped: Site) -> None:
    ended = stopped.run("cluster", "up", "--cluster", PROJECT, "--region", REGION)
    assert ended.code == ExitCode.USAGE
    told = "names alone do not say how many tasks history, matching, worker, ui, grafana, collector should have"
    assert told in ended.err, "the frontend's autoscaling says its least"
    assert "--count history=N" in ended.err


def test_scale_is_refused_by_the_budget_of_the_deployment(running: Site) -> None:
    ended = running.cluster("scale", "history=7")
    assert ended.code == ExitCode.FAILED
    assert "7 × 8.1 history" in ended.err
    assert running.running() == PLANNED


def test_scale_is_refused_where_the_groups_instances_have_no_room(running: Site) -> None:
    instances = running.join()
    pools = {one.pool: one for one in document(running.cluster("status", "--json", "--no-stores")).pools}
    main = pools["main"]
    assert (main.joined, main.in_service) == (instances, instances)
    assert (main.cpu, main.memory_mib) == (instances * CPU_UNITS, instances * MEMORY_MIB)
    ended = running.cluster("scale", "ui=500")
    assert ended.code == ExitCode.FAILED
    assert f"of ui find no room: each needs 256 CPU units, 512 MiB, 1 network interface; {instances} instances" in (
        ended.err
    )
    assert running.running() == PLANNED
    fits = running.cluster("scale", "ui=3")
    assert fits.code == ExitCode.OK, fits.err
    assert running.running() == {**PLANNED, "ui": 3}
    back = running.cluster("scale", "ui=1", "--yes")
    assert back.code == ExitCode.OK, back.err
    assert running.running() == PLANNED


@pytest.mark.parametrize(
    "words",
    [
        ("cluster", "up", "--count", "history=3"),
        ("cluster", "down"),
        ("cluster", "scale", "ui=2"),
        ("cluster", "roll", "--force"),
        ("cluster", "status", "--no-stores"),
        ("bench", "remote", "workers", "2"),
        ("secrets", "grafana"),
    ],
    ids=" ".join,
)
def test_a_dry_run_changes_nothing(running: Site, words: tuple[str, ...]) -> None:
    before = running.everything()
    ended = running.run(*words, "--outputs", str(running.outputs), "--dry-run")
    assert ended.code == ExitCode.OK, ended.err
    assert running.everything() == before
    changes = [line for line in ended.out.splitlines() if line.startswith("aws ")]
    assert all(f"--region {REGION}" in line for line in changes)
    assert bool(changes) == ("status" not in words)


def test_logs_of_services_are_merged(site: Site) -> None:
    logs = site.client("logs")
    base_ms = int(time.time() * 1000) - 60_000
    for key, offset_ms, text in (("history", 0, "first"), ("matching", 10, "second"), ("history", 20, "third")):
        group, stream = site.contract["services"][key]["log_group"], f"{key}/{key}/{key[0] * 32}"
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": base_ms + offset_ms, "message": text}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    ended = site.cluster("logs", "history", "matching")
    assert ended.code == ExitCode.OK, ended.err
    lines = [line.split("Z ", 1)[1] for line in ended.out.splitlines()]
    assert lines == ["history/hhhhhhhh first", "matching/mmmmmmmm second", "history/hhhhhhhh third"]
    every = site.cluster("logs", "--json", "--filter", "second")
    assert [json.loads(line)["service"] for line in every.out.splitlines()] == ["matching"]


@contextlib.contextmanager
def plain_http_allowed(site: Site, bucket: str) -> Iterator[None]:
    """Lift the bucket's policy, which admits TLS alone: moto has none. What was stored goes."""
    storage = site.client("s3")
    policy = storage.get_bucket_policy(Bucket=bucket)["Policy"]
    storage.delete_bucket_policy(Bucket=bucket)
    try:
        yield
    finally:
        for one in storage.list_object_versions(Bucket=bucket).get("Versions", []):
            storage.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        storage.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_results_lie_in_the_bucket_of_the_deployment(site: Site, tmp_path: Path) -> None:
    contract = load_outputs(site.outputs).contract
    assert contract is not None
    made: Result = MAKERS["pass"]()
    made = msgspec.structs.replace(made, manifest=msgspec.structs.replace(made.manifest, run_id="r1"))
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/result.json").write_bytes(encode(made))
    account, place = aws_account.AwsAccount(region=REGION), place_of(contract)
    with pytest.raises(AwsError, match="s3:PutObject failed: 403"):
        deliver(account, place, "r1", tmp_path / "sent")
    with plain_http_allowed(site, place.bucket):
        deliver(account, place, "r1", tmp_path / "sent")
        listed = site.run("bench", "remote", "results", "--outputs", str(site.outputs), "--json")
        assert listed.code == ExitCode.OK, listed.err
        found = json.loads(listed.out)
        assert found["place"] == f"s3://{PROJECT}-benchmark-{ACCOUNT}-{REGION}/runs/"
        assert [one["run_id"] for one in found["runs"]] == ["r1"]
        there = tmp_path / "fetched"
        command = ("bench", "remote", "results", "r1", "--output", str(there))
        fetched = site.run(*command, "--outputs", str(site.outputs))
        assert fetched.code == ExitCode.OK, fetched.err
        assert (there / "result.json").read_bytes() == (tmp_path / "sent/result.json").read_bytes()


DIGEST = r"123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/demo/(\w+)@sha256:[0-9a-f]{64}"


def test_pushed_images_a_secret_and_a_changed_variable_come_by_plan_apply_and_roll(
    running: Site, tmp_path: Path
) -> None:
    """The files that two commands write are read by Terraform; a second apply registers, and a roll deploys."""
    directory, old = running.deployed.directory, running.contract
    _push_images(running, tmp_path, directory / "pushed.tfvars")
    secret = running.run(
        "secrets", "grafana", "--project", PROJECT, "--region", REGION, "--tfvars", str(directory / "secret.tfvars")
    )
    assert secret.code == ExitCode.OK, secret.err
    (directory / "verbose.tfvars").write_text('server_environment = { LOG_LEVEL = "debug" }\n')
    before = running.services()
    running.deployed.without_refresh()
    code, out, err = running.deployed.auroral("apply", "--yes")
    assert code == ExitCode.OK, f"{out}\n{err}"
    assert {key: one["taskDefinition"] for key, one in running.services().items()} == {
        key: one["taskDefinition"] for key, one in before.items()
    }, "an apply registers; it deploys nothing"
    assert running.running() == PLANNED

    stale = running.cluster("roll")
    assert stale.code == ExitCode.USAGE
    assert "does not name what the last apply registered" in stale.err
    running.write_outputs()
    new = running.contract
    assert new["grafana_secret_arn"] == secret.out.strip() != old["grafana_secret_arn"]
    assert all(re.fullmatch(DIGEST, one) for one in new["images"].values())
    assert not set(new["images"].values()) & set(old["images"].values())
    pending = document(running.cluster("status", "--json", "--no-stores"))
    assert any("roll pending" in one.text for one in pending.findings)

    rolled = running.cluster("roll", "history")
    assert rolled.code == ExitCode.OK, rolled.err
    assert {
        key for key, one in running.services().items() if one["taskDefinition"] != before[key]["taskDefinition"]
    } == {"history"}
    rest = running.cluster("roll")
    assert rest.code == ExitCode.OK, rest.err
    assert {key: one["taskDefinition"] for key, one in running.services().items()} == {
        key: new["services"][key]["task_definition_arn"] for key in SERVICES
    }
    assert running.running() == PLANNED
    ecs = running.client("ecs")
    registered = ecs.describe_task_definition(taskDefinition=running.services()["history"]["taskDefinition"])
    container = registered["taskDefinition"]["containerDefinitions"][0]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["environment"]
    assert container["image"] == new["images"]["server"]
    nothing = running.cluster("roll")
    assert (nothing.code, nothing.out.split(":")[1]) == (0, " nothing to deploy")

    checks = _doctor(running)
    assert (checks["repositories"], checks["state bucket"]) == ("ok", "missing")


def _push_images(site: Site, folder: Path, tfvars: Path) -> None:
    make_repositories(site.deployed.moto, PROJECT)
    docker = fake_docker(folder / "docker")
    for published in (UI, COLLECTOR):
        docker.publish(published, ["linux/amd64", "linux/arm64"])
    with contextlib.chdir(make_checkout(folder / "checkout")):
        command = ("images", "push", "--project", PROJECT, "--region", REGION, "--tfvars", str(tfvars))
        ended = site.run(*command, **docker.environ)
    assert ended.code == ExitCode.OK, ended.err


def _doctor(site: Site) -> dict[str, str]:
    groups = [part for one in ("credentials", "region", "account", "bootstrap") for part in ("--only", one)]
    ended = site.run("doctor", "--outputs", str(site.outputs), "--json", *groups)
    assert ended.code == ExitCode.FAILED, "stacks/bootstrap is not applied here"
    return {one["name"]: one["state"] for one in json.loads(ended.out)["checks"]}


def test_the_doctor_looks_at_the_deployment(site: Site) -> None:
    checks = _doctor(site)
    assert checks["credentials"] == checks["region"] == checks["Aurora DSQL"] == "ok"
    assert checks["state bucket"] == checks["service-linked roles"] == "missing"


@pytest.mark.parametrize(
    "words",
    [
        ("cluster", "status"),
        ("cluster", "up"),
        ("cluster", "logs"),
        ("bench", "remote", "results"),
        ("bench", "remote", "workers", "2"),
        ("secrets", "grafana"),
    ],
    ids=" ".join,
)
def test_where_aws_does_not_answer_one_error_says_so(
    site: Site, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(aws_account, "ATTEMPTS", 1)  # botocore's back-off takes seconds
    monkeypatch.setattr(aws_account, "AwsAccount", AwsAccount)
    ended = site.run(*words, "--outputs", str(site.outputs), AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert ended.code == ExitCode.UNREACHABLE, ended.out + ended.err
    (line,) = [one for one in ended.err.splitlines() if one.startswith("error: ")]
    assert re.match(r"error: (ecs|s3|logs|secretsmanager):\w+ failed: EndpointConnectionError: ", line)
    assert "\n  hint: " in ended.err
    assert ended.out == ""
