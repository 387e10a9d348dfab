"""Logs over HTTP from moto, and AWS's failures behind our own door."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.ecs.logs.merge import LATE_MS, Event
from auroral.ecs.logs.reader import UNREACHABLE_S, LogReader
from auroral.ecs.logs.sources import Source
from auroral.errors import TargetError
from tests.support.moto_server import REGION, Moto, moto_server
from tests.support.session_plugin import refusal

_numbers = itertools.count()


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as server:
        yield server


class Logs:
    """Two logs of a test's own."""

    def __init__(self, moto: Moto) -> None:
        self.client = moto.client("logs")
        number = next(_numbers)
        self.sources = tuple(Source(name=name, group=f"/test/{number}/{name}") for name in ("history", "matching"))
        self.account = AwsAccount(region=REGION)
        self.said: list[str] = []

    def make(self, *names: str) -> None:
        for source in self.sources:
            if source.name in names:
                self.client.create_log_group(logGroupName=source.group)

    def put(self, name: str, task: str, *events: tuple[int, str]) -> None:
        source = next(one for one in self.sources if one.name == name)
        stream = f"{name}/{name}/{task}"
        found = self.client.describe_log_streams(logGroupName=source.group, logStreamNamePrefix=stream)
        if not found["logStreams"]:
            self.client.create_log_stream(logGroupName=source.group, logStreamName=stream)
        listed = [{"timestamp": at_ms, "message": message} for at_ms, message in events]
        self.client.put_log_events(logGroupName=source.group, logStreamName=stream, logEvents=listed)

    def reader(self, **more: Any) -> LogReader:
        more.setdefault("sleep", lambda seconds: time.sleep(min(seconds, 0.05)))
        return LogReader(self.account, self.sources, self.said.append, **more)


@pytest.fixture
def logs(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Logs:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return Logs(moto)


def now_ms() -> int:
    return int(time.time() * 1000)


def messages(events: Iterator[Event]) -> list[str]:
    return [event.message for event in events]


def test_two_logs_in_one_order(logs: Logs) -> None:
    logs.make("history", "matching")
    base = now_ms() - 60_000
    logs.put("history", "t1", (base, "a"), (base + 20, "c"))
    logs.put("history", "t2", (base + 5, "aa"), (base + 40, "e"))
    logs.put("matching", "t3", (base + 10, "b"), (base + 30, "d"))
    assert messages(logs.reader().between(base - 1, None)) == ["a", "aa", "b", "c", "d", "e"]
    assert messages(logs.reader().between(base + 10, base + 30)) == ["b", "c", "d"]
    assert messages(logs.reader(task="t2").between(base - 1, None)) == ["aa", "e"]
    assert messages(logs.reader(task="arn:aws:ecs:r:1:task/dev/t3").between(base - 1, None)) == ["b", "d"]


def test_a_phrase_is_filtered_at_awss_side(logs: Logs) -> None:
    logs.make("history", "matching")
    base = now_ms() - 60_000
    logs.put("history", "t", (base, "shard closed by owner"), (base + 1, "closed shard"), (base + 2, "open"))
    assert messages(logs.reader(text="shard closed").between(base - 1, None)) == ["shard closed by owner"]


def test_a_log_that_is_not_there_yet_is_told_once(logs: Logs) -> None:
    logs.make("history")
    base = now_ms() - 60_000
    logs.put("history", "t", (base, "alone"))
    reader = logs.reader()
    assert messages(reader.between(base - 1, None)) == ["alone"]
    assert messages(reader.between(base - 1, None)) == ["alone"]
    assert logs.said == [f"matching: there is no log group {logs.sources[1].group} yet"]


class StoppedError(Exception):
    """The test has seen enough."""


class Following:
    """A reader that follows in a thread of its own."""

    def __init__(self, logs: Logs, since_ms: int) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.stopping = threading.Event()
        events = logs.reader(sleep=self._sleep).follow(since_ms)
        self._thread = threading.Thread(target=self._run, args=(events,))
        self._thread.start()

    def _sleep(self, seconds: float) -> None:
        if self.stopping.wait(min(seconds, 0.05)):
            raise StoppedError

    def _run(self, events: Iterator[Event]) -> None:
        with contextlib.suppress(StoppedError):
            for event in events:
                self.events.put(event)

    def next(self) -> str:
        return self.events.get(timeout=10).message

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_following_shows_what_comes_once(logs: Logs) -> None:
    logs.make("history")
    base = now_ms() - 20_000  # so old that nothing has to wait
    logs.put("history", "t", (base, "before"))
    following = Following(logs, base - 1)
    try:
        assert following.next() == "before"
        logs.put("history", "t", (base + 10, "after"))
        assert following.next() == "after"
        logs.make("matching")  # the group comes while it is followed
        logs.put("matching", "m", (base + 5, "late"))
        assert following.next() == "late"
        logs.put("matching", "m", (base + 30, "second"))
        assert following.next() == "second"
        time.sleep(0.5)  # several looks, which all see the four again
        assert following.events.empty()
    finally:
        following.stop()


class Door:
    """CloudWatch behind our own door: answers and failures in turn, and a clock that sleep moves."""

    region, profile = REGION, None

    def __init__(self, *answers: Mapping[str, Any] | AwsError) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.slept: list[float] = []
        self.said: list[str] = []
        self.at_s = 1_000_000.0
        self.then: Callable[[], Mapping[str, Any] | AwsError] = dict

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        assert (service, operation) == ("logs", "filter_log_events")
        self.asked.append(arguments)
        answer = self.answers.pop(0) if self.answers else self.then()
        if isinstance(answer, AwsError):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_s += seconds

    def reader(self, *names: str) -> LogReader:
        logs = [Source(name=name, group=f"/{name}") for name in names or ("history",)]
        return LogReader(self, logs, self.said.append, sleep=self.sleep, now_s=lambda: self.at_s)

    @property
    def at_ms(self) -> int:
        return int(self.at_s * 1000)


def page(*events: tuple[int, str], token: str | None = None) -> dict[str, Any]:
    found = [
        {"timestamp": at_ms, "eventId": message, "logStreamName": "history/history/t", "message": message}
        for at_ms, message in events
    ]
    return {"events": found, **({"nextToken": token} if token else {})}


def failure(code: str, words: str = "words") -> AwsError:
    return refusal(code, words, "logs", "filter_log_events")


def test_all_pages_are_read_the_empty_ones_too() -> None:
    door = Door(page((1, "a"), token="x"), page(token="y"), page((2, "b")))
    assert messages(door.reader().between(0, None)) == ["a", "b"]
    assert [call.get("nextToken") for call in door.asked] == [None, "x", "y"]


def test_a_throttled_page_is_asked_for_again_more_slowly() -> None:
    throttled = failure("ThrottlingException")
    door = Door(page((1, "a"), token="x"), throttled, throttled, throttled, page((2, "b")))
    assert messages(door.reader().between(0, None)) == ["a", "b"]
    assert door.slept == [1, 2, 4]
    assert [call.get("nextToken") for call in door.asked] == [None, "x", "x", "x", "x"]
    door = Door()
    door.then = lambda: failure("ThrottlingException")
    with pytest.raises(AwsError, match="Throttling"):
        messages(door.reader().between(0, None))
    assert len(door.asked) == 9


def test_throttling_slows_following_down_and_loses_nothing() -> None:
    door = Door(page(), *[failure("ThrottlingException")] * 3)
    began_ms = door.at_ms
    door.then = lambda: page((began_ms + 1, "in between")) if door.asked[-1]["startTime"] <= began_ms + 1 else page()
    assert next(door.reader().follow(began_ms - 1)).message == "in between"
    assert door.said == ["CloudWatch throttles: asking more slowly"]
    assert door.slept[:3] == [2, 4, 8]


def test_an_event_waits_for_earlier_ones_of_other_logs() -> None:
    door = Door(page(), page())
    began_ms = door.at_ms
    first = [page((began_ms + 100, "second")), page()]
    later = [page((began_ms + 100, "second")), page((began_ms + 50, "first"))]
    door.answers += first + later
    reader = door.reader("history", "matching")
    events = reader.follow(began_ms)
    assert [next(events).message, next(events).message] == ["first", "second"]
    assert sum(door.slept) >= 4
    door.answers += [page((door.at_ms, "held")), page()]
    door.then = lambda: failure("ExpiredTokenException")
    with pytest.raises(AwsError, match="renew the credentials"):
        next(events)
    assert [event.message for event in reader.held()] == ["held"]


def test_looks_reach_back_and_grow_rare_while_nothing_comes() -> None:
    door = Door(*[page()] * 40)
    door.then = lambda: failure("ExpiredTokenException")
    with pytest.raises(AwsError):
        next(door.reader().follow(door.at_ms - 600_000))
    assert door.slept[-1] == 5
    assert door.asked[-1]["startTime"] == door.at_ms - 5_000 - LATE_MS  # of the look before
    assert door.asked[0]["startTime"] == 1_000_000_000 - 600_000


def test_aws_out_of_reach_is_borne_for_a_while() -> None:
    door = Door(page())
    unreachable = failure("ServiceUnavailable", "try later")
    door.then = lambda: unreachable
    began_s = door.at_s
    with pytest.raises(TargetError, match="AWS has been out of reach for"):
        next(door.reader().follow(0))
    assert UNREACHABLE_S < door.at_s - began_s < UNREACHABLE_S + 60
    assert len(door.said) == 1
    door = Door(page(), unreachable, page((1_000_000_000, "back")))
    assert next(door.reader().follow(999_999_000)).message == "back"


@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException", "InvalidParameterException"])
def test_other_failures_end_following(code: str) -> None:
    door = Door(page(), failure(code))
    with pytest.raises(AwsError, match=code):
        next(door.reader().follow(0))


def test_a_followed_time_has_an_end() -> None:
    door = Door(page(), page())
    end_ms = door.at_ms + 3_000
    door.answers.append(page((door.at_ms + 2_000, "inside")))
    assert messages(door.reader().follow(door.at_ms - 1, end_ms)) == ["inside"]
    assert door.asked[-1]["endTime"] == end_ms
    assert door.at_ms > end_ms
