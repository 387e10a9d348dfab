"""A deployment whose every part answers, for `auroral cluster verify`, and hands to break each of them.

ECS, its one-shot tasks and the benchmark are the double's, in virtual time. UI, Grafana and the frontend's HTTP API are
real servers behind the plugin's double; the workspace of metrics is a real server that checks each request's signature.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from auroral import marked
from auroral.cli.cluster_verify import verify
from auroral.cli.process import Process
from auroral.ecs.fleet import TEMPORAL, Fleet, of_contract
from auroral.ecs.verify import cluster as verify_cluster
from auroral.ecs.verify.checks import Check
from auroral.errors import AuroralError
from auroral.infra.contract import parse
from tests.support.fake_ecs import FakeAws, Outcome, Refused, outputs
from tests.support.observed import GREEN, domain
from tests.support.remote_bench import NAMED, Bench
from tests.support.session_plugin import install
from tests.support.web import Page, Web

VERSION = "1.4.0-0123456789ab"
SAYS = f"'auroral-server {VERSION}, Temporal 1.31.2, go1.26 linux/arm64\\n'"
"""For printf."""
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HTML, JSON = "text/html; charset=UTF-8", "application/json"
UI = '<!doctype html><html><head><link rel="modulepreload" href="/_app/immutable/entry/start.js"></head></html>'
SCHEMA = {"installed_version": "1.18", "expected_version": "1.18", "missing_access": [], "ok": True}
VISIBILITY = {
    "schema": "auroral.visibility/1",
    "index": "temporal_visibility_v1",
    "ok": True,
    "health": "green",
    "documents": 1234,
    "differences": [],
}
PAGES: dict[str, dict[str, Page]] = {
    "ui": {
        "/": (200, HTML, UI),
        "/api/v1/cluster-info": (200, JSON, '{"serverVersion": "1.31.2", "clusterName": "active"}'),
    },
    "grafana": {
        "/api/health": (200, JSON, '{"database": "ok", "version": "13.1.2", "commit": "x"}'),
        "/api/org": (401, JSON, '{"message": "Unauthorized"}'),
    },
    "frontend": {
        "/api/v1/namespaces/temporal-system/workflows?pageSize=1": (200, "*", '{"executions": []}'),
    },
}
_NO_PAGE: Page = (404, "text/plain", "404 page not found")


class Session:
    """Credentials, as boto3's session has them."""

    def __init__(self, secret: str = SECRET) -> None:
        self._credentials: Any = Credentials("AKID", secret, "token")

    def get_credentials(self) -> Any:
        return self._credentials


def signed(path: str, headers: Mapping[str, str]) -> bool:
    """Whether a request has the signature that AWS would have reckoned."""
    head, _, rest = headers.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",")) if rest else {}
    if head != "AWS4-HMAC-SHA256" or "/us-east-1/aps/aws4_request" not in parts.get("Credential", ""):
        return False
    request = AWSRequest(
        method="GET",
        url=f"http://{headers['host']}{path}",
        headers={name: headers[name] for name in parts["SignedHeaders"].split(";")},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", SECRET, "token"), "aps", "us-east-1")
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return hmac.compare_digest(expected, parts["Signature"])


class Workspace:
    """Answers in the form of Prometheus's API: what a collector that scrapes all tasks would have sent; or passes on
    to a Prometheus at `behind`."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.behind = ""
        self.lost: set[str] = set()
        """Addresses without series."""
        self.down: set[str] = set()
        """Addresses that the collector cannot scrape."""
        self.silent: set[str] = set()
        """Addresses without the pool's metrics."""
        self.old: dict[str, float] = {}
        """Address → age of its newest sample, in seconds."""
        self.refusal: Page | None = None
        self.questions: list[str] = []

    def respond(self, path: str, headers: Mapping[str, str]) -> Page:
        if self.refusal is not None:
            return self.refusal
        if not signed(path, headers):
            return 403, JSON, '{"message": "The request signature we calculated does not match"}'
        where = urlsplit(path)
        if where.path != "/workspaces/ws-1/api/v1/query":
            return _NO_PAGE
        if self.behind:
            with urllib.request.urlopen(f"{self.behind}/api/v1/query?{where.query}", timeout=10) as answer:
                return 200, JSON, answer.read().decode()
        (question,) = parse_qs(where.query)["query"]
        self.questions.append(question)
        result = [{"metric": labels, "value": [1.0, str(value)]} for labels, value in self._answer(question)]
        return 200, JSON, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})

    def _answer(self, question: str) -> Iterator[tuple[dict[str, str], float]]:
        running = [
            (key, task.address) for key in TEMPORAL for task in self.aws.service(key).tasks if task.status == "RUNNING"
        ]
        there = [one for one in running if one[1] not in self.lost]
        if question == verify_cluster.POOLS:
            yield {}, 50.0 * len(there)
            return
        for key, address in there:
            labels = {"service": key, "job": "temporal", "instance": f"{address}:9090"}
            if question == verify_cluster.UP:
                yield labels, 0.0 if address in self.down else 1.0
            if question == verify_cluster.UP_AGE:
                yield labels, self.old.get(address, 14.2)
            if question == verify_cluster.POOL_AGE and address not in self.silent:
                yield labels, self.old.get(address, 14.2)


class Deployment:
    """`with deployment(…) as made: made.verify("--only", …)`; it is up, and all is well."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.bench = Bench(directory)
        self.aws, self.clock = self.bench.aws, self.bench.clock
        self.directory = directory
        self.environ = install(directory / "bin")
        self.mode = ""
        """What the plugin's double does wrong."""
        self.sessions: list[tuple[str, int]] = []
        """Service and remote port; 0: a command."""
        self.server("printf", SAYS)
        self.pages = {service: dict(pages) for service, pages in PAGES.items()}
        self.webs = {service: stack.enter_context(self._web(service)) for service in PAGES}
        self.ports = {service: web.port for service, web in self.webs.items()}
        self.workspace = Workspace(self.aws)
        self.metrics = stack.enter_context(Web(self.workspace.respond))
        self.aws.session = Session()  # type: ignore[attr-defined]
        self.schema: dict[str, Any] = dict(SCHEMA)
        self.visibility: dict[str, Any] = dict(VISIBILITY)
        self.tags = [VERSION]
        self._answers()
        self.aws.settle({key: one.planned for key, one in self.aws.fleet.services.items() if key != "benchmark-worker"})
        contract = self.bench.contract
        contract["metrics"]["query_url"] = f"{self.metrics.url}/workspaces/ws-1/"
        self.write(contract)
        self.out, self.err = io.StringIO(), io.StringIO()

    @property
    def fleet(self) -> Fleet:
        """As the outputs name it."""
        return of_contract(parse(self.bench.contract, "x"), "outputs.json")

    def write(self, contract: dict[str, Any]) -> None:
        """The outputs."""
        self.bench.outputs.write_text(outputs(contract))

    def server(self, *script: str, health: str = "exit 0") -> None:
        """What the frontend's image has as `auroral-server`."""
        program = self.directory / "bin/auroral-server"
        program.write_text(f'#!/bin/sh\ncase "$1" in version) {" ".join(script)};; health) {health};; esac\n')
        program.chmod(0o755)

    def verify(self, **options: Any) -> int:
        """`auroral cluster verify`; its exit code, with errors printed as main does."""
        given: dict[str, Any] = {
            "only": (), "skip": (), "no_benchmark": False, "rate": "10", "duration": "30s", "workers": None,
            "where": "cluster", "timeout": "5m", "output": str(self.directory / "run"), "json": False, "yes": False,
            "dry_run": False, **NAMED, "outputs": str(self.bench.outputs), **options,
        }  # fmt: skip
        clocked = {"sleep": self.clock.sleep, "now_s": self.clock.now_s, "utc": self.clock.utc}
        process = Process([], self.environ, self.out, self.err)
        try:
            return int(verify(process, account=lambda **_: self.aws, **clocked, **given))
        except AuroralError as error:
            process.err(f"error: {error}")
            return int(error.exit_code)
        except KeyboardInterrupt:
            return 4

    def only(self, check: Check, **options: Any) -> int:
        """One check."""
        return self.verify(only=(check,), **options)

    def addresses(self, service: str) -> list[str]:
        """Of its running tasks."""
        return [one.address for one in self.aws.service(service).tasks if one.status == "RUNNING"]

    @property
    def printed(self) -> str:
        return self.out.getvalue()

    @property
    def said(self) -> str:
        return self.err.getvalue()

    def _web(self, service: str) -> Web:
        return Web(lambda path, _: self.pages[service].get(path, _NO_PAGE))

    def _answers(self) -> None:
        aws, monitoring = self.aws, self.aws.world.monitoring
        for name, value in GREEN.items():
            monitoring.set_metric("AWS/ES", name, value)
        monitoring.set_metric("AWS/Usage", "ResourceCount", 412.0)
        monitoring.set_alarm("dev-history-memory")
        monitoring.set_alarm("dev-dsql-connections", "INSUFFICIENT_DATA")
        status = {"EngineVersion": "OpenSearch_2.19", "Processing": False, "UpgradeProcessing": False, "Deleted": False}
        aws.add("opensearch", "describe_domain", lambda **_: {"DomainStatus": domain(status)})
        aws.add("ecr", "describe_images", self._images)
        aws.add("ecs", "execute_command", self._execute)
        aws.add("ssm", "start_session", self._start)
        aws.add("ssm", "terminate_session", lambda SessionId: {"SessionId": SessionId})
        aws.program("dev-schema", lambda _: _lines(1 - bool(self.schema.get("ok")), self.schema))
        aws.program("dev-visibility-setup", lambda _: _lines(1 - bool(self.visibility.get("ok")), self.visibility))

    def _images(self, **_: Any) -> Mapping[str, Any]:
        return {"imageDetails": [{"imageTags": self.tags}] if self.tags else [{}]}

    def _execute(self, *, cluster: str, task: str, container: str, command: str, interactive: bool) -> Any:
        assert interactive
        self.sessions.append((container, 0))
        session = self._session({"command": command})
        return {"session": {name[:1].lower() + name[1:]: value for name, value in session.items()}}

    def _start(self, *, Target: str, DocumentName: str, Parameters: Mapping[str, list[str]]) -> Any:
        _, task, runtime = Target.removeprefix("ecs:").split("_")
        found = [
            (key, one)
            for key in self.aws.fleet.services
            for one in self.aws.service(key).tasks
            if (one.id, one.runtime_id) == (task, runtime)
        ]
        if not found:
            raise Refused("TargetNotConnected", f"{Target} is not connected.")
        service = found[0][0]
        self.sessions.append((service, int(Parameters["portNumber"][0])))
        return self._session({"to": self.ports[service], "listen": int(Parameters["localPortNumber"][0])})

    def _session(self, work: Mapping[str, Any]) -> dict[str, str]:
        number = len(self.sessions)
        file = self.directory / f"session-{number}.json"
        file.write_text(json.dumps({"token": f"secret-{number}", "mode": self.mode, **work}))
        return {"SessionId": f"s-{number}", "TokenValue": f"secret-{number}", "StreamUrl": file.as_uri()}


@contextlib.contextmanager
def deployment(directory: Path) -> Iterator[Deployment]:
    """One that is up."""
    with contextlib.ExitStack() as stack:
        yield Deployment(directory, stack)


def _lines(code: int, document: Mapping[str, Any]) -> Outcome:
    texts = json.dumps(document, indent=1).splitlines()
    lines = [*(one for text in texts for one in marked.marked(marked.OUT, text)), marked.end(code)]
    return Outcome(lines=[(1.0, line) for line in lines], exit_code=code)
