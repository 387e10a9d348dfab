"""Reads the lines that server tasks write at their start out of CloudWatch. Acts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from auroral.aws_account import Account, AwsError
from auroral.ecs.fleet import Fleet
from auroral.ecs.rollout.evidence import LINES, LogEvent, read
from auroral.ecs.seen import ClusterSeen, StartLines, TaskSeen

PAGES = 20
"""Of one search: a page may be empty with more behind it (CloudWatch Logs API Reference, FilterLogEvents)."""


class EvidenceReader:
    """Knows what it has read: a task that has said all is not asked about again."""

    def __init__(self, account: Account, fleet: Fleet) -> None:
        self._account = account
        self._fleet = fleet
        self._known: dict[str, StartLines] = {}
        self._unread = ""

    def added(self, seen: ClusterSeen, tasks: Sequence[TaskSeen]) -> ClusterSeen:
        """What is seen, with what the logs of these tasks say.

        Logs that may not be read, or are not there, are told in `unread` and not asked for again. Raises `AwsError`
        for what passes, and for credentials that are over.
        """
        asked = [one for one in tasks if not self._complete(one.id)]
        for service in dict.fromkeys(one.service for one in asked):
            if not self._unread:
                self._read(service, [one for one in asked if one.service == service])
        return msgspec.structs.replace(seen, started=dict(self._known), unread=self._unread)

    def _complete(self, task: str) -> bool:
        known = self._known.get(task)
        return known is not None and known.warm and bool(known.address)

    def _read(self, service: str, tasks: Sequence[TaskSeen]) -> None:
        group = self._fleet.services[service].log_group
        if not group:
            self._unread = f"the log group of {service} is not known"
            return
        # Logs are written after the task was created; AWS's own clock tells both.
        created = min((one.created_at for one in tasks if one.created_at is not None), default=None)
        since = {} if created is None else {"startTime": int((created - timedelta(minutes=1)).timestamp() * 1000)}
        try:
            events = [event for line in LINES for event in self._events(group, line, since)]
        except AwsError as error:
            if error.failure.passes or error.failure.kind == "expired":
                raise
            self._unread = f"{error.failure.call}: {error.failure.code}"
            return
        ids = {one.id for one in tasks}
        self._known |= {task: lines for task, lines in read(events).items() if task in ids}

    def _events(self, group: str, line: str, since: dict[str, int]) -> Iterator[LogEvent]:
        following: dict[str, str] = {}
        for _ in range(PAGES):
            answer = self._account.call(
                "logs", "filter_log_events", logGroupName=group, filterPattern=f'"{line}"', **since, **following
            )
            for found in answer.get("events") or ():
                yield LogEvent(stream=str(found.get("logStreamName", "")), text=str(found.get("message", "")))
            if not answer.get("nextToken"):
                return
            following = {"nextToken": str(answer["nextToken"])}
