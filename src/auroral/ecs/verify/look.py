"""Looks at what the proof of a deployment judges: AWS, a task by ECS Exec, web pages by forwarded ports. Acts."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from auroral.aws_account import Account, AwsError, listed
from auroral.aws_calls import Kind
from auroral.ecs.definition import container_of
from auroral.ecs.fleet import Fleet
from auroral.ecs.health import stores
from auroral.ecs.health.prometheus import Ask
from auroral.ecs.health.snapshot import SearchSeen
from auroral.ecs.observe import Observer
from auroral.ecs.rollout.surroundings import registered
from auroral.ecs.seen import ClusterSeen
from auroral.ecs.session.exec import executed
from auroral.ecs.session.forward import forwarded
from auroral.ecs.session.plan import service_of
from auroral.ecs.verify import answers as verify_answers
from auroral.ecs.verify import cluster as verify_cluster
from auroral.ecs.verify.answers import Answer
from auroral.ecs.verify.checks import Found, Pending, failed
from auroral.ecs.verify.cluster import Count
from auroral.ecs.waiter import Patience, Waiter
from auroral.errors import AuroralError, TargetError

HEALTH = "auroral-server version && auroral-server health"
HTTP_PORT = 7243
"""Of the frontend's HTTP API, where no outputs name it: images/server/config/auroral.yaml."""
WEB_S = 15.0
MOST_BYTES = 1024 * 1024

Say = Callable[[str], None]


class Looks:
    """The looks at one deployment. Each raises `AwsError`, `TargetError` and `UsageError` for what keeps it from an
    answer."""

    def __init__(
        self,
        account: Account,
        fleet: Fleet,
        *,
        ask: Ask | None,
        environ: Mapping[str, str],
        say: Say,
        wait_s: float,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`ask` questions the workspace of metrics; None: nobody can. `wait_s`: how long to wait for what is not yet
        as it must be."""
        self._account, self._fleet, self._ask, self._environ = account, fleet, ask, environ
        self._say, self._wait_s, self._sleep, self._now_s, self._utc = say, wait_s, sleep, now_s, utc

    def services(self) -> Found:
        """Whether all are steady, once they are, or have failed, or the wait is over."""
        since = verify_cluster.began(self._fleet, self._seen(), self._health())
        began_s = self._now_s()
        return self._awaited(
            lambda: verify_cluster.services(self._fleet, self._seen(), since, self._now_s() - began_s),
        )

    def exec(self) -> Found:
        """A command in a task of the frontend."""
        image = self._image("frontend")
        tag, stored = verify_cluster.image_of(image)
        tags, note = ([tag], "") if tag else ([], f"its image {image or '?'} has no tag to compare with")
        if stored is not None:
            tags, note = self._tags(stored)
        told = executed(self._account, self._fleet, "frontend", (HEALTH,), environ=self._environ)
        return verify_cluster.executed(told.status, told.output, tags, note)

    def ui(self) -> Found:
        """The UI's page, and its way to the frontend."""
        with self._port("ui") as port:
            return verify_answers.ui(get(port, verify_answers.UI_PAGE), get(port, verify_answers.UI_CLUSTER))

    def grafana(self) -> Found:
        """Grafana's health and its door."""
        with self._port("grafana") as port:
            return verify_answers.grafana(
                get(port, verify_answers.GRAFANA_HEALTH), get(port, verify_answers.GRAFANA_ORG)
            )

    def workflows(self) -> Found:
        """A list of workflows by the frontend's HTTP API."""
        ports = service_of(self._fleet, "frontend").ports
        with self._port("frontend", ports.get("http", HTTP_PORT)) as here:
            return verify_answers.workflows(get(here, verify_answers.LIST))

    def metrics(self) -> Found:
        """Series of each task, once they have arrived."""
        ask = self._ask
        if ask is None:
            return failed("no workspace of metrics is known", "auroral infra apply")

        def look() -> Found | Pending:
            seen = self._seen()
            answers = [ask(question) for question in _METRICS]
            return verify_cluster.metrics(seen, self._fleet, *answers)

        return self._awaited(look)

    def alarms(self) -> Found:
        """All alarms of the deployment."""
        prefix = self._fleet.named.alarm_prefix
        if not prefix:
            return failed("how the names of its alarms begin is not known", "auroral infra apply")
        asked = {"token": "NextToken", "AlarmNamePrefix": prefix}
        found = list(listed(self._account, "cloudwatch", "describe_alarms", "MetricAlarms", **asked))
        silent = [str(one["AlarmName"]) for one in found if one.get("StateValue") == "INSUFFICIENT_DATA"]
        ringing = [(one.name, one.description) for one in stores.alarms(self._account, prefix)]
        return verify_cluster.alarms([str(one["AlarmName"]) for one in found], ringing, prefix, silent)

    def budget(self) -> Found:
        """Open connections, by CloudWatch and by the pools' own metric."""
        counts: list[Count] = []
        reasons: list[str] = []
        for source, read in (("CloudWatch", self._measured), ("the pools' metric", self._pooled)):
            try:
                counts.append(Count(source=source, connections=read()))
            except (AwsError, TargetError) as error:
                _raise_expired(error)
                reasons.append(error.message)
        return verify_cluster.budget(self._fleet, self._seen(), counts, "; ".join(reasons))

    def search(self) -> tuple[SearchSeen | None, str]:
        """CloudWatch's measure of the domain; or None, and why it is not known."""
        named = self._fleet.named
        if not named.domain:
            return None, "no domain of Amazon OpenSearch Service is known"
        try:
            return stores.search(self._account, named.domain, named.account_id, self._utc()), ""
        except (AwsError, TargetError) as error:
            _raise_expired(error)
            return None, error.message

    def _seen(self) -> ClusterSeen:
        return Observer(self._account, self._fleet, now=self._utc).look(stopped=True)

    def _health(self) -> dict[str, bool]:
        """Which services' tasks have health checks; without those of which nobody says."""
        found = registered(self._account, self._fleet, [one.key for one in self._fleet.ordered()])
        return {key: one.health_checked for key, one in found.items()}

    def _image(self, key: str) -> str:
        """Of the tasks of a service."""
        service = service_of(self._fleet, key)
        there = Observer(self._account, self._fleet, now=self._utc).look(tasks=False).services[key]
        if not there.task_definition:
            raise TargetError(f"there is no service {service.name}", hint="auroral infra apply")
        answer = self._account.call("ecs", "describe_task_definition", taskDefinition=there.task_definition)
        return str(container_of(answer["taskDefinition"], service.container).get("image", ""))

    def _tags(self, image: verify_cluster.EcrImage) -> tuple[list[str], str]:
        """An image's tags; or why they are not known."""
        if image.region != self._account.region:
            return [], f"its image is in {image.region}: its tags were not compared"
        try:
            answer = self._account.call(
                "ecr",
                "describe_images",
                registryId=image.account,
                repositoryName=image.name,
                imageIds=[{"imageDigest": image.digest}],
            )
        except AwsError as error:
            _raise_expired(error)
            return [], f"the tags of its image are not known: {error.message}"
        tags = [str(tag) for one in answer.get("imageDetails") or () for tag in one.get("imageTags") or ()]
        return tags, "" if tags else "its image has no tag to compare with"

    def _measured(self) -> float:
        named = self._fleet.named
        if not named.dsql_cluster:
            raise TargetError("the DSQL cluster is not known")
        return stores.connections(self._account, named.dsql_cluster, self._utc()).connections

    def _pooled(self) -> float:
        if self._ask is None:
            raise TargetError("no workspace of metrics is known")
        samples = self._ask(verify_cluster.POOLS)
        if not samples:
            raise TargetError("the workspace has no series dsql_pool_open")
        return samples[0].value

    def _port(self, service: str, remote: int | None = None) -> AbstractContextManager[int]:
        return forwarded(self._account, self._fleet, service, remote_port=remote, environ=self._environ)

    def _awaited(self, look: Callable[[], Found | Pending]) -> Found:
        """Look until it is no longer pending, with back-off. A failure of AWS that passes is borne."""
        waiter = Waiter(Patience(deadline_s=self._wait_s), self._now_s())
        told = ""
        while True:
            try:
                found = look()
            except AwsError as error:
                if not error.failure.passes:
                    raise
                last: AwsError | None = error
                found = Pending(text=error.message, remedy=error.hint)
            else:
                last = None
            if isinstance(found, Found):
                return found
            wait_s = waiter.wait_s(self._now_s(), progressed=bool(told) and found.text != told)
            if wait_s is None:
                if last is not None:
                    raise last
                waited_s = waiter.waited_s(self._now_s())
                return failed(f"not so after {waited_s:.0f} s: {found.text}", found.remedy)
            if found.text != told:
                self._say(f"  {found.text}")
                told = found.text
            self._sleep(wait_s)


_METRICS: Sequence[str] = (verify_cluster.UP, verify_cluster.UP_AGE, verify_cluster.POOL_AGE)


def get(port: int, path: str) -> Answer:
    """What a web server behind a local port says. Raises `TargetError` where nothing comes."""
    asked = http.client.HTTPConnection("localhost", port, timeout=WEB_S)
    began_s = time.monotonic()
    try:
        asked.request("GET", path, headers={"Connection": "close", "Accept": "*/*"})
        answer = asked.getresponse()
        text = answer.read(MOST_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TargetError(f"the port is open, but GET {path} gets no answer: {why}") from error
    finally:
        asked.close()
    return Answer(
        status=answer.status,
        content_type=answer.getheader("Content-Type") or "",
        text=text,
        took_s=time.monotonic() - began_s,
    )


def _raise_expired(error: AuroralError) -> None:
    if isinstance(error, AwsError) and error.failure.kind is Kind.EXPIRED:
        raise error
