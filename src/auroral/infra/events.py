"""Terraform's JSON lines: as progress to be read, and as failures of auroral's kinds. Pure.

Format: "Machine-Readable UI", Terraform 1.11 (`ui` 1.2).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.errors import AuroralError, TargetError, UsageError

_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±", "import": "<", "move": ">", "remove": "×"}
_LISTED = ("update", "delete", "replace", "import", "move", "remove")
_DONE = {"create": "created", "update": "updated", "delete": "destroyed", "replace": "replaced"}


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One error or warning."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""
    place: str = ""
    """file:line."""

    def __str__(self) -> str:
        where = f" ({self.address or self.place})" if self.address or self.place else ""
        return f"{self.summary}{where}" + (f": {self.detail}" if self.detail else "")


class Progress:
    """Reads the lines of one run; `line` returns what a person should see of it."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.planned: Counter[str] = Counter()
        self._by_module: dict[str, Counter[str]] = {}
        self._done = 0
        self._total = 0

    @property
    def changes(self) -> int:
        """How many resources a plan changes."""
        return sum(count for action, count in self.planned.items() if action not in ("read", "no-op"))

    @property
    def errors(self) -> list[Diagnostic]:
        """The errors, each once."""
        return list(dict.fromkeys(one for one in self.diagnostics if one.severity == "error"))

    def line(self, text: str) -> list[str]:
        """Lines to show for one line of Terraform; what is no JSON is shown as it is."""
        text = text.rstrip()
        try:
            event = json.loads(text)
        except ValueError:
            return [text] if text.strip() else []
        if not isinstance(event, dict):
            return [text]
        kind = event.get("type", "")
        reader = getattr(self, f"_on_{kind}", None)
        return list(reader(event)) if reader is not None else []

    def _on_diagnostic(self, event: Mapping[str, Any]) -> list[str]:
        told = diagnostic(event["diagnostic"])
        self.diagnostics.append(told)
        return [f"warning: {told}"] if told.severity == "warning" else []

    def _on_init_output(self, event: Mapping[str, Any]) -> list[str]:
        message = str(event.get("@message", "")).strip()
        return [message] if message and event.get("message_code", "").endswith("success_message") else []

    def _on_planned_change(self, event: Mapping[str, Any]) -> list[str]:
        change = event["change"]
        action, resource = change["action"], change["resource"]
        self.planned[action] += 1
        if action in _LISTED:
            reason = f" ({change['reason'].replace('_', ' ')})" if change.get("reason") else ""
            return [f"{_SIGNS[action]} {action} {resource['addr']}{reason}"]
        module = resource.get("module") or "the root"
        self._by_module.setdefault(module, Counter())[action] += 1
        return []

    def _on_change_summary(self, event: Mapping[str, Any]) -> list[str]:
        changes = event["changes"]
        counted = {"add": changes.get("add", 0), "change": changes.get("change", 0), "remove": changes.get("remove", 0)}
        if changes.get("operation") == "plan":
            self._total = sum(counted.values())
            groups = [
                f"{_SIGNS.get(action, ' ')} {action} {count} in {module}"
                for module, actions in self._by_module.items()
                for action, count in actions.items()
                if action == "create"
            ]
            words = f"plan: {counted['add']} to create, {counted['change']} to change, {counted['remove']} to destroy"
            return [*groups, words]
        return [f"done: {counted['add']} created, {counted['change']} changed, {counted['remove']} destroyed"]

    def _on_apply_complete(self, event: Mapping[str, Any]) -> list[str]:
        hook = event["hook"]
        if hook["action"] == "read":
            return []
        self._done += 1
        done = _DONE.get(hook["action"], hook["action"])
        count = f"[{self._done}/{self._total}] " if self._total else f"[{self._done}] "
        return [f"{count}{done} {hook['resource']['addr']} ({hook.get('elapsed_seconds', 0):g} s)"]

    def _on_apply_progress(self, event: Mapping[str, Any]) -> list[str]:
        hook = event["hook"]
        elapsed = hook.get("elapsed_seconds", 0)
        waits = elapsed >= 30 and elapsed % 30 < 10
        return [f"… {hook['resource']['addr']}: still working after {elapsed:g} s"] if waits else []

    def _on_apply_errored(self, event: Mapping[str, Any]) -> list[str]:
        return [f"failed: {event['hook']['resource']['addr']}"]

    def expect(self, total: int) -> None:
        """Say how many changes an apply will make, so that progress counts towards them."""
        self._total = total


def diagnostic(told: Mapping[str, Any]) -> Diagnostic:
    """One diagnostic of Terraform's JSON."""
    where = told.get("range") or {}
    place = f"{where['filename']}:{where['start']['line']}" if where.get("filename") else ""
    return Diagnostic(
        severity=told.get("severity", "error"),
        summary=told.get("summary", ""),
        detail=str(told.get("detail", "")).strip(),
        address=told.get("address", ""),
        place=place,
    )


_CREDENTIALS = re.compile(
    "No valid credential sources|ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|"
    "failed to refresh cached credentials|get credentials|AuthFailure|security token included in the request",
    re.IGNORECASE,
)
_INIT = re.compile(
    "Backend initialization required|Backend configuration|Module not installed|Inconsistent dependency lock|"
    "Required plugins are not installed|Missing required provider|please run .terraform init|Initialization required",
    re.IGNORECASE,
)
_UNREACHED = re.compile("no such host|connection refused|i/o timeout|Failed to query available provider", re.IGNORECASE)
_USAGE = (
    "Invalid value for variable",
    "No value for required variable",
    "Invalid value for input variable",
    "Value for undeclared variable",
    "Unsupported argument",
    "Resource precondition failed",
    "Module output value precondition failed",
    "Failed to read variables file",
    "Saved plan is stale",
    "Invalid multi-line string",
)
_LOCK_LINE = re.compile(r"^\s*(ID|Operation|Who|Created):\s*(.+)$", re.MULTILINE)


def failure(errors: Sequence[Diagnostic], command: str, stderr: str = "") -> AuroralError:
    """What a failed run tells its user: the diagnostics as they are, under the right exit code, with what to do."""
    text = "\n".join(str(one) for one in errors) or stderr.strip() or "it ended without saying why"
    locked = next((one for one in errors if "state lock" in one.summary), None)
    if locked is not None:
        return _locked(locked)
    if _INIT.search(text):
        return UsageError(f"terraform {command}: {text}", hint="auroral infra init, with the same options")
    if _CREDENTIALS.search(text):
        return TargetError(
            f"terraform {command}: {text}", hint="sign in (aws sso login), and name the profile: --aws-profile"
        )
    if errors and all(one.summary in _USAGE for one in errors):
        return UsageError("\n".join(_variable(one) for one in errors))
    hint = "is the region right, and the network there?" if _UNREACHED.search(text) else ""
    return TargetError(f"terraform {command} failed:\n{text}", hint=hint)


def _locked(told: Diagnostic) -> TargetError:
    facts = dict(_LOCK_LINE.findall(told.detail))
    if "ID" not in facts:
        return TargetError(f"the state cannot be locked: {told.detail}")
    who = f"{facts.get('Who', 'somebody').strip()} since {facts.get('Created', 'an unknown time').strip()}"
    return TargetError(
        f"the state is locked by {who} ({facts.get('Operation', 'an operation').strip()})",
        hint=f"wait for it to end; if it is gone for good: auroral infra unlock {facts['ID'].strip()}",
    )


def _variable(one: Diagnostic) -> str:
    """A validation's own message says it all: it is shown as the module wrote it."""
    detail = re.split(r"\n+This was checked by the validation rule at", one.detail)[0].strip()
    return detail if one.summary in _USAGE[:1] else f"{one.summary}: {detail}"
