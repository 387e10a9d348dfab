"""Every property on one plan or state, waivers counted: what passes, fails, or is not known. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from auroral.infra.findings import Finding, Property
from auroral.infra.model import Platform
from auroral.infra.properties import PROPERTIES
from auroral.infra.waivers import Waiver

Status = Literal["pass", "fail", "unknown", "nothing"]


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that a waiver accepts."""

    address: str
    message: str
    reason: str
    until: datetime.date | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One property."""

    number: int
    name: str
    why: str
    status: Status
    """`nothing`: there was nothing to look at."""
    kept: int
    broken: tuple[Finding, ...] = ()
    unknown: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """All properties."""

    version: int = 1
    kind: Literal["plan", "state"]
    resources: int
    passed: bool
    """Whether nothing is broken; what is not known is neither."""
    verdicts: tuple[Verdict, ...]
    useless: tuple[Waiver, ...] = ()
    """Waivers that waive nothing: what they were for is gone, or their last day is over."""

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The properties that are broken."""
        return tuple(one for one in self.verdicts if one.status == "fail")

    @property
    def open(self) -> tuple[Verdict, ...]:
        """The properties that a plan does not decide."""
        return tuple(one for one in self.verdicts if one.status == "unknown")


def judge(
    platform: Platform,
    *,
    waivers: Sequence[Waiver] = (),
    today: datetime.date,
    properties: Iterable[Property] = PROPERTIES,
) -> Judgement:
    """Check the properties one by one."""
    used: set[int] = set()
    verdicts = tuple(_verdict(one, platform, waivers, today, used) for one in properties)
    return Judgement(
        kind=platform.kind,
        resources=len(platform.resources),
        passed=all(one.status != "fail" for one in verdicts),
        verdicts=verdicts,
        useless=tuple(waiver for number, waiver in enumerate(waivers) if number not in used),
    )


def _verdict(
    one: Property, platform: Platform, waivers: Sequence[Waiver], today: datetime.date, used: set[int]
) -> Verdict:
    kept, broken, open_, waived = 0, [], [], []
    for finding in dict.fromkeys(map(_key, one.check(platform))):
        address, kind, message = finding
        if kind == "kept":
            kept += 1
        elif kind == "unknown":
            open_.append(Finding(address=address, kind="unknown", message=message))
        else:
            covering = [n for n, waiver in enumerate(waivers) if waiver.covers(one.name, address, today)]
            if covering:
                used.update(covering)
                waiver = waivers[covering[0]]
                waived.append(Waived(address=address, message=message, reason=waiver.reason, until=waiver.until))
            else:
                over = [w for w in waivers if w.matches(one.name, address)]
                note = f" (its waiver ended on {over[0].until})" if over else ""
                broken.append(Finding(address=address, kind="broken", message=f"{message}{note}"))
    status: Status = "fail" if broken else "unknown" if open_ else "pass" if kept or waived else "nothing"
    return Verdict(
        number=one.number,
        name=one.name,
        why=one.why,
        status=status,
        kept=kept,
        broken=tuple(broken),
        unknown=tuple(open_),
        waived=tuple(waived),
    )


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.address, finding.kind, finding.message
