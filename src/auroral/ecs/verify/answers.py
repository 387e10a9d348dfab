"""Judges answers of a deployment's own programs for its proof: web pages, and auroral's commands. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from auroral.bench.result import Result
from auroral.ecs.health.snapshot import SearchSeen
from auroral.ecs.rollout.preflight import of_schema
from auroral.ecs.verify.checks import Found, failed, passed
from auroral.errors import ExitCode
from auroral.units import format_duration, format_rate

UI_PAGE, UI_CLUSTER = "/", "/api/v1/cluster-info"
"""The second is passed on to the frontend (temporalio/ui, server/server/route/api.go, read in November 2026)."""
GRAFANA_HEALTH, GRAFANA_ORG = "/api/health", "/api/org"
"""The first asks for no login and says how its database is (Grafana's HTTP API, "Other", read in November 2026)."""
NAMESPACE = "temporal-system"
"""Temporal's own, which is there before any other."""
LIST = f"/api/v1/namespaces/{NAMESPACE}/workflows?pageSize=1"
"""ListWorkflowExecutions, of the frontend's HTTP API."""

_PAGE = ("/_app/", 'id="svelte"')
"""What the UI's page has of the framework it is built with; its title is set by a script."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a web server said."""

    status: int
    content_type: str = ""
    text: str = ""
    took_s: float = 0.0

    @property
    def said(self) -> Mapping[str, Any] | None:
        """The JSON object that it said; None where it is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def get(self, name: str) -> Any:
        """A field of that object; None where there is none."""
        return (self.said or {}).get(name)

    @property
    def words(self) -> str:
        """In one line."""
        text = str(self.get("message") or self.get("error") or "") or " ".join(self.text.split())
        return f"HTTP {self.status}{f': {text[:200]}' if text else ''}"


def ui(page: Answer, cluster: Answer) -> Found:
    """The page, and what it can ask of the cluster."""
    if page.status != 200:
        return failed(f"its page does not load: {page.words}", "auroral cluster logs ui")
    if "html" not in page.content_type or not any(sign in page.text for sign in _PAGE):
        return failed(f"expected Temporal's UI, found another page: {page.words}", "auroral cluster logs ui")
    version = cluster.get("serverVersion")
    if cluster.status != 200 or not version:
        # Clients of Service Connect resolve only the names that existed when they were deployed.
        return failed(f"its page loads, but it does not reach the frontend: {cluster.words}", "auroral cluster roll ui")
    return passed(f"its page loads, and it reaches the frontend (Temporal {version})")


def grafana(health: Answer, org: Answer) -> Found:
    """Its health, and what it answers to whoever has not logged in."""
    database = health.get("database")
    if health.status != 200 or database != "ok":
        told = f"its database is {database}" if database else health.words
        return failed(f"it is not healthy: {told}", "auroral cluster logs grafana")
    if org.status != 401:
        return failed(
            f"it answers without a login ({GRAFANA_ORG}: HTTP {org.status}, expected 401): is anonymous access on?",
            "correct GF_AUTH_ANONYMOUS_ENABLED in its task definition, then auroral infra apply, auroral cluster roll",
        )
    version = health.get("version")
    return passed(f"Grafana{f' {version}' if version else ''} is healthy, and asks for a login")


def workflows(answer: Answer) -> Found:
    """The list of workflows."""
    if answer.status != 200:
        return failed(f"listing the workflows of {NAMESPACE} failed: {answer.words}", "auroral visibility status")
    if answer.said is None or not isinstance(answer.said.get("executions", []), list):
        return failed(f"expected a list of workflows, found {answer.words}", "auroral cluster logs frontend")
    return passed(f"ListWorkflowExecutions of {NAMESPACE} answered in {answer.took_s * 1000:.0f} ms")


def schema(text: str) -> Found | None:
    """What `auroral schema status -- -json` printed; None where there is no document of it."""
    missing = of_schema(text)
    if missing is None:
        return None
    if missing:
        return failed("; ".join(one.what for one in missing), missing[0].command)
    return passed("the schema is of the version that the servers expect, roles and grants are there")


def visibility(text: str, search: SearchSeen | None, note: str = "") -> Found | None:
    """What `auroral visibility status --json` printed, and CloudWatch's measure of the domain; None where there is no
    document. `note`: why CloudWatch's measure is not known."""
    found = Answer(status=0, text=text[text.find("{") : text.rfind("}") + 1])
    if not str(found.get("schema")).startswith("auroral.visibility/"):
        return None
    index, health = found.get("index"), found.get("health")
    if health == "red":
        return failed(f"the index {index} is red: a primary shard has no node", "auroral visibility status")
    differences = found.get("differences") or []
    if differences:
        more = f", and {len(differences) - 1} more" if len(differences) > 1 else ""
        return failed(
            f"the index {index} is not as it must be: {differences[0]['what']}{more}", "auroral visibility apply"
        )
    notes = [note] if note else []
    if search is not None:
        if search.status == "red":
            return failed("CloudWatch measures the domain as red", "auroral visibility status")
        if search.writes_blocked:
            return failed("the domain takes no writes: visibility stands still", "auroral visibility status")
        if search.status == "yellow":
            notes.append("CloudWatch measures the domain as yellow: a replica has no node")
    documents = found.get("documents") or 0
    return passed(f"the index {index} is {health or 'there'} and as it must be, {documents:,} documents", *notes)


def benchmark(code: int, result: Result | None) -> Found:
    """How a run ended."""
    if result is None:
        return failed(f"it ended with {code}, and its result is lost", "auroral bench remote results")
    more = f"auroral bench remote results {result.manifest.run_id}"
    if code != ExitCode.OK or result.verdict.status != "pass":
        reasons = "; ".join(result.verdict.reasons) or f"it ended with {code}"
        return failed(f"{result.verdict.status}: {reasons}", more)
    window = next((one for one in result.windows if one.kind in ("steady", "stage")), None)
    rate = f"{format_rate(window.completed_per_s)} completed of {format_rate(window.target_per_s)}, " if window else ""
    completed, lasted = result.outcomes.get("completed", 0), format_duration(round(result.duration_s))
    return passed(f"pass: {rate}{completed:,} of {result.scheduled:,} workflows in {lasted} ({result.manifest.run_id})")
