"""What Terraform plans, or has applied, as resources with values: read from `terraform show -json`. Pure.

Format: "JSON Output Format", Terraform 1.11, format_version 1.x. Of a plan the resources are as they will be; what only
an apply decides is `UNKNOWN`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from auroral.errors import UsageError


class _Unknown:
    """The value that only an apply decides."""

    def __repr__(self) -> str:
        return "(known after apply)"

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false: compare with UNKNOWN first")


UNKNOWN = _Unknown()


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One managed resource."""

    address: str
    module: str = ""
    """Address of its module with keys, such as `module.temporal["history"]`; "": the root."""
    type: str
    name: str
    key: str | int | None = None
    """Its key of for_each, or number of count."""
    values: Mapping[str, Any] = {}
    sensitive: Any = False
    """The places of `values` that are sensitive, in Terraform's form."""
    actions: tuple[str, ...] = ()
    """What the plan does; none in a state."""
    before: Mapping[str, Any] | None = None

    def get(self, *path: str | int) -> Any:
        """The value at a path; None where there is none, UNKNOWN where it or what holds it is not known."""
        value: Any = self.values
        for step in path:
            if value is UNKNOWN:
                return UNKNOWN
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def items(self, *path: str | int) -> list[Any]:
        """The list at a path; empty where there is none or it is not known."""
        value = self.get(*path)
        return value if isinstance(value, list) else []


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a plan or state says."""

    kind: Literal["plan", "state"]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any] = {}
    variables: Mapping[str, Any] = {}
    references: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}
    """(module without keys, type.name) → argument → what its expression names. Of a plan only."""

    def of_type(self, *types: str) -> list[Resource]:
        """Resources of these types."""
        return [one for one in self.resources if one.type in types]

    @property
    def contract(self) -> Mapping[str, Any]:
        """The output `contract`; empty where there is none. Unknown parts are UNKNOWN."""
        value = self.outputs.get("contract")
        return value if isinstance(value, Mapping) else {}

    def at(self, *path: str) -> Any:
        """The value of the contract at a path; None where there is none."""
        value: Any = self.contract
        for step in path:
            if value is UNKNOWN:
                return UNKNOWN
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    @property
    def egress_mode(self) -> str | None:
        """`endpoints` or `nat`, as contract or variable say; None where neither does."""
        for value in (self.at("network", "egress_mode"), self.variables.get("egress_mode")):
            if isinstance(value, str):
                return value
        return None

    def named(self, resource: Resource, argument: str) -> tuple[str, ...]:
        """What the expression of an argument names; nothing of a state."""
        key = (_without_keys(resource.module), f"{resource.type}.{resource.name}")
        return self.references.get(key, {}).get(argument, ())

    def sets(self, resource: Resource, argument: str) -> bool | None:
        """Whether the configuration sets an argument; None where it cannot be told (a state)."""
        key = (_without_keys(resource.module), f"{resource.type}.{resource.name}")
        return argument in self.references[key] if key in self.references else None

    def refers(self, resource: Resource, argument: str, type_: str, *ids: str) -> Resource | None:
        """The resource that an argument names: by its value (compared with `ids`), else in its own module."""
        value = resource.get(argument)
        candidates = self.of_type(type_)
        if value is not UNKNOWN and value is not None:
            return next((one for one in candidates if value in [one.get(name) for name in ids]), None)
        for named in self.named(resource, argument):
            kind, _, rest = named.partition(".")
            if kind == type_:
                name = re.split(r"[.\[]", rest)[0]
                near = [one for one in candidates if one.module == resource.module and one.name == name]
                same = [one for one in near if one.key == resource.key]
                if len(near) == 1 or same:
                    return (same or near)[0]
        return None


def parse(text: str | bytes, source: str = "the plan") -> Platform:
    """Read `terraform show -json` of a plan or a state. Raises `UsageError` where it is neither."""
    hint = "terraform show -json PLAN > plan.json; without PLAN it shows the state"
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: expected the JSON of `terraform show -json`, got no JSON", hint=hint) from error
    if not isinstance(document, dict) or not str(document.get("format_version", "")).startswith("1."):
        version = document.get("format_version") if isinstance(document, dict) else None
        got = f"format_version {version}" if version else "no format_version"
        raise UsageError(f"{source}: expected the JSON of `terraform show -json` (format 1.x), got {got}", hint=hint)
    try:
        if "resource_changes" in document or "planned_values" in document:
            return _plan(document)
        return _state(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{source}: not as `terraform show -json` writes it: {error!r}", hint=hint) from error


def _plan(document: Mapping[str, Any]) -> Platform:
    resources = []
    for change in document.get("resource_changes", []):
        does = change["change"]
        if change.get("mode") != "managed" or does["actions"] in (["delete"], ["forget"]):
            continue
        resources.append(
            _resource(
                change,
                values=_with_unknown(does.get("after") or {}, does.get("after_unknown", False)),
                sensitive=does.get("after_sensitive", False),
                actions=tuple(does["actions"]),
                before=does.get("before"),
            )
        )
    outputs = {
        name: _with_unknown(change.get("after"), change.get("after_unknown", False))
        for name, change in document.get("output_changes", {}).items()
        if change.get("actions") != ["delete"]
    }
    references: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    _read_configuration(document.get("configuration", {}).get("root_module", {}), "", references)
    return Platform(
        kind="plan",
        resources=tuple(resources),
        outputs=outputs,
        variables={name: one.get("value") for name, one in document.get("variables", {}).items()},
        references=references,
    )


def _state(document: Mapping[str, Any]) -> Platform:
    values = document.get("values") or {}
    found = list(_state_resources(values.get("root_module", {}), ""))
    outputs = {name: one.get("value") for name, one in values.get("outputs", {}).items()}
    return Platform(kind="state", resources=tuple(found), outputs=outputs)


def _state_resources(module: Mapping[str, Any], address: str) -> Iterator[Resource]:
    for one in module.get("resources", []):
        if one.get("mode") == "managed":
            yield _resource(
                {**one, "module_address": address},
                values=one.get("values") or {},
                sensitive=one.get("sensitive_values", False),
            )
    for child in module.get("child_modules", []):
        yield from _state_resources(child, child["address"])


def _resource(told: Mapping[str, Any], **more: Any) -> Resource:
    return Resource(
        address=told["address"],
        module=told.get("module_address", ""),
        type=told["type"],
        name=told["name"],
        key=told.get("index"),
        **more,
    )


def _with_unknown(value: Any, unknown: Any) -> Any:
    """Terraform leaves unknown values out and says apart where they are: put UNKNOWN there."""
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, Mapping):
        known = dict(value) if isinstance(value, Mapping) else {}
        for name, part in unknown.items():
            if _anywhere(part):
                known[name] = _with_unknown(known.get(name), part)
        return known
    if isinstance(unknown, list) and any(_anywhere(part) for part in unknown):
        known_items = value if isinstance(value, list) else []
        parts = [*unknown, *[False] * (len(known_items) - len(unknown))]
        return [
            _with_unknown(known_items[number] if number < len(known_items) else None, part)
            for number, part in enumerate(parts)
        ]
    return value


def _anywhere(unknown: Any) -> bool:
    if isinstance(unknown, Mapping):
        return any(_anywhere(part) for part in unknown.values())
    if isinstance(unknown, list):
        return any(_anywhere(part) for part in unknown)
    return unknown is True


def _read_configuration(
    module: Mapping[str, Any], address: str, found: dict[tuple[str, str], dict[str, tuple[str, ...]]]
) -> None:
    for one in module.get("resources", []):
        expressions = one.get("expressions", {})
        found[(address, f"{one['type']}.{one['name']}")] = {
            name: tuple(part.get("references", ())) if isinstance(part, Mapping) else ()
            for name, part in expressions.items()
        }
    for name, call in module.get("module_calls", {}).items():
        inner = f"{address}.module.{name}" if address else f"module.{name}"
        _read_configuration(call.get("module", {}), inner, found)


def _without_keys(address: str) -> str:
    return re.sub(r'\[(?:"(?:[^"\\]|\\.)*"|\d+)\]', "", address)
