"""What a correctness property says of a resource, and what a property is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from auroral.infra.model import Platform, Resource

Kind = Literal["kept", "broken", "unknown"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One resource (or output) under one property."""

    address: str
    kind: Kind
    message: str = ""
    """What is wrong and what was expected, or what is not known yet."""


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must hold of every deployment."""

    number: int
    """As in the issue that lists them; waivers name it."""
    name: str
    why: str
    check: Callable[[Platform], Iterable[Finding]]
    checkov: tuple[str, ...] = ()
    """Checks of checkov that look at the same."""


def kept(resource: Resource | str) -> Finding:
    """The property holds here."""
    return Finding(address=_address(resource), kind="kept")


def broken(resource: Resource | str, message: str) -> Finding:
    """The property does not hold here."""
    return Finding(address=_address(resource), kind="broken", message=message)


def unknown(resource: Resource | str, what: str) -> Finding:
    """A plan does not know this yet; check the state once it is applied."""
    return Finding(address=_address(resource), kind="unknown", message=what)


def judged(resource: Resource | str, problems: Iterable[str], not_known: Iterable[str] = ()) -> Finding:
    """One finding of several problems: broken by any, else unknown where something is, else kept."""
    wrong, open_ = list(problems), list(not_known)
    if wrong:
        return broken(resource, "; ".join(wrong))
    return unknown(resource, "; ".join(open_)) if open_ else kept(resource)


def _address(resource: Resource | str) -> str:
    return resource if isinstance(resource, str) else resource.address
