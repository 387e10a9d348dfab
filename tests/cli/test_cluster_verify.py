"""`auroral cluster verify`: a deployment that works, and each of its parts broken."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.cli.cluster_verify import CHECKS
from auroral.ecs.one_shot import run as run_task
from auroral.ecs.verify.checks import CLAIMS, Check
from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended
from tests.support.contract_file import CONTRACT
from tests.support.fake_ecs import Behaviour, door
from tests.support.moto_server import moto_server
from tests.support.processes import nothing_left
from tests.support.verified import HTML, JSON, SAYS, VERSION, Deployment, deployment

OTHERS = [one for one in Check if one is not Check.BENCHMARK]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr(door, "check_answer", lambda *_: None)
    monkeypatch.setattr(door, "apart", lambda value: value)
    with nothing_left(), deployment(tmp_path) as found:
        monkeypatch.setattr("auroral.aws_account.AwsAccount", lambda **_: found.aws)
        timed = functools.partial(run_task.run_in, sleep=found.clock.sleep, now_s=found.clock.now_s)
        monkeypatch.setattr(run_task, "run_in", timed)
        yield found


def told(made: Deployment) -> dict[str, Any]:
    """The document's checks, by name."""
    return {one["check"]: one for one in json.loads(made.printed)["checks"]}


def test_a_deployment_that_works(made: Deployment) -> None:
    assert made.verify() == ExitCode.OK, made.said + made.printed
    assert made.printed.splitlines()[-1].startswith("PASSED: 11 of 11 checks in ")
    assert [line.split()[1].rstrip(":") for line in made.printed.splitlines() if line.startswith("  passed")] == [
        *CHECKS
    ]
    assert f"auroral-server {VERSION}, Temporal 1.31.2, healthy, as its image is tagged" in " ".join(
        made.printed.split()
    )
    assert made.sessions == [("frontend", 0), ("ui", 8080), ("grafana", 3000), ("frontend", 7243)]
    assert "scales workers from zero and back" in made.said
    assert made.bench.desired == 0
    assert made.bench.mark == ""
    assert (made.directory / "run/result.json").exists()


def test_it_changes_nothing_but_for_the_benchmark(made: Deployment) -> None:
    assert made.verify(no_benchmark=True) == ExitCode.OK, made.said
    assert {one.operation for one in made.aws.changes()} == {
        "run_task", "execute_command", "start_session", "terminate_session"
    }  # fmt: skip
    assert "left out   benchmark" in made.printed
    assert "scales workers" not in made.said


def test_as_json(made: Deployment) -> None:
    assert made.verify(json=True, no_benchmark=True) == ExitCode.OK, made.said
    found = json.loads(made.printed)
    assert (found["schema"], found["verdict"], found["cluster"]) == ("auroral.cluster-verify/1", "passed", "dev")
    assert found["left_out"] == ["benchmark"]
    assert [one["check"] for one in found["checks"]] == OTHERS
    assert all(one["state"] == "passed" and one["claim"] == CLAIMS[one["check"]] for one in found["checks"])
    assert "secret-" not in made.printed + made.said


# Each check fails when its subject is broken


def _crash(made: Deployment) -> None:
    made.aws.behaviour("history", Behaviour(crash_after_s=5))
    for task in made.aws.service("history").tasks:
        task.stop("EssentialContainerExited", "gone", made.clock.utc(), made.clock.elapsed_s)


def _page(service: str, path: str, status: int, kind: str, text: str) -> Callable[[Deployment], None]:
    def broken(made: Deployment) -> None:
        made.pages[service][path] = (status, kind, text)

    return broken


def _metric(namespace: str, name: str, value: float) -> Callable[[Deployment], None]:
    return lambda made: made.aws.world.monitoring.set_metric(namespace, name, value)


def _schema(**changed: Any) -> Callable[[Deployment], None]:
    return lambda made: made.schema.update({"ok": False, **changed})


def _visibility(**changed: Any) -> Callable[[Deployment], None]:
    return lambda made: made.visibility.update({"ok": False, **changed})


def _address(set_: str) -> Callable[[Deployment], None]:
    return lambda made: getattr(made.workspace, set_).add(made.addresses("matching")[1])


def _old(made: Deployment) -> None:
    made.workspace.old[made.addresses("worker")[0]] = 240.0


def _listens_no_more(made: Deployment) -> None:
    made.ports["ui"] = 9


def _no_plugin(made: Deployment) -> None:
    made.environ["PATH"] = "/nowhere"


def _stopped(key: str) -> Callable[[Deployment], None]:
    return lambda made: made.aws.settle({key: 0})


def _alarm(made: Deployment) -> None:
    made.aws.world.monitoring.set_alarm("dev-dsql-connections", "ALARM")


def _no_alarms(made: Deployment) -> None:
    made.aws.world.monitoring.alarms.clear()


def _refused(made: Deployment) -> None:
    made.workspace.refusal = (403, JSON, '{"message": "not authorized"}')


def _server(*script: str, health: str = "exit 0") -> Callable[[Deployment], None]:
    return lambda made: made.server(*script, health=health)


def _ends(example: str, code: int) -> Callable[[Deployment], None]:
    def broken(made: Deployment) -> None:
        made.bench.example, made.bench.exit_code = example, code

    return broken


def _no_instances(made: Deployment) -> None:
    made.aws.world.groups["dev-benchmark"].maximum = 0


INFO = "/api/v1/cluster-info"
LIST = "/api/v1/namespaces/temporal-system/workflows?pageSize=1"
OTHER_VERSION = "'auroral-server 0.9, Temporal 1.31.2, x\\n'"
SICK = "echo frontend: NOT_SERVING; exit 1"
DOWN = '{"code": 14, "message": "no visibility store"}'

# What is broken: the check, how, words of what it finds, and of the remedy.
BROKEN: list[tuple[Check, Callable[[Deployment], None], str, str]] = [
    (Check.SERVICES, _stopped("worker"), "worker is at 0", "cluster up"),
    (Check.SERVICES, _crash, "of its tasks stopped since this began: Essential container", "cluster logs history"),
    (Check.SCHEMA, _schema(installed_version=""), "the schema is not there: expected 1.18", "schema setup"),
    (Check.SCHEMA, _schema(missing_access=["dev-ui"]), "1 roles or grants are missing", "schema roles"),
    (
        Check.EXEC,
        _server("printf", OTHER_VERSION),
        f"it is 0.9, its image is tagged {VERSION}",
        "cluster roll frontend",
    ),
    (Check.EXEC, _server("printf", SAYS, health=SICK), "not healthy: frontend: NOT_SERVING", "cluster logs frontend"),
    (Check.EXEC, _server("exit", "1"), "ended with 1 and no version", "cluster logs frontend"),
    (Check.EXEC, _no_plugin, "session-manager-plugin is not on PATH", "install it"),
    (Check.EXEC, _stopped("frontend"), "frontend has no running task", "cluster status"),
    (Check.UI, _page("ui", "/", 502, HTML, "bad gateway"), "does not load: HTTP 502: bad gateway", "cluster logs ui"),
    (Check.UI, _page("ui", "/", 200, HTML, "<h1>nginx</h1>"), "found another page", "cluster logs ui"),
    (Check.UI, _page("ui", INFO, 503, JSON, '{"message": "no children"}'), "HTTP 503: no children", "cluster roll ui"),
    (Check.UI, _listens_no_more, "GET / gets no answer", ""),
    (
        Check.GRAFANA,
        _page("grafana", "/api/health", 503, JSON, '{"database": "failing"}'),
        "is failing",
        "logs grafana",
    ),
    (Check.GRAFANA, _page("grafana", "/api/org", 200, JSON, '{"id": 1}'), "answers without a login", "GF_AUTH_ANON"),
    (Check.METRICS, _address("lost"), "1 of 11 tasks: matching at", "cluster logs collector"),
    (Check.METRICS, _address("down"), "does not answer the collector (up is 0)", "cluster logs collector"),
    (Check.METRICS, _address("silent"), "tells nothing of its pool (dsql_pool_open)", "cluster logs collector"),
    (Check.METRICS, _old, "has been lost for 4 m", "cluster logs collector"),
    (Check.METRICS, _refused, "aps:QueryMetrics failed: 403: not authorized", "policy"),
    (Check.VISIBILITY, _visibility(health="red"), "is red", "visibility status"),
    (Check.VISIBILITY, _visibility(differences=[{"what": "no field X"}]), "must be: no field X", "visibility apply"),
    (Check.VISIBILITY, _metric("AWS/ES", "ClusterStatus.red", 1.0), "measures the domain as red", "visibility status"),
    (Check.VISIBILITY, _metric("AWS/ES", "ClusterIndexWritesBlocked", 1.0), "takes no writes", "visibility status"),
    (Check.WORKFLOWS, _page("frontend", LIST, 503, "*", DOWN), "503: no visibility store", "visibility status"),
    (Check.WORKFLOWS, _page("frontend", LIST, 200, "*", "hello"), "expected a list of workflows", "logs frontend"),
    (Check.ALARMS, _alarm, "1 of 9 ring: dev-dsql-connections", "cluster status"),
    (Check.ALARMS, _no_alarms, "no alarms whose names begin with", "infra apply"),
    (Check.BUDGET, _metric("AWS/Usage", "ResourceCount", 5000.0), "5,000 by CloudWatch", "dsql connections"),
    (Check.BENCHMARK, _ends("fail", 1), "fail: latency.p99<500ms", "bench remote results"),
    (Check.BENCHMARK, _ends("inconclusive", 5), "inconclusive: ", "bench remote results"),
    (Check.BENCHMARK, _no_instances, "TaskFailedToStart: RESOURCE", ""),
]


def test_every_check_has_a_failure() -> None:
    assert {one[0] for one in BROKEN} == set(Check)


@pytest.mark.parametrize(("check", "broken", "says", "remedy"), BROKEN)
def test_a_check_fails_when_its_subject_is_broken(
    made: Deployment, check: Check, broken: Callable[[Deployment], None], says: str, remedy: str
) -> None:
    broken(made)
    assert made.only(check, json=True, timeout="3m") == ExitCode.FAILED, made.said + made.printed
    (found,) = told(made).values()
    assert (found["check"], found["state"]) == (check, "failed")
    assert says in found["found"], found
    assert remedy in found["remedy"], found
    if remedy.startswith("auroral cluster"):
        assert f"--outputs {made.bench.outputs}" in found["remedy"]
    assert made.bench.desired == 0


# What one failure does to the others


def test_what_does_not_need_it_goes_on_after_a_failure(made: Deployment) -> None:
    made.pages["ui"].clear()
    _schema(installed_version="1.17")(made)
    assert made.verify(json=True) == ExitCode.FAILED
    states = {name: one["state"] for name, one in told(made).items()}
    assert {name for name, state in states.items() if state != "passed"} == {"schema", "ui", "benchmark"}
    assert told(made)["benchmark"]["state"] == "not tried"
    assert told(made)["benchmark"]["found"] == "needs schema"
    assert told(made)["schema"]["remedy"] == (f"auroral schema update --outputs {made.bench.outputs} --where cluster")
    assert made.bench.runs == []


def test_the_failed_are_named_last(made: Deployment) -> None:
    made.pages["grafana"].clear()
    assert made.verify(no_benchmark=True) == ExitCode.FAILED
    last = made.printed.splitlines()[-1]
    assert last.startswith("FAILED: 9 of 10 checks passed in ")
    assert last.endswith("; failed: grafana")


def test_a_service_on_its_way_is_awaited(made: Deployment) -> None:
    made.aws.service("history").desired = 5
    made.aws.service("history").steady = False
    assert made.only(Check.SERVICES) == ExitCode.OK, made.said
    assert "history: 4 of 5 running" in made.said
    assert "history 5" in made.printed


def test_what_is_never_steady_ends_at_the_deadline(made: Deployment) -> None:
    made.aws.behaviour("history", Behaviour(healthy_after_s=4_000))
    made.aws.service("history").desired = 5
    made.aws.service("history").steady = False
    began_s = made.clock.elapsed_s
    assert made.only(Check.SERVICES, timeout="2m") == ExitCode.FAILED
    assert "not so after 120 s: history: " in made.printed
    assert made.clock.elapsed_s - began_s < 130


def test_metrics_of_new_tasks_are_awaited(made: Deployment) -> None:
    made.aws.settle({"worker": 3})
    (new,) = [one for one in made.aws.service("worker").tasks if one.status == "RUNNING"][-1:]
    made.workspace.lost.add(new.address)
    made.clock.after(40, made.workspace.lost.clear)
    assert made.only(Check.METRICS) == ExitCode.OK, made.said
    assert f"worker at {new.address} has no series; it has just started" in made.said


def test_the_pools_metric_counts_where_cloudwatch_has_nothing(made: Deployment) -> None:
    made.aws.world.monitoring.metrics.clear()
    assert made.only(Check.BUDGET) == ExitCode.OK, made.said
    assert "550 by the pools' metric" in made.printed
    made.workspace.refusal = (503, JSON, "{}")
    assert made.only(Check.BUDGET) == ExitCode.FAILED
    assert "how many connections there are is not known" in made.printed


def test_an_image_without_tags_is_noted(made: Deployment) -> None:
    made.tags = []
    assert made.only(Check.EXEC) == ExitCode.OK, made.said
    assert "note: its image has no tag to compare with" in made.printed


def test_a_roll_that_waits_is_noted(made: Deployment) -> None:
    made.aws.register("history")
    made.write(made.aws.contract(made.bench.contract))
    assert made.only(Check.SERVICES) == ExitCode.OK
    assert "history runs dev-history:1, the outputs name dev-history:2" in " ".join(made.printed.split())


# Interrupts, and AWS out of reach


@pytest.mark.parametrize("after_s", [5, 120, 200])
def test_an_interrupted_benchmark_is_scaled_back(made: Deployment, after_s: float) -> None:
    made.bench.lasts_s = 600.0
    made.clock.interrupt_at(made.clock.elapsed_s + after_s)
    assert made.verify(only=(Check.ALARMS, Check.BENCHMARK)) == ExitCode.INTERRUPTED
    made.clock.advance(120)
    assert (made.bench.desired, made.bench.generators, made.bench.mark) == (0, 0, ""), made.said
    assert "INTERRUPTED: 1 of 2 checks passed" in made.printed
    assert "not tried  benchmark: interrupted" in made.printed


def test_an_interrupt_ends_the_rest(made: Deployment) -> None:
    made.aws.service("history").desired = 5
    made.aws.service("history").steady = False
    made.clock.interrupt_at(made.clock.elapsed_s + 3)
    assert made.verify(json=True) == ExitCode.INTERRUPTED
    assert {one["found"] for one in told(made).values()} == {"interrupted"}
    assert made.sessions == []


def test_credentials_that_expire_end_the_rest(made: Deployment) -> None:
    made.aws.faults.fail("cloudwatch:DescribeAlarms", "ExpiredTokenException", "The security token has expired")
    assert made.verify(only=(Check.SERVICES, Check.ALARMS, Check.BUDGET), json=True) == ExitCode.UNREACHABLE
    assert [one["state"] for one in told(made).values()] == ["passed", "failed", "not tried"]
    assert "AWS can no longer be asked" in told(made)["budget"]["found"]
    assert "renew the credentials" in told(made)["alarms"]["remedy"]


def test_throttling_is_borne_while_waiting(made: Deployment) -> None:
    made.aws.service("history").desired = 5
    made.aws.service("history").steady = False
    made.aws.faults.throttle("ecs:DescribeServices", times=2, from_s=made.clock.elapsed_s + 1)
    assert made.only(Check.SERVICES) == ExitCode.OK, made.said + made.printed
    assert "ThrottlingException" in made.said


def test_a_cluster_that_is_not_there(made: Deployment) -> None:
    made.bench.contract["cluster"]["name"] = "gone"
    made.write(made.bench.contract)
    assert made.verify() == ExitCode.UNREACHABLE
    assert "there is no cluster gone in us-east-1" in made.said
    assert not made.printed


def test_an_aws_that_cannot_be_reached(made: Deployment) -> None:
    made.aws.faults.break_network()
    assert made.verify() == ExitCode.UNREACHABLE
    assert "ecs:DescribeClusters failed" in made.said


def test_ctrl_c_ends_the_session_that_is_open(made: Deployment) -> None:
    def interrupts(path: str, _: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        return 200, HTML, ""

    made.webs["ui"].respond = interrupts
    assert made.verify(only=(Check.EXEC, Check.UI, Check.GRAFANA)) == ExitCode.INTERRUPTED
    assert "INTERRUPTED: 1 of 3 checks passed" in made.printed
    assert [one.arguments["SessionId"] for one in made.aws.changes("terminate_session")][-1:] == ["s-2"]
    assert made.sessions == [("frontend", 0), ("ui", 8080)]


# What is asked for


def test_the_environment_names_no_other_store(made: Deployment) -> None:
    made.environ |= {"DSQL_ENDPOINT": "other.dsql.us-east-1.on.aws", "TEMPORAL_OPENSEARCH_HOST": "localhost"}
    made.environ |= {"DSQL_HOST_ADDRESS": "127.0.0.1", "DSQL_PORT": "9", "TEMPORAL_OPENSEARCH_PORT": "9"}
    assert made.verify(only=(Check.SCHEMA, Check.VISIBILITY), where=None) == ExitCode.OK, made.said
    assert "names the target" not in made.said
    assert "runs as the task schema of the cluster: 127.0.0.1:9 cannot be reached" in made.said
    assert "runs as the task visibility of the cluster" in made.said


def test_a_dry_run_opens_nothing(made: Deployment) -> None:
    assert made.verify(dry_run=True) == ExitCode.OK, made.said
    assert made.aws.changes() == []
    lines = [line for line in made.printed.splitlines() if not line.startswith("#")]
    calls = [" ".join(line.split()[3:5]) for line in lines]
    assert calls[:5] == [
        "ecs run-task",
        "ecs execute-command",
        "ssm start-session",
        "ssm start-session",
        "ecs run-task",
    ]
    assert calls[5:] == [
        "ssm start-session", "ecs tag-resource", "ecs update-service", "ecs run-task", "ecs tag-resource",
        "ecs update-service", "ecs untag-resource",
    ]  # fmt: skip
    assert [line.split()[1].rstrip(":") for line in made.printed.splitlines() if ": whether " in line] == [*CHECKS]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate": "many"}, "--rate: expected"),
        ({"rate": "0"}, "--rate 0: expected more than 0"),
        ({"duration": "soon"}, "--duration: expected"),
        ({"timeout": "0s"}, "--timeout 0s: expected from 1s to 24h"),
        ({"only": ("benchmark",), "no_benchmark": True}, "no check is left"),
        ({"outputs": None}, "expected one of --outputs, --stack and --cluster, found none"),
    ],
)
def test_wrong_usage(made: Deployment, options: dict[str, Any], says: str) -> None:
    assert made.verify(**options) == ExitCode.USAGE
    assert says in made.said
    assert not made.aws.calls


def test_checks_that_names_do_not_say_enough_for_are_left_out_by_hand(made: Deployment) -> None:
    names = {"outputs": None, "cluster": "dev", "project": "dev", "where": None}
    assert made.verify(**names) == ExitCode.USAGE
    assert "--skip schema --skip metrics --skip visibility --no-benchmark" in made.said
    left_out = ("schema", "metrics", "visibility", "benchmark", "budget")
    assert made.verify(skip=left_out, **names) == ExitCode.OK, made.said + made.printed
    assert "PASSED: 6 of 6 checks" in made.printed


# Over HTTP


@pytest.mark.whole
def test_by_boto3_over_http(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(CONTRACT.read_text())
    with moto_server(tmp_path / "log") as moto:
        for name, value in moto.environ.items():
            monkeypatch.setenv(name, value)

        def verify() -> Ended:
            return cli("cluster", "verify", "--outputs", str(outputs), "--only", "alarms", environ=dict(moto.environ))

        assert verify().code == ExitCode.UNREACHABLE  # no such cluster
        moto.client("ecs").create_cluster(clusterName="dev")
        assert verify().code == ExitCode.FAILED
        moto.client("cloudwatch").put_metric_alarm(
            AlarmName="dev-history-memory",
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            Statistic="Sum",
            ComparisonOperator="GreaterThanThreshold",
        )
        ended = verify()
        assert ended.code == ExitCode.OK, ended.err
        assert "alarms: none of 1 rings" in ended.out
        moto.client("cloudwatch").set_alarm_state(AlarmName="dev-history-memory", StateValue="ALARM", StateReason="x")
        ended = verify()
    assert ended.code == ExitCode.FAILED
    assert "1 of 1 ring: dev-history-memory" in ended.out
    assert f"→ auroral cluster status --outputs {outputs}" in ended.out
