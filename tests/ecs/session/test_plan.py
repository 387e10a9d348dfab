"""Which task, which call, which command line: as values."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.aws_calls import Failure, Kind
from auroral.ecs.session.plan import (
    RESPONSE,
    check_version,
    choose,
    endpoint_of,
    exec_call,
    explained,
    forward_call,
    is_web,
    marked_command,
    plugin_arguments,
    remote_command,
    remote_port_of,
    service_of,
    session_of,
)
from auroral.errors import ExitCode, TargetError, UsageError
from tests.support.session_plugin import CLUSTER, a_fleet, a_task

FLEET = a_fleet()
HISTORY = FLEET.services["history"]
TARGET = choose(HISTORY, CLUSTER, [a_task("history", "a")])


def test_the_newest_running_task_is_chosen() -> None:
    tasks = [
        a_task("history", "a", minute=1),
        a_task("history", "b", minute=9),
        a_task("history", "c", minute=30, status="PENDING"),
    ]
    target = choose(HISTORY, CLUSTER, tasks)
    assert target.task_id == "b" * 32
    assert target.ssm == f"ecs:dev_{'b' * 32}_{'b' * 32}-1234567890"
    assert choose(HISTORY, CLUSTER, tasks, task="aa").task_id == "a" * 32
    assert choose(HISTORY, CLUSTER, tasks, task=str(tasks[0]["taskArn"])).task_id == "a" * 32


def test_a_time_may_be_a_number() -> None:
    old, new = a_task("history", "a"), a_task("history", "b")
    old["startedAt"], new["startedAt"] = 10.5, datetime.fromtimestamp(11, UTC)
    assert choose(HISTORY, CLUSTER, [old, new]).task_id == "b" * 32


def test_a_task_that_is_not_one_is_told_with_those_that_are() -> None:
    tasks = [a_task("history", "a"), a_task("history", "b")]
    with pytest.raises(UsageError) as error:
        choose(HISTORY, CLUSTER, tasks, task="cc")
    assert error.value.message == "history has no running task cc"
    assert ("a" * 32 in error.value.hint, "b" * 32 in error.value.hint) == (True, True)
    with pytest.raises(UsageError, match="names 2 tasks"):
        choose(HISTORY, CLUSTER, tasks, task="")
    with pytest.raises(UsageError, match="has no container proxy") as error:
        choose(HISTORY, CLUSTER, tasks, container="proxy")
    assert error.value.hint == "it has history"
    with pytest.raises(TargetError, match="no running task: found pending") as down:
        choose(HISTORY, CLUSTER, [a_task("history", "a", status="PENDING")])
    assert down.value.exit_code == ExitCode.UNREACHABLE
    with pytest.raises(TargetError, match="found no task"):
        choose(HISTORY, CLUSTER, [])


def test_what_ecs_says_of_the_agent_is_told_before_anything_is_asked() -> None:
    with pytest.raises(TargetError, match="started without execute command") as off:
        choose(HISTORY, CLUSTER, [a_task("history", "a", enableExecuteCommand=False)])
    assert "auroral cluster roll history --force" in off.value.hint
    task = a_task("history", "a")
    task["containers"][0]["managedAgents"] = [
        {"name": "ExecuteCommandAgent", "lastStatus": "STOPPED", "reason": "out of memory"}
    ]
    with pytest.raises(TargetError, match="is stopped: out of memory") as stopped:
        choose(HISTORY, CLUSTER, [task])
    for step in ("ecs:ExecuteCommand", "ssm:StartSession", "ssmmessages", "initProcessEnabled"):
        assert step in stopped.value.hint
    task["containers"][0]["managedAgents"] = [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]
    with pytest.raises(TargetError, match="is pending") as pending:
        choose(HISTORY, CLUSTER, [task])
    assert pending.value.hint == "it starts within a minute of its task"
    del task["containers"][0]["managedAgents"]  # older agents tell nothing
    assert choose(HISTORY, CLUSTER, [task]).container == "history"
    del task["containers"][0]["runtimeId"]
    with pytest.raises(TargetError, match="no runtime id yet"):
        choose(HISTORY, CLUSTER, [task])


def test_an_unknown_service_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean history") as error:
        service_of(FLEET, "histroy")
    assert "frontend, history, ui, collector" in error.value.hint


def test_a_session_hides_its_token_from_logs_and_arguments() -> None:
    session = session_of({"session": {"sessionId": "s-1", "streamUrl": "wss://x", "tokenValue": "secret"}})
    assert session == session_of({"SessionId": "s-1", "StreamUrl": "wss://x", "TokenValue": "secret"})
    assert "secret" not in repr(session)
    assert json.loads(session.response()) == {"SessionId": "s-1", "TokenValue": "secret", "StreamUrl": "wss://x"}
    arguments = plugin_arguments({"Target": TARGET.ssm}, region="eu-west-1", profile=None, endpoint="https://e")
    assert arguments == [RESPONSE, "eu-west-1", "StartSession", "", json.dumps({"Target": TARGET.ssm}), "https://e"]


def test_the_calls_are_those_that_the_cli_makes() -> None:
    call = exec_call(TARGET, "/bin/sh")
    assert call.shell(region="eu-west-1") == (
        f"aws --region eu-west-1 ecs execute-command --cluster dev --task {TARGET.task_arn} --container history "
        "--command /bin/sh --interactive"
    )
    call = forward_call(TARGET, 3000, 0)
    assert call.arguments["DocumentName"] == "AWS-StartPortForwardingSession"
    assert call.arguments["Parameters"] == {"portNumber": ["3000"], "localPortNumber": ["0"]}
    assert not call.reads


@pytest.mark.parametrize(
    ("region", "environ", "expected"),
    [
        ("eu-west-1", {}, "https://ssm.eu-west-1.amazonaws.com"),
        ("cn-north-1", {}, "https://ssm.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", {}, ""),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "http://all"}, "http://all"),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SSM": "http://ssm"}, "http://ssm"),
    ],
)
def test_the_endpoint(region: str, environ: dict[str, str], expected: str) -> None:
    assert endpoint_of(region, environ) == expected


def test_a_plugin_that_would_show_the_token_is_refused() -> None:
    assert check_version("1.2.804.0\n") == "1.2.804.0"
    assert check_version("1.3") == "1.3"
    assert check_version("1.2.497.1") == "1.2.497.1"
    for text in ("1.2.497.0", "1.2.30.0", "1", "1.2.497"):
        with pytest.raises(UsageError, match="where every user of this machine sees it"):
            check_version(text)
    for text in ("", "1.2.x", "1.2.3.4.5", "command not found"):
        with pytest.raises(UsageError, match="expected a version"):
            check_version(text)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(words, min_size=1, max_size=5))
def test_any_arguments_arrive_as_they_are(arguments: list[str]) -> None:
    """The agent splits the text; the shell that it starts hands the arguments on."""
    split = shlex.split(marked_command(["printf", "%s\\0", *arguments], "n"))
    assert split[:2] == ["/bin/sh", "-c"]
    assert split[4:] == ["printf", "%s\\0", *arguments]


@pytest.mark.parametrize(
    ("command", "output", "status"),
    [
        (["printf", "%s|", "a b", "$HOME", "it's", '"x"', "#no", "*"], 'a b|$HOME|it\'s|"x"|#no|*|', 0),
        (["exit 7"], "", 7),
        (["echo one; false"], "one\n", 1),
        (["echo one | tr o 0"], "0ne\n", 0),
        (["false"], "", 1),
        (["sh", "-c", "kill -9 $$"], "", 137),
        (["no-such-program", "x"], "", 127),
    ],
)
def test_a_marked_command_runs_in_a_real_shell(command: list[str], output: str, status: int) -> None:
    ran = subprocess.run(
        shlex.split(marked_command(command, "f00")), capture_output=True, text=True, check=False, timeout=10
    )
    assert ran.stdout == f"auroral-begin-f00\n{output}\nauroral-exit-f00={status}\n"


def test_a_raw_command() -> None:
    assert remote_command(["ls -l | wc"]) == "ls -l | wc"
    assert remote_command(["ls", "a b"]) == "ls 'a b'"


def test_ports() -> None:
    assert remote_port_of(FLEET.services["frontend"], None) == 7233
    assert remote_port_of(FLEET.services["ui"], None) == 8080
    assert remote_port_of(FLEET.services["ui"], 9000) == 9000
    assert remote_port_of(a_fleet(ui={}).services["ui"], None) == 8080
    with pytest.raises(UsageError, match="expected --remote-port"):
        remote_port_of(FLEET.services["collector"], None)
    assert is_web(FLEET.services["ui"], 8080)
    assert is_web(a_fleet(ui={}).services["ui"], 8080)
    assert not is_web(FLEET.services["frontend"], 7233)


@pytest.mark.parametrize(
    ("code", "words", "call", "expected", "hint"),
    [
        ("TargetNotConnectedException", "internal error", "ecs:ExecuteCommand", "is not connected", "ssmmessages"),
        ("TargetNotConnected", "ecs:x is not connected", "ssm:StartSession", "is not connected", "ssmmessages"),
        (
            "InvalidParameterException",
            "The execute command failed because execute command was not enabled when the task was run",
            "ecs:ExecuteCommand",
            "cannot be entered",
            "auroral cluster roll history --force",
        ),
        ("AccessDeniedException", "no", "ecs:ExecuteCommand", "may not enter", "needs ecs:ExecuteCommand"),
        ("AccessDeniedException", "no", "ssm:StartSession", "may not enter", "AWS-StartPortForwardingSession"),
    ],
)
def test_a_refusal_is_told_with_its_remedy(code: str, words: str, call: str, expected: str, hint: str) -> None:
    kind = Kind.DENIED if "Denied" in code else Kind.UNKNOWN
    error = explained(Failure(kind=kind, code=code, words=words, call=call), TARGET)
    assert error is not None
    assert expected in error.message
    assert words in error.message
    assert hint in error.hint
    assert error.exit_code == ExitCode.UNREACHABLE


def test_other_refusals_are_left_to_the_door() -> None:
    assert explained(Failure(kind=Kind.THROTTLED, code="ThrottlingException", words="slower"), TARGET) is None
