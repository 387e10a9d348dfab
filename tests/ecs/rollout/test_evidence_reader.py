"""Lines of tasks out of CloudWatch: of the double, and of moto's server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.aws_calls import Kind
from auroral.ecs.fleet import ADDRESS_LINE, WARMUP_LINE
from auroral.ecs.rollout.evidence_reader import PAGES, EvidenceReader
from auroral.ecs.seen import StartLines
from tests.support.moto_server import REGION, Moto, moto_server
from tests.support.rollouts import Site, example_fleet
from tests.support.seen_examples import cluster, task


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        yield running


def warm(site: Site) -> Any:
    site.aws.settle({"history": 4})
    return site.seen()


def reads(site: Site) -> int:
    return sum(one.operation == "filter_log_events" for one in site.aws.calls)


def test_a_task_that_has_said_all_is_not_asked_about_again() -> None:
    site = Site()
    seen, reader = warm(site), EvidenceReader(site.aws, site.fleet)
    tasks = seen.tasks_of("history")
    found = reader.added(seen, tasks)
    assert {found.started[one.id].address for one in tasks} == {one.address for one in tasks}
    assert all(found.started[one.id].created == 50 for one in tasks)
    made = reads(site)
    assert made == 2
    assert reader.added(seen, tasks) == found
    assert reads(site) == made


def test_only_the_tasks_that_were_asked_about() -> None:
    site = Site()
    seen = warm(site)
    one = seen.tasks_of("history")[0]
    assert list(EvidenceReader(site.aws, site.fleet).added(seen, [one]).started) == [one.id]
    assert reads(site) == 2
    assert EvidenceReader(site.aws, site.fleet).added(seen, []) == seen
    assert reads(site) == 2


def test_logs_that_may_not_be_read_are_told_and_left_alone() -> None:
    site = Site()
    seen = warm(site)
    site.aws.faults.deny("logs:FilterLogEvents")
    reader = EvidenceReader(site.aws, site.fleet)
    for _ in range(2):
        assert reader.added(seen, seen.tasks_of("history")).unread == "logs:FilterLogEvents: AccessDeniedException"
    assert reads(site) == 1


def test_a_service_whose_log_group_is_not_known() -> None:
    site = Site()
    seen = warm(site)
    services = {**site.fleet.services, "history": msgspec.structs.replace(site.fleet.services["history"], log_group="")}
    reader = EvidenceReader(site.aws, msgspec.structs.replace(site.fleet, services=services))
    assert reader.added(seen, seen.tasks_of("history")).unread == "the log group of history is not known"


def test_what_passes_and_credentials_that_end_are_raised() -> None:
    site = Site()
    seen, reader = warm(site), EvidenceReader(site.aws, site.fleet)
    site.aws.faults.throttle("logs:FilterLogEvents")
    with pytest.raises(AwsError) as throttled:
        reader.added(seen, seen.tasks_of("history"))
    assert throttled.value.failure.kind is Kind.THROTTLED
    site.aws.faults.expire()
    with pytest.raises(AwsError) as expired:
        reader.added(seen, seen.tasks_of("history"))
    assert expired.value.failure.kind is Kind.EXPIRED


class Pages:
    """CloudWatch that answers with empty pages before the one that has something."""

    region, profile = REGION, None

    def __init__(self, empty: int, line: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self._empty, self._line = empty, line

    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        if WARMUP_LINE not in arguments["filterPattern"]:
            return {"events": []}
        page = int(arguments.get("nextToken", 0))
        if page < self._empty:
            return {"events": [], "nextToken": str(page + 1)}
        return {"events": [{"logStreamName": "history/history/history001", "message": self._line}]}


@pytest.mark.parametrize(("empty", "found"), [(3, True), (PAGES - 1, True), (PAGES, False)])
def test_empty_pages_are_passed_over_within_reason(empty: int, found: bool) -> None:
    line = json.dumps({"msg": WARMUP_LINE, "connections_created": 50, "connections_failed": 0})
    pages, seen = Pages(empty, line), cluster(tasks=[task("history", 1)])
    read = EvidenceReader(pages, example_fleet()).added(seen, seen.tasks)
    assert ("history001" in read.started) is found
    assert len(pages.asked) == min(empty + 1, PAGES) + 1


@pytest.mark.whole
def test_over_http(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern's quotes and the time are as CloudWatch takes them."""
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    logs, group, stream = moto.client("logs"), "/ecs/dev/history", "history/history/history001"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = datetime.now(UTC)
    texts = [
        json.dumps({"msg": ADDRESS_LINE, "ip": "10.0.0.1"}),
        json.dumps({"msg": "other"}),
        json.dumps({"msg": WARMUP_LINE, "connections_created": 50, "connections_failed": 0}),
    ]
    events = [{"timestamp": int(now.timestamp() * 1000) + number, "message": text} for number, text in enumerate(texts)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    seen = cluster(tasks=[task("history", 1, created_at=now)])
    account = AwsAccount(region=REGION)
    found = EvidenceReader(account, example_fleet()).added(seen, seen.tasks)
    assert found.started == {"history001": StartLines(address="10.0.0.1", created=50)}
    other = cluster(tasks=[task("worker", 1, created_at=now)])
    absent = EvidenceReader(account, example_fleet()).added(other, other.tasks)
    assert absent.unread == "logs:FilterLogEvents: ResourceNotFoundException"
