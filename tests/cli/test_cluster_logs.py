"""`auroral cluster logs` as a user runs it, over HTTP from moto; following, in a process of its own with signals."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.errors import ExitCode
from tests.cli.conftest import Cli, Ended
from tests.support.moto_server import Moto, moto_server

ROOT = Path(__file__).parents[2]
OUTPUTS = str(ROOT / "infra/tests/platform/contract.json")


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as server:
        yield server


class Cluster:
    """The logs of history and matching."""

    def __init__(self, moto: Moto) -> None:
        self.moto = moto
        self.client = moto.client("logs")
        self.base = now_ms() - 60_000
        for name in ("history", "matching"):
            self.client.create_log_group(logGroupName=f"/ecs/dev/{name}")
            self.client.create_log_stream(
                logGroupName=f"/ecs/dev/{name}", logStreamName=f"{name}/{name}/{name[0] * 32}"
            )

    def put(self, name: str, *events: tuple[int, str]) -> None:
        listed = [{"timestamp": at_ms, "message": message} for at_ms, message in events]
        stream = f"{name}/{name}/{name[0] * 32}"
        self.client.put_log_events(logGroupName=f"/ecs/dev/{name}", logStreamName=stream, logEvents=listed)

    def clear(self) -> None:
        for name in ("history", "matching"):
            self.client.delete_log_group(logGroupName=f"/ecs/dev/{name}")


@pytest.fixture
def cluster(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    made = Cluster(moto)
    zap = {"level": "warn", "ts": "x", "msg": "shard moved", "shard-id": 3}
    made.put("history", (made.base, json.dumps(zap)), (made.base + 20, "third"))
    made.put("matching", (made.base + 10, "second"), (made.base + 30, "fourth"))
    yield made
    made.clear()


@pytest.fixture
def logs(cli: Cli, cluster: Cluster) -> Any:
    def call(*arguments: str, **more: str) -> Ended:
        return cli("cluster", "logs", "--outputs", OUTPUTS, *arguments, environ={**cluster.moto.environ, **more})

    return call


def test_services_are_merged_by_time(logs: Any) -> None:
    ended = logs("history", "matching")
    assert ended.code == 0, ended.err
    lines = [line.split("Z ", 1)[1] for line in ended.out.splitlines()]
    assert lines == [
        "history/hhhhhhhh warn  shard moved shard-id=3",
        "matching/mmmmmmmm second",
        "history/hhhhhhhh third",
        "matching/mmmmmmmm fourth",
    ]
    assert ended.err == ""
    assert "\x1b" not in ended.out


def test_all_services_and_those_without_a_log(logs: Any) -> None:
    ended = logs()
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 4
    assert "frontend: there is no log group /ecs/dev/frontend yet" in ended.err


def test_json_raw_filter_and_task(logs: Any) -> None:
    found = [json.loads(line) for line in logs("history", "--json").out.splitlines()]
    assert [one["message"] for one in found][1] == "third"
    assert found[0]["fields"]["shard-id"] == 3
    assert '"msg": "shard moved"' in logs("history", "--raw").out
    assert len(logs("history", "matching", "--filter", "second").out.splitlines()) == 1
    assert len(logs("history", "matching", "--task", "mm").out.splitlines()) == 2


def test_times(logs: Any, cluster: Cluster) -> None:
    ended = logs("history", "--since", "10s")
    assert (ended.code, ended.out) == (0, "")
    assert "no events since 20" in ended.err
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cluster.base / 1000 - 1))
    assert len(logs("history", "--since", at).out.splitlines()) == 2
    assert len(logs("history", "--since", at.removesuffix("Z"), "--until", "1s").out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["histroy"], "did you mean history"),
        (["--since", "soon"], "--since soon: expected how long ago, or a time"),
        (["--until", "2026-13-01"], "--until 2026-13-01: expected"),
        (["--since", "1m", "--until", "2m"], "--until 2m is not after --since 1m"),
        (["--json", "--raw"], "exclude each other"),
        (["--dry-run"], "No such option"),
    ],
)
def test_wrong_usage(logs: Any, arguments: list[str], words: str) -> None:
    ended = logs(*arguments)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert ended.out == ""


def test_credentials_that_are_over(logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from auroral.aws_account import AwsAccount
    from tests.support.session_plugin import refusal

    def expired(*_: object, **__: object) -> None:
        raise refusal("ExpiredTokenException", "The security token is expired", "logs", "filter_log_events")

    monkeypatch.setattr(AwsAccount, "call", expired)
    ended = logs("history", "--follow")
    assert ended.code == ExitCode.UNREACHABLE
    assert "ExpiredTokenException" in ended.err
    assert "renew the credentials" in ended.err


def test_aws_out_of_reach(logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("auroral.aws_account.ATTEMPTS", 1)
    ended = logs("history")
    assert ended.code == ExitCode.UNREACHABLE
    assert "logs:FilterLogEvents failed" in ended.err


class Following:
    """The command in a process of its own."""

    def __init__(self, cluster: Cluster, *arguments: str, **more: Any) -> None:
        environ = {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}}
        command = [sys.executable, "-m", "auroral", "cluster", "logs", "--outputs", OUTPUTS, *arguments]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environ, **cluster.moto.environ},
            cwd=ROOT,
        )
        self.seen = ""

    def until(self, text: str, timeout_s: float = 20) -> None:
        assert self.process.stdout is not None
        until_s = time.monotonic() + timeout_s
        while text not in self.seen:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until_s - time.monotonic()))
            assert ready, f"{text!r} was not seen:\n{self.seen}"
            data = os.read(self.process.stdout.fileno(), 4096)
            assert data, self.process.stderr.read() if self.process.stderr else ""
            self.seen += data.decode()

    def end(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=15)
        return self.process.returncode, out.decode(), err.decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def follow(cluster: Cluster) -> Iterator[Any]:
    made: list[Following] = []

    def start(*arguments: str) -> Following:
        made.append(Following(cluster, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_following_until_ctrl_c(follow: Any, cluster: Cluster) -> None:
    following = follow("history", "matching", "--follow")
    following.until("fourth")
    cluster.put("matching", (now_ms() - 8_000, "fifth"))
    following.until("fifth")
    cluster.put("history", (now_ms() + 60_000, "held until its hour"))
    time.sleep(2.5)
    code, out, err = following.end(signal.SIGINT)
    assert code == 0, err
    assert "held until its hour" in out  # what waited is shown at the end
    assert following.seen.index("fourth") < following.seen.index("fifth")
    assert err == ""


def test_a_reader_that_goes_away_ends_it(follow: Any, cluster: Cluster) -> None:
    following = follow("history", "--follow")
    following.until("third")
    following.process.stdout.close()
    cluster.put("history", (now_ms() - 8_000, "to nobody"))
    assert following.process.wait(20) == 0


@pytest.mark.parametrize(("arguments", "code"), [((), ExitCode.INTERRUPTED), (("--follow",), ExitCode.OK)])
def test_an_interrupt_is_the_normal_end_of_following_only(
    logs: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: ExitCode
) -> None:
    from auroral.aws_account import AwsAccount

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AwsAccount, "call", interrupted)
    assert logs("history", *arguments).code == code
