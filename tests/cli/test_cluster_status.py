"""`auroral cluster status` as a user runs it, over HTTP against moto."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, Kind
from auroral.cli.cluster_status import _target, fitted, watched
from auroral.cli.deployed import Operated
from auroral.cli.process import Process
from auroral.ecs.fleet import Named
from auroral.ecs.health.judgement import judge
from auroral.errors import ExitCode, TargetError
from auroral.report.cluster_status import StatusDocument, document
from tests.cli.conftest import Cli, Ended, Terminal
from tests.support.contract_file import CONTRACT
from tests.support.moto_server import ACCOUNT, Moto, moto_server
from tests.support.observed import deployed, look

KEYS = ("frontend", "history", "matching", "worker", "ui", "grafana", "collector", "benchmark-worker")
ENVIRONMENT = [
    {"name": "DSQL_ENDPOINT", "value": "abcdefghijklmnopqrstuvwxyz.dsql-abcd.us-east-1.on.aws"},
    {"name": "TEMPORAL_SQL_MAX_CONNS", "value": "40"},
]


def _fill(moto: Moto, cluster: str, *, wanted: int) -> None:
    ecs = moto.client("ecs")
    ecs.create_cluster(clusterName=cluster)
    for key in KEYS:
        ecs.create_service(
            cluster=cluster,
            serviceName=f"dev-{key}",
            taskDefinition=f"dev-{key}",
            desiredCount=0 if key == "benchmark-worker" else wanted,
        )


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        ecs = running.client("ecs")
        for key in KEYS:
            server = key in KEYS[:4]
            container = {
                "name": key,
                "image": f"registry/{'server' if server else key}:7",
                "memory": 512,
                "environment": ENVIRONMENT if server else [],
            }
            ecs.register_task_definition(family=f"dev-{key}", containerDefinitions=[container])
        for cluster, wanted in (("dev", 2), ("idle", 0), ("alarmed", 1)):
            _fill(running, cluster, wanted=wanted)
        _instance(running)
        yield running


def _instance(moto: Moto) -> None:
    ec2 = moto.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    (found,) = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"]
    identity = {"accountId": ACCOUNT, "region": "us-east-1", "instanceId": found["InstanceId"], "imageId": "x"}
    moto.client("ecs").register_container_instance(cluster="dev", instanceIdentityDocument=json.dumps(identity))


@pytest.fixture
def status(cli: Cli, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """`status("--cluster", "dev")`, with nobody at DSQL's port."""
    environ = {**moto.environ, "DSQL_HOST_ADDRESS": "127.0.0.1", "DSQL_PORT": "9"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str, **more: str) -> Ended:
        return cli("cluster", "status", *arguments, environ={**environ, **more})

    return call


def _parsed(ended: Ended) -> StatusDocument:
    return msgspec.json.decode(ended.out, type=StatusDocument)


@pytest.mark.whole
def test_a_deployment_by_its_names(status: Callable[..., Ended]) -> None:
    ended = status("--cluster", "dev", "--no-stores")
    assert ended.code == ExitCode.OK, ended.err + ended.out
    assert ended.out.startswith("dev in us-east-1, ")
    assert ": healthy\n" in ended.out
    assert "server:7" in ended.out
    assert "\x1b" not in ended.out


def test_as_json_by_its_outputs(status: Callable[..., Ended], tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(CONTRACT.read_text())
    ended = status("--outputs", str(outputs), "--json", "--no-stores")
    found = _parsed(ended)
    assert (found.cluster, found.project, found.source) == ("dev", "dev", str(outputs))
    assert {one.service: one.desired for one in found.services}["history"] == 2
    assert found.unknown["stores"].startswith("not asked for")


def test_stores_that_are_not_there_are_told_and_no_fault(status: Callable[..., Ended]) -> None:
    ended = status("--cluster", "dev", "--json")
    found = _parsed(ended)
    assert ended.code == ExitCode.OK
    assert "--where cluster reads them by a task" in found.unknown["membership"]
    assert "127.0.0.1" in found.unknown["membership"]
    assert found.unknown["connections"] == "CloudWatch has no count of the last 15 minutes"
    assert (found.ring, found.dsql.cluster) == (None, "abcdefghijklmnopqrstuvwxyz")


def test_what_is_at_0_is_not_started(status: Callable[..., Ended]) -> None:
    ended = status("--cluster", "idle", "--project", "dev", "--no-stores")
    assert ended.code == ExitCode.OK
    assert ": not started\n" in ended.out
    assert "→ auroral cluster up --cluster idle --project dev" in ended.out


def test_what_is_unhealthy_ends_with_1_and_is_named(status: Callable[..., Ended], moto: Moto) -> None:
    moto.client("ecs").update_service(cluster="alarmed", service="dev-matching", desiredCount=0)
    ended = status("--cluster", "alarmed", "--project", "dev", "--no-stores")
    assert ended.code == ExitCode.FAILED
    assert "unhealthy  matching: at 0, while other services run" in ended.out
    assert "→ auroral cluster up --cluster alarmed --project dev" in ended.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--cluster", "dve"), "there is no cluster dve in us-east-1: expected one of alarmed, dev, idle"),
        (
            ("--cluster", "dev", "--project", "prod"),
            "expected --project with the prefix of one of dev-benchmark-worker",
        ),
        ((), "expected one of --outputs, --stack and --cluster, found none"),
        (("--cluster", "dev", "--watch", "1"), "--watch 1: expected 2 s or more"),
        (("--cluster", "dev", "--watch", "soon"), "--watch: expected a duration"),
        (("--cluster", "dev", "--watch", "--where", "cluster"), "would start a task at every look"),
        (("--cluster", "dev", "--where", "cluster"), "runs a task that only a deployment's outputs name"),
        (("--cluster", "dev", "--where", "cluster", "--no-stores"), "--no-stores reads no store"),
        (("--cluster", "dev", "--where", "there"), "Invalid value for '--where'"),
    ],
)
def test_wrong_usage(status: Callable[..., Ended], arguments: tuple[str, ...], says: str) -> None:
    ended = status(*arguments)
    assert ended.code == ExitCode.USAGE
    assert says in ended.err
    assert "hint" in ended.err


def test_a_dry_run_starts_no_task(status: Callable[..., Ended], tmp_path: Path, moto: Moto) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(CONTRACT.read_text())
    ecs = moto.client("ecs")
    container = {"name": "operator", "image": "registry/operator:7", "memory": 512}
    ecs.register_task_definition(family="dev-operator", containerDefinitions=[container])
    before = ecs.list_tasks(cluster="dev")["taskArns"]
    ended = status("--outputs", str(outputs), "--where", "cluster", "--dry-run")
    assert ended.code == ExitCode.OK, ended.err
    assert "ecs run-task" in ended.out
    assert "no task was started (--dry-run)" in ended.out
    assert ecs.list_tasks(cluster="dev")["taskArns"] == before


@pytest.fixture
def expired() -> Iterator[str]:
    """An AWS that says of every token that it is over."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            said = (
                b'{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}'
            )
            self.send_response(400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_token_that_is_over_ends_with_3(
    status: Callable[..., Ended], expired: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", expired)
    outputs = tmp_path / "outputs.json"
    outputs.write_text(CONTRACT.read_text())
    for more in ((), ("--watch",)):
        ended = status("--outputs", str(outputs), "--no-stores", *more, AWS_ENDPOINT_URL=expired)
        assert ended.code == ExitCode.UNREACHABLE
        assert "ecs:DescribeClusters failed: ExpiredTokenException" in ended.err
        assert "renew the credentials" in ended.err


def _process(**streams: Any) -> Process:
    stdout = streams.get("stdout") or io.StringIO()
    return Process([], streams.get("environ", {"TERM": "xterm"}), stdout, io.StringIO())


def _well() -> StatusDocument:
    aws = deployed()
    seen = look(aws)
    return document(aws.fleet, seen, judge(aws.fleet, seen))


class Looks:
    """Documents and failures, one for each look; then Ctrl-C."""

    def __init__(self, *what: StatusDocument | Exception) -> None:
        self._what = list(what)
        self.slept: list[float] = []

    def __call__(self) -> StatusDocument:
        one = self._what.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self._what:
            raise KeyboardInterrupt


def _throttled(kind: Kind = Kind.THROTTLED) -> AwsError:
    return AwsError(Failure(kind=kind, code="x", words="Rate exceeded", call="ecs:DescribeServices"))


def test_watching_goes_on_over_failures_that_pass() -> None:
    process, looks = _process(environ={}), Looks(_well(), _throttled(), _throttled(Kind.UNREACHABLE), _well())
    assert watched(process, looks, interval_s=7, as_json=False, sleep=looks.sleep) is ExitCode.OK
    assert looks.slept == [7] * 4
    assert process.stdout.getvalue().count(": healthy") == 2  # type: ignore[attr-defined]
    assert f"\n{'-' * 100}\n" in process.stdout.getvalue()  # type: ignore[attr-defined]
    assert process.stderr.getvalue().count("not seen this time") == 2  # type: ignore[attr-defined]


def test_watching_ends_at_what_does_not_pass() -> None:
    with pytest.raises(AwsError):
        watched(_process(), Looks(_throttled(Kind.EXPIRED)), interval_s=7, as_json=False)
    with pytest.raises(TargetError):
        watched(_process(), Looks(TargetError("there is no cluster dev")), interval_s=7, as_json=False)


def test_watching_as_json_is_a_line_for_each_look() -> None:
    process, looks = _process(), Looks(_well(), _well())
    watched(process, looks, interval_s=7, as_json=True, sleep=looks.sleep)
    lines = process.stdout.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["verdict"] for line in lines] == ["healthy", "healthy"]


def test_in_a_terminal_it_is_drawn_in_place() -> None:
    process, looks = _process(stdout=Terminal()), Looks(_well(), _well())
    watched(process, looks, interval_s=7, as_json=False, sleep=looks.sleep)
    drawn = process.stdout.getvalue()  # type: ignore[attr-defined]
    assert drawn.count("\x1b[H") == 2
    assert "-" * 100 not in drawn
    assert "\x1b[32mhealthy\x1b[0m" in drawn


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_terminals_without_colour(environ: dict[str, str]) -> None:
    process, looks = _process(stdout=Terminal(), environ=environ), Looks(_well())
    watched(process, looks, interval_s=7, as_json=False, sleep=looks.sleep)
    assert "\x1b[3" not in process.stdout.getvalue()  # type: ignore[attr-defined]


def test_a_screen_that_is_taller_than_its_terminal() -> None:
    lines = [f"{n}" for n in range(50)]
    assert fitted(lines, os.terminal_size((80, 60))) == lines
    cut = fitted(lines, os.terminal_size((80, 24)))
    assert len(cut) == 23
    assert cut[-1] == "… and 28 more lines: a taller window shows them"
    wide = ["\x1b[31m" + "x" * 100 + "\x1b[0m", "y", "z"]
    assert fitted(wide, os.terminal_size((50, 5))) == wide
    assert fitted(wide, os.terminal_size((50, 4))) == [wide[0], "… and 2 more lines: a taller window shows them"]


def test_the_database_is_the_deployments_whatever_the_environment_names() -> None:
    aws = deployed(settled=False)
    operated = Operated(fleet=aws.fleet, account=aws, deployment=None, flags=())
    environ = {"DSQL_ENDPOINT": "another.dsql.us-east-1.on.aws", "DSQL_PORT": "6000", "AWS_REGION": "eu-west-1"}
    target = _target(_process(environ=environ), operated)
    assert (target.endpoint, target.port) == (aws.fleet.named.dsql_endpoint, 6000)
    assert (target.region, target.user) == ("us-east-1", "temporal_operator")
    nameless = msgspec.structs.replace(aws.fleet, named=Named())
    with pytest.raises(TargetError, match="names the DSQL endpoint"):
        _target(_process(), Operated(fleet=nameless, account=aws, deployment=None, flags=()))


def test_ctrl_c_ends_a_real_watch_with_0(moto: Moto) -> None:
    command = [sys.executable, "-m", "auroral", "cluster", "status", "--cluster", "dev", "--no-stores", "--watch", "2"]
    with subprocess.Popen(
        command, env={**os.environ, **moto.environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("dev in us-east-1"), first
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
