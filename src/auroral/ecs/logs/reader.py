"""Reads logs of CloudWatch: what is there, and what comes. Acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.logs.merge import HOLD_MS, LATE_MS, Event, Merge, Pace, event_of, in_order
from auroral.ecs.logs.sources import Source, pattern
from auroral.errors import TargetError

UNREACHABLE_S = 300.0
"""How long AWS may be out of reach before following ends."""
GAP_S = 0.2
"""Between two logs of a round: an account may make 5 calls of FilterLogEvents a second in most regions (CloudWatch Logs
User Guide, quotas)."""
THROTTLED_TRIES = 8
"""Of one page, beside botocore's own; the waits between them double from one second."""


class LogReader:
    """Some logs of one account."""

    def __init__(
        self,
        account: Account,
        logs: Sequence[Source],
        say: Callable[[str], None],
        *,
        text: str | None = None,
        task: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`text` filters at AWS's side; `task` is how the task's id begins. `say` gets remarks."""
        self._account = account
        self._logs = tuple(logs)
        self._say = say
        self._text = text
        self._task = (task or "").rsplit("/", 1)[-1]
        self._sleep = sleep
        self._now_s = now_s
        self._missing: set[str] = set()
        self._merge = Merge()

    def between(self, since_ms: int, until_ms: int | None) -> Iterator[Event]:
        """All events of a time, in order over all logs. Raises `AwsError`."""
        return in_order([self._patiently(log, since_ms, until_ms) for log in self._logs])

    def follow(self, since_ms: int, until_ms: int | None = None) -> Iterator[Event]:
        """All events since then and those that come; endless without `until_ms`.

        An event waits a few seconds for earlier ones of other logs. Raises `AwsError` where the credentials are over
        or not allowed, and where AWS has been out of reach for five minutes.
        """
        merge, pace = self._merge, Pace()
        began_ms = self._now_ms()
        for event in self.between(since_ms, began_ms):
            if event.at_ms < began_ms - LATE_MS or merge.know(event):
                yield event
        next_ms = max(merge.from_ms(began_ms), since_ms)
        reached_s, told = self._now_s(), ""
        while True:
            looked_ms = self._now_ms()
            came = throttled = False
            for index, log in enumerate(self._logs):
                if index:
                    self._sleep(GAP_S)
                try:
                    for event in self._events(log, next_ms, until_ms):
                        came = True
                        merge.offer(event)
                    reached_s, told = self._now_s(), ""
                except AwsError as error:
                    told = self._borne(error, reached_s, told)
                    throttled = True
            yield from merge.ready(self._now_ms())
            if until_ms is not None and looked_ms > until_ms + HOLD_MS:
                break
            if not throttled:
                next_ms = max(merge.from_ms(looked_ms), since_ms)
            self._sleep(pace.wait_s(came=came, throttled=throttled))
        yield from merge.rest()

    def held(self) -> list[Event]:
        """What waited for earlier events when following was broken off."""
        return self._merge.rest()

    def _borne(self, error: AwsError, reached_s: float, told: str) -> str:
        """What was said of a failure that may pass. Raises it where it does not, or lasts."""
        kind = error.failure.kind
        if kind not in (Kind.THROTTLED, Kind.UNREACHABLE):
            raise error
        if kind is Kind.UNREACHABLE and self._now_s() - reached_s > UNREACHABLE_S:
            raise TargetError(
                f"AWS has been out of reach for {self._now_s() - reached_s:.0f} s: {error.message}",
                hint="the same command with --since goes on from a time",
            ) from error
        words = "CloudWatch throttles: asking more slowly" if kind is Kind.THROTTLED else f"{error.message}; going on"
        if kind.value != told:
            self._say(words)
        return kind.value

    def _patiently(self, log: Source, since_ms: int, until_ms: int | None) -> Iterator[Event]:
        """Events of one log, page by page; a throttled page is asked for again."""
        tries = 0
        token: str | None = None
        while True:
            try:
                answer = self._page(log, since_ms, until_ms, token)
            except AwsError as error:
                tries += 1
                if error.failure.kind is not Kind.THROTTLED or tries > THROTTLED_TRIES:
                    raise
                self._sleep(min(2.0 ** (tries - 1), Pace.THROTTLED_S))
                continue
            tries = 0
            yield from self._chosen(log, answer)
            token = answer.get("nextToken")
            if not token:
                return

    def _events(self, log: Source, since_ms: int, until_ms: int | None) -> Iterator[Event]:
        token: str | None = None
        while True:
            answer = self._page(log, since_ms, until_ms, token)
            yield from self._chosen(log, answer)
            token = answer.get("nextToken")
            if not token:
                return

    def _chosen(self, log: Source, answer: Any) -> Iterator[Event]:
        for found in answer.get("events") or ():
            event = event_of(log.name, found)
            if not self._task or event.task.startswith(self._task):
                yield event

    def _page(self, log: Source, since_ms: int, until_ms: int | None, token: str | None) -> Any:
        # AWS ignores `interleaved` since 2019 and always does so; what is like AWS may not.
        arguments: dict[str, Any] = {"logGroupName": log.group, "startTime": max(since_ms, 0), "interleaved": True}
        if until_ms is not None:
            arguments["endTime"] = until_ms
        if self._text:
            arguments["filterPattern"] = pattern(self._text)
        if token:
            arguments["nextToken"] = token
        try:
            return self._account.call("logs", "filter_log_events", **arguments)
        except AwsError as error:
            if error.failure.code != "ResourceNotFoundException":
                raise
            if log.group not in self._missing:
                self._missing.add(log.group)
                self._say(f"{log.name}: there is no log group {log.group} yet")
            return {}

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)
