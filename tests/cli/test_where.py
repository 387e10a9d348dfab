"""`--where here|cluster` as a user types it: tasks are real processes at the double of DSQL."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral import aws_account
from auroral.ecs.one_shot.run import run_in
from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended, Terminal
from tests.dsql.running import Cluster
from tests.ecs.one_shot.test_request import CONTRACT
from tests.support.double import running_double
from tests.support.moto_server import moto_server
from tests.support.real_task import TaskAccount

CLEAN = ("cluster", "clean-membership")
ARN = "arn:aws:iam::123456789012:role"


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    with running_double({"connect_burst": 100_000}) as (announcement, control):
        yield Cluster(announcement, control)


@pytest.fixture
async def cluster(running_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in running_cluster.environ().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    await running_cluster.make_membership()
    yield running_cluster
    running_cluster.clean()


def enters(account: TaskAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands meet this account."""
    monkeypatch.setattr(aws_account, "AwsAccount", lambda **_: account)
    clock = {"sleep": account.sleep, "now_s": account.now}
    monkeypatch.setattr(run_in, "__kwdefaults__", {**(run_in.__kwdefaults__ or {}), **clock})


@pytest.fixture
async def tasks(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> TaskAccount:
    """The account whose tasks enter as the operator's role does, with the environment that the stack gives them."""
    account = TaskAccount(cluster.environ(await cluster.make_operator()))
    enters(account, monkeypatch)
    return account


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> TaskAccount:
    """An account whose tasks print their arguments."""
    account = TaskAccount({}, program=["printf", "@1>%s\\n"])
    enters(account, monkeypatch)
    return account


@pytest.fixture
def there(cli: Cli) -> Any:
    def call(*arguments: str, **environ: str) -> Ended:
        return cli(*arguments, "--where", "cluster", "--outputs", str(CONTRACT), environ=environ)

    return call


def test_connections(there: Any, tasks: TaskAccount) -> None:
    ended = there("dsql", "connections", "--json")
    assert ended.code == ExitCode.OK, ended.err
    assert json.loads(ended.out)["connections"]["seen"] >= 1
    assert tasks.commands == [["dsql", "connections", "--json"]]
    assert ended.err.splitlines()[0] == "auroral dsql connections is task t1 of cluster dev"
    assert "X-Amz" not in ended.out + ended.err


def test_probe(there: Any, tasks: TaskAccount, cluster: Cluster) -> None:
    quick = ("--rate", "20/s", "--duration", "200ms", "--connections", "2", "--writers", "2")
    ended = there("dsql", "probe", *quick)
    assert ended.code == ExitCode.OK, ended.err
    assert "round trip, SELECT 1" in ended.out
    assert "\n\n" in ended.out  # empty lines come through
    assert "dropping auroral_probe.probe_" in ended.err
    assert tasks.commands == [
        ["dsql", "probe", "--connections", "2", "--rate", "20/s", "--duration", "200ms", "--writers", "2"]
    ]
    assert cluster.probe_tables() == []


def test_what_the_task_is_told_beside_its_environment(there: Any, recorded: TaskAccount) -> None:
    flags = ("--user", "auditor", "--region", "us-east-1", "--task-timeout", "5m", "--stop-on-interrupt")
    there("dsql", "connections", "--cloudwatch", *flags, DSQL_ENDPOINT="other.dsql.eu-west-1.on.aws", DSQL_USER="me")
    assert recorded.commands == [["dsql", "connections", "--cloudwatch", "--user", "auditor"]]
    (request,) = recorded.requests
    assert request["taskDefinition"] == "dev-operator"
    assert request["capacityProviderStrategy"] == [{"capacityProvider": "dev-main", "weight": 1}]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dsql", "connections", "--endpoint", "x"), "--endpoint is not for --where cluster"),
        (("dsql", "connections", "--tls-ca-file", "x"), "--tls-ca-file is not for --where cluster"),
        (("dsql", "connections", "--user", "admin"), "the role of the task operator may not enter as admin"),
        (("dsql", "probe", "--rate", "fast"), "--rate: expected a rate"),
        ((*CLEAN, "--older-than", "5s"), "at least 20 s"),
        ((*CLEAN, "--listed", "3"), "--listed: expected ROWS@TIME"),
        (("visibility", "apply", "--no-signing"), "--signing is not for --where cluster"),
        (("visibility", "status", "--ca-file", "x"), "--ca-file is not for --where cluster"),
        (("visibility", "status", "--server-arn", "x"), "expected the ARN of"),
    ],
)
def test_wrong_usage_starts_no_task(there: Any, recorded: TaskAccount, arguments: tuple[str, ...], told: str) -> None:
    ended = there(*arguments)
    assert (ended.code, ended.out, recorded.calls) == (ExitCode.USAGE, "", [])
    assert told in ended.err


def test_without_a_deployment_there_is_no_task(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text('{"dsql_endpoint": "abc.dsql.eu-west-1.on.aws"}')
    for given, told in (
        ((), "expected --outputs or --stack, found neither"),
        (("--outputs", "o.json"), "o.json has no"),
    ):
        for command in (("dsql", "connections"), CLEAN, ("visibility", "status")):
            ended = cli(*command, "--where", "cluster", *given)
            assert ended.code == ExitCode.USAGE
            assert told in ended.err


def test_visibility_gets_the_servers_roles(there: Any, recorded: TaskAccount) -> None:
    ended = there("visibility", "apply", "--shards", "3", "--dry-run", "--index", "v2", "--json")
    arns = [f"{ARN}/dev-{service}-task" for service in ("frontend", "history", "matching", "worker")]
    roles = [part for arn in arns for part in ("--server-arn", arn)]
    assert recorded.commands == [
        ["visibility", "apply", "--json", "--dry-run", "--shards", "3", "--index", "v2", *roles]
    ]
    assert ended.out.splitlines() == recorded.commands[0]
    there("visibility", "status", "--no-roles")
    assert recorded.commands[1] == ["visibility", "status", "--no-roles"]
    assert recorded.requests[0]["taskDefinition"] == "dev-visibility-setup"


def test_schema_runs_as_its_own_task(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    account = TaskAccount({}, program=["printf", "@1>%s\\n"])
    enters(account, monkeypatch)
    ended = there("schema", "status", "--user", "me")
    (command,) = account.commands
    assert (command[0], command[-2:]) == ("status", ["--user", "me"])
    assert command.count("--server-arn") == 4
    assert command.count("--operator-arn") == 1
    assert ended.out.splitlines() == command
    (override,) = account.requests[0]["overrides"]["containerOverrides"]
    assert override["environment"] == [{"name": "AURORAL_OUTPUT", "value": "marked"}]


def test_a_dry_run_prints_the_call(there: Any, recorded: TaskAccount) -> None:
    for command in (("dsql", "probe"), ("dsql", "connections"), CLEAN, ("visibility", "status"), ("schema", "setup")):
        ended = there(*command, "--dry-run")
        assert ended.code == ExitCode.OK
        assert ended.out.startswith("aws --region us-east-1 ecs run-task --cluster dev"), ended.out
    assert recorded.requests == []


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))


@pytest.mark.whole
def test_what_is_confirmed_is_deleted_and_nothing_else(
    there: Any, tasks: TaskAccount, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, *gone = cluster.add_hosts(0, 90, 7_200)
    answer(monkeypatch, "n\n")
    ended = there(*CLEAN)
    assert ended.code == ExitCode.USAGE
    assert ended.err.endswith("error: not confirmed: nothing was deleted\n")
    assert "Delete 2 rows? [y/N]" in ended.err
    assert tasks.commands == [[*CLEAN, "--older-than", "1m", "--list"]]
    assert cluster.hosts() == {live, *gone}

    class Slow(Terminal):
        """Whoever answers takes their time: meanwhile there is a host of this age more."""

        age_s = 59.9

        def readline(self, *_: Any) -> Any:
            later.extend(cluster.add_hosts(self.age_s))
            return "y\n"

    class Late(Slow):
        age_s = 300.0
        """Of a clock that is late: it was not there when the rows were shown."""

    later: list[str] = []
    monkeypatch.setattr(sys, "stdin", Late())
    ended = there(*CLEAN)
    assert ended.code == ExitCode.FAILED
    assert "error: 3 rows could be deleted now, and 2 were confirmed: nothing was deleted" in ended.err
    assert cluster.hosts() == {live, *gone, *later}
    monkeypatch.setattr(sys, "stdin", Slow())
    ended = there(*CLEAN)
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.OK, "3 rows deleted"), ended.err
    here = ended.out.split("\n\n")
    assert here[0] == "4 rows in cluster_membership: 1 of hosts heard of within 60 s, 3 of hosts that were not"
    assert here[1].splitlines()[0].split() == ["role", "address", "last", "heartbeat", "silent", "for", "host", "id"]
    # Silent for more than a minute by the time of the second task, but not when the rows were shown.
    assert cluster.hosts() == {live, later[1]}


def test_the_same_words_as_here(
    cli: Cli, there: Any, tasks: TaskAccount, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add_hosts(0, 90)
    for name, value in tasks.environ.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)

    def shown(ended: Ended) -> str:
        return re.sub(r"\d+ s  ", "", ended.out)

    answer(monkeypatch, "n\n")
    here = cli(*CLEAN, environ=tasks.environ)
    answer(monkeypatch, "n\n")
    assert shown(there(*CLEAN)) == shown(here)
    answer(monkeypatch, "y\n")
    assert there(*CLEAN).out.splitlines()[-1] == "1 row deleted"
    assert there(*CLEAN).out == cli(*CLEAN, environ=tasks.environ).out


@pytest.mark.whole
def test_nobody_is_asked_without_a_terminal(
    there: Any, tasks: TaskAccount, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = cluster.add_hosts(90)
    monkeypatch.setattr(sys, "stdin", None)
    ended = there(*CLEAN)
    assert ended.code == ExitCode.USAGE
    assert "--yes deletes without asking" in ended.err
    assert gone[0] in ended.out
    assert json.loads(there(*CLEAN, "--json").out)["deleted"] is None
    assert cluster.hosts() == set(gone)
    assert json.loads(there(*CLEAN, "--json", "--yes").out)["deleted"] == 1
    assert cluster.hosts() == set()


def test_more_rows_than_were_confirmed(cli: Cli, tasks: TaskAccount, cluster: Cluster, monkeypatch: Any) -> None:
    """What the second task does where a host with a late clock came meanwhile."""
    gone = cluster.add_hosts(90, 100)
    for name, value in tasks.environ.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    at = json.loads(cli(*CLEAN, "--list", environ=tasks.environ).out)["read_at"]
    ended = cli(*CLEAN, "--listed", f"1@{at}", environ=tasks.environ)
    assert ended.code == ExitCode.FAILED
    assert "2 rows could be deleted now, and 1 were confirmed: nothing was deleted" in ended.err
    assert cluster.hosts() == set(gone)
    ended = cli(*CLEAN, "--listed", f"3@{at}", environ=tasks.environ)
    assert ended.out == "2 rows deleted; 1 not: heard of since, or deleted by Temporal itself\n"


def test_a_list_that_is_cut_off_deletes_nothing(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enters(account := TaskAccount({}, program=["printf", "@1>{\\n@.0\\n%.0s"]), monkeypatch)
    ended = there(*CLEAN)
    assert ended.code == ExitCode.UNREACHABLE
    assert "the task's list of rows cannot be read" in ended.err
    assert len(account.requests) == 1


def test_a_dry_run_here_deletes_nothing(cli: Cli, tasks: TaskAccount, cluster: Cluster, monkeypatch: Any) -> None:
    gone = cluster.add_hosts(90)
    for name, value in tasks.environ.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    ended = cli(*CLEAN, "--dry-run", "--yes", environ=tasks.environ)
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.OK, "nothing was deleted")
    assert cluster.hosts() == set(gone)


def outputs(tmp_path: Path, **changed: Any) -> str:
    """The contract with other endpoints."""
    document = json.loads(CONTRACT.read_text())
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps({"contract": document, **changed}))
    return str(path)


def test_here_when_it_can(cli: Cli, tasks: TaskAccount, cluster: Cluster, tmp_path: Path, monkeypatch: Any) -> None:
    """Looked at: the double's address answers, and there are credentials; then its credentials are gone."""
    one = cluster.announcement
    file = outputs(tmp_path, dsql_endpoint=one.endpoint, dsql_host_address=one.host, region=one.region)
    flags = ("--outputs", file, "--port", str(one.port), "--tls-ca-file", one.ca_file, "--user", "admin")
    ended = cli("dsql", "connections", *flags)
    assert ended.code == ExitCode.OK, ended.err
    assert ended.err.startswith(
        f"runs here: {one.host}:{one.port} answers; --where cluster chooses the task operator\n"
    )
    assert tasks.requests == []
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ended = cli("dsql", "connections", "--outputs", file, environ={"DSQL_PORT": str(one.port)})
    assert ended.err.startswith("runs as the task operator of the cluster: no AWS credentials\n")
    assert ended.code == ExitCode.OK, ended.err


def test_the_cluster_where_nothing_answers_here(cli: Cli, tasks: TaskAccount, tmp_path: Path) -> None:
    file = outputs(tmp_path, dsql_endpoint="abc.dsql.us-east-1.on.aws", dsql_host_address="nothing.invalid")
    ended = cli("dsql", "connections", "--outputs", file)
    assert ended.code == ExitCode.OK, ended.err
    assert ended.err.startswith("runs as the task operator of the cluster: nothing.invalid does not resolve here\n")
    assert len(tasks.requests) == 1


def test_a_target_of_ones_own_is_reached_here(cli: Cli, recorded: TaskAccount) -> None:
    for environ, flag, name in (
        ({}, ("--endpoint", "a.dsql.us-east-1.on.aws"), "--endpoint"),
        ({"DSQL_ENDPOINT": "a.dsql.us-east-1.on.aws"}, (), "DSQL_ENDPOINT"),
    ):
        flags = (*flag, "--host-address", "127.0.0.1", "--port", "1", "--outputs", str(CONTRACT))
        ended = cli("dsql", "connections", *flags, environ=environ)
        assert ended.err.startswith(f"runs here: {name} names the target, not the deployment's outputs\n")
        assert ended.code != ExitCode.OK
    assert recorded.calls == []


def test_visibility_looks_at_its_domain(cli: Cli, recorded: TaskAccount, tmp_path: Path) -> None:
    file = outputs(tmp_path, opensearch_endpoint="https://nothing.invalid")
    ended = cli("visibility", "status", "--region", "us-east-1", "--outputs", file)
    assert ended.err.startswith("runs as the task visibility of the cluster: nothing.invalid does not resolve here\n")
    assert recorded.commands[0][:2] == ["visibility", "status"]
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:  # answers 501
        port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        file = outputs(tmp_path, opensearch_endpoint=f"http://127.0.0.1:{port}")
        ended = cli("visibility", "status", "--no-signing", "--outputs", file)
        server.shutdown()
        serving.join()
    assert ended.err.startswith(f"runs here: 127.0.0.1:{port} answers")
    assert ended.code == ExitCode.UNREACHABLE


def test_schema_looks_before_it_chooses(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = TaskAccount({}, program=["printf", "%s\\n"])
    enters(account, monkeypatch)
    file = outputs(tmp_path, dsql_host_address="nothing.invalid")
    ended = cli("schema", "setup", "--outputs", file)
    assert ended.err.startswith("runs as the task schema of the cluster: nothing.invalid does not resolve here\n")
    assert account.commands == [["setup"]]


def test_the_help_names_the_choice(cli: Cli) -> None:
    for command in (("schema", "setup"), ("visibility", "apply"), ("dsql", "probe"), ("dsql", "connections"), CLEAN):
        ended = cli(*command, "--help")
        assert "--where [here|cluster]" in ended.out
        assert "--listed" not in ended.out
        assert ended.out.count("--dry-run") == 1


@pytest.mark.whole
@pytest.mark.timeout(120)
def test_ctrl_c_at_moto(tmp_path: Path) -> None:
    """A real process at moto's server: the task goes on, and the line that stops it works."""
    with moto_server(tmp_path / "log") as moto:
        ecs, ec2 = moto.client("ecs"), moto.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="operator", Description="x", VpcId=vpc)["GroupId"]
        ecs.create_cluster(clusterName="dev")
        container = {"name": "operator", "image": "benchmark:1", "cpu": 256, "memory": 512}
        ecs.register_task_definition(family="dev-operator", networkMode="awsvpc", containerDefinitions=[container])
        document = json.loads(CONTRACT.read_text())
        # moto places a task without an instance on Fargate only.
        placed = {"subnet_ids": [subnet], "group_ids": [group], "capacity_provider": "FARGATE"}
        document["tasks"]["operator"] |= placed
        file = tmp_path / "outputs.json"
        file.write_text(json.dumps(document))
        command = [sys.executable, "-m", "auroral", "dsql", "connections", "--where", "cluster", "--outputs", str(file)]
        environ = {**os.environ, **moto.environ}
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            told = [process.stderr.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (ExitCode.INTERRUPTED, ""), err
        assert told[0].startswith("auroral dsql connections is task ")
        assert "goes on. Stop it: aws --region us-east-1 ecs stop-task --cluster dev --task arn:aws:ecs" in err
        assert err.endswith("interrupted\n")
        (arn,) = ecs.list_tasks(cluster="dev")["taskArns"]
        (task,) = ecs.describe_tasks(cluster="dev", tasks=[arn])["tasks"]
        assert task["overrides"]["containerOverrides"] == [
            {
                "name": "operator",
                "command": ["dsql", "connections"],
                "environment": [{"name": "AURORAL_OUTPUT", "value": "marked"}],
            }
        ]


def test_only_what_differs_from_its_default_is_forwarded(cli: Cli, recorded: TaskAccount, there: Any) -> None:
    there("dsql", "probe", "--writers", "0", "--connections", "5")
    assert recorded.commands == [["dsql", "probe", "--writers", "0"]]
