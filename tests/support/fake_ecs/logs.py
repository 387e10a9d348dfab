"""CloudWatch Logs: groups, streams, lines that come a moment late, filters, pages."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.fake_ecs.clock import FakeClock
from tests.support.fake_ecs.failures import Refused

PAGE = 10_000
"""Events of one answer, at most (CloudWatch Logs API Reference)."""


@dataclass(frozen=True)
class LogEvent:
    """One line."""

    id: str
    stream: str
    at_ms: int
    ingested_ms: int
    text: str


@dataclass
class LogGroup:
    """One group."""

    name: str
    created_ms: int
    streams: dict[str, list[LogEvent]] = field(default_factory=dict)


class Logs:
    """All groups of a region."""

    def __init__(self, clock: FakeClock, *, delay_s: float = 2.0, arn_prefix: str = "arn:aws:logs:x:1") -> None:
        self.delay_s = delay_s
        """From a line's time until it can be read."""
        self.empty_pages = 0
        """So many answers of FilterLogEvents are empty and name a token: it searches in slices of time."""
        self._clock = clock
        self._groups: dict[str, LogGroup] = {}
        self._arn_prefix = arn_prefix
        self._written = 0

    def add_group(self, name: str) -> None:
        """Without it, lines are lost, and reading is refused."""
        self._groups.setdefault(name, LogGroup(name, _ms(self._clock.utc())))

    def remove_group(self, name: str) -> None:
        """Somebody deleted it."""
        self._groups.pop(name, None)

    def write(self, group: str, stream: str, text: str, at: datetime | None = None) -> None:
        """A line; the log driver drops it where the group is missing."""
        if group not in self._groups:
            return
        moment = at or self._clock.utc()
        self._written += 1
        ingested_ms = _ms(moment + timedelta(seconds=self.delay_s))
        event = LogEvent(f"{self._written:056d}", stream, _ms(moment), ingested_ms, text)
        self._groups[group].streams.setdefault(stream, []).append(event)

    def lines(self, group: str) -> list[str]:
        """All that was written to a group, for a test's eyes."""
        return [one.text for stream in self._group(group).streams.values() for one in stream]

    def operations(self) -> Mapping[str, Callable[..., dict[str, Any]]]:
        """By boto3's names."""
        return {
            "filter_log_events": self.filter_log_events,
            "get_log_events": self.get_log_events,
            "describe_log_streams": self.describe_log_streams,
            "describe_log_groups": self.describe_log_groups,
        }

    def filter_log_events(
        self,
        *,
        logGroupName: str,
        logStreamNames: list[str] | None = None,
        logStreamNamePrefix: str | None = None,
        startTime: int | None = None,
        endTime: int | None = None,
        filterPattern: str = "",
        nextToken: str | None = None,
        limit: int = PAGE,
        interleaved: bool = True,
    ) -> dict[str, Any]:
        """Events from `startTime` to `endTime`, both included, of all streams by time."""
        group = self._group(logGroupName)
        if logStreamNames is not None and logStreamNamePrefix is not None:
            raise Refused("InvalidParameterException", "logStreamNamePrefix and logStreamNames are mutually exclusive.")
        matches = pattern(filterPattern)
        found = [
            event
            for name in group.streams
            if logStreamNames is None or name in logStreamNames
            if logStreamNamePrefix is None or name.startswith(logStreamNamePrefix)
            for event in self._readable(group, name)
            if (startTime is None or event.at_ms >= startTime) and (endTime is None or event.at_ms <= endTime)
            if matches(event.text)
        ]
        found.sort(key=lambda one: (one.at_ms, one.id))
        skip, empty = (int(part) for part in (nextToken or "0/0").split("/"))
        if empty < self.empty_pages:
            return {"events": [], "searchedLogStreams": [], "nextToken": f"{skip}/{empty + 1}"}
        page = found[skip : skip + limit]
        answer: dict[str, Any] = {"events": [_filtered(one) for one in page], "searchedLogStreams": []}
        if skip + limit < len(found):
            answer["nextToken"] = f"{skip + limit}/0"
        return answer

    def get_log_events(
        self,
        *,
        logGroupName: str,
        logStreamName: str,
        startTime: int | None = None,
        endTime: int | None = None,
        nextToken: str | None = None,
        limit: int = PAGE,
        startFromHead: bool = False,
    ) -> dict[str, Any]:
        """Events of one stream from `startTime` on, `endTime` excluded. At the end, the token is the one given."""
        group = self._group(logGroupName)
        if not self._readable(group, logStreamName):
            raise Refused("ResourceNotFoundException", "The specified log stream does not exist.")
        readable = [
            event
            for event in self._readable(group, logStreamName)
            if (startTime is None or event.at_ms >= startTime) and (endTime is None or event.at_ms < endTime)
        ]
        if nextToken is None:
            begin = 0 if startFromHead else max(0, len(readable) - limit)
            end = min(begin + limit, len(readable))
        else:
            direction, _, place = nextToken.partition("/")
            at = int(place)
            begin, end = (at, min(at + limit, len(readable))) if direction == "f" else (max(0, at - limit), at)
        return {
            "events": [
                {"timestamp": one.at_ms, "message": one.text, "ingestionTime": one.ingested_ms}
                for one in readable[begin:end]
            ],
            "nextForwardToken": f"f/{end}",
            "nextBackwardToken": f"b/{begin}",
        }

    def describe_log_streams(
        self,
        *,
        logGroupName: str,
        logStreamNamePrefix: str = "",
        orderBy: str = "LogStreamName",
        descending: bool = False,
        nextToken: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """Streams, by name or by their last event."""
        group = self._group(logGroupName)
        if orderBy == "LastEventTime" and logStreamNamePrefix:
            raise Refused("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = [
            (name, self._readable(group, name)) for name in group.streams if name.startswith(logStreamNamePrefix)
        ]
        streams = [(name, events) for name, events in streams if events]
        by_time = orderBy == "LastEventTime"
        streams.sort(key=lambda one: (one[1][-1].at_ms if by_time else 0, one[0]), reverse=descending)
        skip = int(nextToken or 0)
        described = [
            {
                "logStreamName": name,
                "creationTime": events[0].ingested_ms,
                "firstEventTimestamp": events[0].at_ms,
                "lastEventTimestamp": events[-1].at_ms,
                "lastIngestionTime": events[-1].ingested_ms,
                "arn": f"{self._arn_prefix}:log-group:{logGroupName}:log-stream:{name}",
            }
            for name, events in streams[skip : skip + limit]
        ]
        answer: dict[str, Any] = {"logStreams": described}
        if skip + limit < len(streams):
            answer["nextToken"] = str(skip + limit)
        return answer

    def describe_log_groups(
        self, *, logGroupNamePrefix: str = "", nextToken: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        """Groups by name."""
        names = sorted(name for name in self._groups if name.startswith(logGroupNamePrefix))
        skip = int(nextToken or 0)
        described = [
            {
                "logGroupName": name,
                "creationTime": self._groups[name].created_ms,
                "arn": f"{self._arn_prefix}:log-group:{name}:*",
            }
            for name in names[skip : skip + limit]
        ]
        following = {"nextToken": str(skip + limit)} if skip + limit < len(names) else {}
        return {"logGroups": described, **following}

    def _group(self, name: str) -> LogGroup:
        if name not in self._groups:
            raise Refused("ResourceNotFoundException", "The specified log group does not exist.")
        return self._groups[name]

    def _readable(self, group: LogGroup, stream: str) -> list[LogEvent]:
        now_ms = _ms(self._clock.utc())
        return [one for one in group.streams.get(stream, []) if one.ingested_ms <= now_ms]


def pattern(text: str) -> Callable[[str], bool]:
    """A filter pattern of terms: all of `word "a phrase"`, none of `-word`, one at least of `?word ?other`.

    CloudWatch Logs User Guide, "Filter pattern syntax": case counts. Patterns of JSON and of expressions are refused.
    """
    if text.strip().startswith(("{", "[", "%")):
        raise AssertionError(f"this double knows patterns of terms only, not {text}")
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.quotes, lexer.commenters = True, '"', ""
    terms = list(lexer)
    needed = [term for term in terms if not term.startswith(("?", "-"))]
    barred = [term[1:] for term in terms if term.startswith("-")]
    either = [term[1:] for term in terms if term.startswith("?")]

    def matches(line: str) -> bool:
        return (
            all(term in line for term in needed)
            and not any(term in line for term in barred)
            and (not either or any(term in line for term in either))
        )

    return matches


def _filtered(one: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": one.stream,
        "timestamp": one.at_ms,
        "message": one.text,
        "ingestionTime": one.ingested_ms,
        "eventId": one.id,
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
