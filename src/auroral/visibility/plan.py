"""What is there against what has to be there: differences, and the steps that end them in place. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from auroral.visibility.access import mapped, mapping_body, role_body, role_differs, role_name, unmapped
from auroral.visibility.template import Template, flat_settings

_DYNAMIC_SETTINGS = ("number_of_replicas", "auto_expand_replicas", "search.idle.after")
"""Settings of the template that OpenSearch changes on an open index; the others are fixed when it is made."""

_SHARDS = "number_of_shards"

_MANAGED_BY_OTHERS = ("number_of_replicas",)
"""OpenSearch sets it itself where `auto_expand_replicas` is on."""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """What the security plugin says."""

    available: bool
    """Whether it answers us."""
    reason: str = ""
    """Why not."""
    role: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is there."""

    distribution: str
    """Name and version of the server."""
    concrete: tuple[str, ...] = ()
    """Indexes behind the name; empty: there is none."""
    mappings: dict[str, Any] = {}
    settings: dict[str, str] = {}
    template: dict[str, Any] | None = None
    health: str = ""
    documents: int = 0
    security: Security


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it has to be."""

    what: str
    """In a sentence's part: `field RunId is missing`."""
    in_place: bool
    """Whether `apply` can end it."""
    hint: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request that changes something."""

    what: str
    method: str
    path: str
    body: dict[str, Any]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, and what `apply` would send; with refusals it sends nothing."""

    differences: tuple[Difference, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    """What is worth knowing and no difference."""

    @property
    def refusals(self) -> tuple[Difference, ...]:
        """What cannot be ended in place."""
        return tuple(one for one in self.differences if not one.in_place)


def installed(mappings: dict[str, Any]) -> dict[str, Any] | None:
    """What an index's mapping records of the version that made it, if it records one that can be read."""
    meta = mappings.get("_meta")
    record = meta.get("auroral") if isinstance(meta, dict) else None
    if isinstance(record, dict) and type(record.get("template")) is int:
        return record
    return None


def make_plan(wanted: Template, found: Found, arns: Sequence[str], *, shards_asked: bool = False) -> Plan:
    """Compare, and say what to send. `arns`: who has to be mapped to the servers' role; none: roles are left alone."""
    differences: list[Difference] = []
    steps: list[Step] = []
    notes: list[str] = []
    newer = _newer(wanted, found)
    if newer is not None:
        notes.append(newer)
    else:
        _template(wanted, found, differences, steps, shards_asked=shards_asked)
    if not found.concrete:
        differences.append(Difference(what=f"index {wanted.index} is missing", in_place=True))
        steps.append(
            Step(what=f"create index {wanted.index}", method="PUT", path=f"/{wanted.index}", body=wanted.index_body)
        )
    elif len(found.concrete) > 1:
        differences.append(
            Difference(
                what=f"{wanted.index} is an alias of {len(found.concrete)} indexes: {', '.join(found.concrete)}",
                in_place=False,
                hint="expected one index; Temporal writes to one only",
            )
        )
    else:
        if found.concrete[0] != wanted.index:
            notes.append(f"{wanted.index} is an alias of {found.concrete[0]}")
        _mapping(wanted, found, differences, steps, record=newer is None)
        _settings(wanted, found, differences, steps, notes, shards_asked=shards_asked)
    if arns:
        _access(wanted, found.security, arns, differences, steps)
    if found.health == "yellow":
        notes.append("health is yellow: a replica has no node")
    return Plan(differences=tuple(differences), steps=tuple(steps), notes=tuple(notes))


def _newer(wanted: Template, found: Found) -> str | None:
    record = installed(found.mappings)
    if record is None or record["template"] <= wanted.source.template:
        return None
    return (
        f"index {wanted.index} is of a newer template, {record['template']} of Temporal {record.get('temporal', '?')}; "
        f"this auroral has {wanted.source.template} and leaves template and record as they are"
    )


def _template(
    wanted: Template, found: Found, differences: list[Difference], steps: list[Step], *, shards_asked: bool
) -> None:
    there, body = found.template, wanted.body
    if there is not None and not shards_asked:
        # Somebody's choice, which stays.
        shards = flat_settings(there.get("settings") or {}).get(_SHARDS, wanted.settings[_SHARDS])
        body["settings"] = {"index": {**wanted.raw_settings["index"], _SHARDS: shards}}
    if there is None:
        what, verb = f"template {wanted.name} is missing", "create"
    elif _comparable(there) != _comparable(body):
        what, verb = f"template {wanted.name} is not that of Temporal {wanted.source.version}", "update"
    else:
        return
    differences.append(Difference(what=what, in_place=True))
    steps.append(Step(what=f"{verb} template {wanted.name}", method="PUT", path=f"/_template/{wanted.name}", body=body))


def _comparable(body: dict[str, Any]) -> Any:
    mappings = body.get("mappings") or {}
    patterns = body.get("index_patterns") or ()
    record = installed(mappings)
    return (
        body.get("order", 0),
        frozenset(patterns if isinstance(patterns, list) else [patterns]),
        flat_settings(body.get("settings") or {}),
        str(mappings.get("dynamic", "true")).lower(),
        mappings.get("properties") or {},
        # auroral's own version may differ without a difference of the template.
        record and (record["template"], record.get("temporal")),
    )


def _mapping(wanted: Template, found: Found, differences: list[Difference], steps: list[Step], *, record: bool) -> None:
    there = found.mappings.get("properties") or {}
    missing = {name: field for name, field in wanted.properties.items() if name not in there}
    differences += [Difference(what=f"field {name} is missing", in_place=True) for name in missing]
    for name, field in wanted.properties.items():
        if name in there and (problem := _field_differs(field, there[name])):
            hint = (
                f"a field's type cannot change: make a new index (--index {wanted.index}-2), reindex into it, and give "
            )
            hint += "it to the servers as TEMPORAL_OPENSEARCH_INDEX"
            differences.append(Difference(what=f"field {name} {problem}", in_place=False, hint=hint))
    body: dict[str, Any] = {}
    if missing:
        body["properties"] = missing
    dynamic = str(found.mappings.get("dynamic", "true")).lower()
    if dynamic != wanted.dynamic:
        differences.append(Difference(what=f"dynamic mapping is {dynamic}, not {wanted.dynamic}", in_place=True))
        body["dynamic"] = wanted.dynamic
    before = installed(found.mappings)
    now = (wanted.source.template, wanted.source.version)
    if record and (before is None or (before["template"], before.get("temporal")) != now):
        had = "no version" if before is None else f"template {before['template']} of Temporal {before.get('temporal')}"
        what = f"the mapping records {had}, not template {now[0]} of Temporal {now[1]}"
        differences.append(Difference(what=what, in_place=True))
        meta = found.mappings.get("_meta")
        body["_meta"] = (meta if isinstance(meta, dict) else {}) | wanted.meta
    if body:
        what = f"add {len(missing)} fields to the mapping" if missing else "update the mapping"
        steps.append(Step(what=what, method="PUT", path=f"/{found.concrete[0]}/_mapping", body=body))


def _field_differs(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    if found.get("type", "object") != wanted["type"]:
        return f"has type {found.get('type', 'object')}, not {wanted['type']}"
    for name, value in wanted.items():
        # A number comes back as a float.
        if name != "type" and found.get(name) != value:
            return f"has {name} {found.get(name)}, not {value}"
    if found.get("index") is False or found.get("doc_values") is False:
        return "cannot be searched or sorted by: index or doc_values is off"
    return ""


def _settings(
    wanted: Template,
    found: Found,
    differences: list[Difference],
    steps: list[Step],
    notes: list[str],
    *,
    shards_asked: bool,
) -> None:
    changed: dict[str, str] = {}
    for name, value in wanted.settings.items():
        there = found.settings.get(name)
        if there == value or (
            name in _MANAGED_BY_OTHERS and found.settings.get("auto_expand_replicas", "false") != "false"
        ):
            continue
        told = f"setting {name} is {there or 'not set'}, not {value}"
        if name == _SHARDS and not shards_asked:
            notes.append(f"the index has {there} primary shards; Temporal's template has {value}")
        elif name in _DYNAMIC_SETTINGS:
            differences.append(Difference(what=told, in_place=True))
            changed[f"index.{name}"] = value
        else:
            hint = "it is fixed when an index is made: make a new one (--index) and reindex into it"
            differences.append(Difference(what=told, in_place=False, hint=hint))
    if changed:
        path = f"/{found.concrete[0]}/_settings"
        steps.append(Step(what=f"set {', '.join(sorted(changed))}", method="PUT", path=path, body=changed))


def _access(
    wanted: Template, security: Security, arns: Sequence[str], differences: list[Difference], steps: list[Step]
) -> None:
    name = role_name(wanted.index)
    if not security.available:
        differences.append(
            Difference(
                what=f"role mappings cannot be made: {security.reason}",
                in_place=False,
                hint="leave --server-arn out, or give --no-roles, where the domain has no fine-grained access control",
            )
        )
        return
    body = role_body(wanted.index)
    if security.role is None or role_differs(body, security.role):
        what = f"role {name} " + ("is missing" if security.role is None else "grants other rights")
        differences.append(Difference(what=what, in_place=True))
        path = f"/_plugins/_security/api/roles/{name}"
        verb = "create" if security.role is None else "update"
        steps.append(Step(what=f"{verb} role {name}", method="PUT", path=path, body=body))
    if absent := unmapped(arns, security.mapping):
        differences += [Difference(what=f"role {name} is not mapped to {arn}", in_place=True) for arn in absent]
        path = f"/_plugins/_security/api/rolesmapping/{name}"
        what = f"map role {name} to {', '.join(absent)}"
        steps.append(Step(what=what, method="PUT", path=path, body=mapping_body(arns, security.mapping)))


def others_mapped(security: Security, arns: Sequence[str]) -> tuple[str, ...]:
    """Who is mapped to the role beyond these."""
    return tuple(one for one in mapped(security.mapping) if one not in arns)
