"""Waivers: findings that are accepted, each with its reason. Pure.

A file of them is TOML:

    [[waiver]]
    property = "no-star-resource"      # or its number
    address = "module.collector.*"     # exact, or with a * at its end
    reason = "…"
    until = 2027-01-31                 # optional: from the next day on it counts no more
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.config import did_you_mean
from auroral.errors import UsageError
from auroral.infra.findings import Property

_LEAST_REASON = 10


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted finding."""

    property: str
    """Name of the property."""
    address: str
    reason: str
    until: datetime.date | None = None

    def covers(self, name: str, address: str, today: datetime.date) -> bool:
        """Whether it waives this property here, today."""
        return self.matches(name, address) and not self.expired(today)

    def matches(self, name: str, address: str) -> bool:
        """Whether it is about this property here."""
        if self.property != name:
            return False
        return address.startswith(self.address[:-1]) if self.address.endswith("*") else address == self.address

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until


def parse_waivers(text: str, properties: Sequence[Property], source: str = "waivers") -> tuple[Waiver, ...]:
    """Read a file of waivers. Raises `UsageError` with every fault of it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not TOML: {error}", hint="docs/infra-check.md shows a waiver") from error
    strange = [name for name in document if name != "waiver"]
    entries = document.get("waiver", [])
    if strange or not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise UsageError(f"{source}: expected [[waiver]] tables only, got {', '.join(strange) or 'waiver as a value'}")
    names = {one.name: one.name for one in properties} | {str(one.number): one.name for one in properties}
    found, faults = [], []
    for number, entry in enumerate(entries, 1):
        wrong = list(_faults(entry, names))
        faults += [f"  waiver {number}: {fault}" for fault in wrong]
        if not wrong:
            found.append(
                Waiver(
                    property=names[str(entry["property"])],
                    address=entry["address"],
                    reason=entry["reason"],
                    until=entry.get("until"),
                )
            )
    if faults:
        raise UsageError("\n".join([f"{source} has faults:", *faults]), hint="docs/infra-check.md shows a waiver")
    return tuple(found)


def _faults(entry: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    faults = [f"{name} is no field: expected property, address, reason, until" for name in entry if name not in _FIELDS]
    chosen = str(entry.get("property", ""))
    if chosen not in names:
        suggestion = did_you_mean(chosen, [one for one in names if not one.isdigit()])
        faults.append(f"property {chosen or 'missing'}: expected a property's name or number{suggestion}")
    if not isinstance(entry.get("address"), str) or entry.get("address") in ("", "*"):
        faults.append("address: expected a resource's address, with a * at its end for all that begin so")
    if not isinstance(entry.get("reason"), str) or len(entry["reason"].strip()) < _LEAST_REASON:
        faults.append(f"reason: expected why, in {_LEAST_REASON} characters or more")
    until = entry.get("until")
    if until is not None and type(until) is not datetime.date:
        faults.append(f"until {until}: expected a date such as 2027-01-31, without quotes")
    return faults


_FIELDS = ("property", "address", "reason", "until")
