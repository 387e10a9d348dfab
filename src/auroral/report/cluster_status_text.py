"""How a deployment is, as one screen of text, at most 100 columns wide. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime

from auroral.ecs.health.snapshot import WINDOW_S
from auroral.ecs.health.verdict import Finding, Severity, Verdict
from auroral.report.cluster_status import Pool, Service, StatusDocument, Stopped
from auroral.report.dsql_plain import WIDTH, columns
from auroral.units import format_duration, format_number, format_ratio

NONE = "–"
MOST_STOPPED = 5
MOST_EVENTS = 6
_LABEL = 12
_GIB = 1024

_COLOURS = {Verdict.HEALTHY: "32", Verdict.UNHEALTHY: "31", Verdict.NOT_STARTED: "33"}
_SEVERITIES = {Severity.UNHEALTHY: "31", Severity.NOTE: "33"}
_BOLD, _DIM = "1", "2"


class Paint:
    """Puts colours on words, in a terminal; elsewhere it leaves them alone."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, code: str) -> str:
        """The text, with a colour around it."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text


def text(found: StatusDocument, *, colour: bool = False) -> str:
    """The screen."""
    paint = Paint(colour=colour)
    blocks = [
        _head(found, paint),
        [line for one in found.findings for line in _finding(one, paint)],
        _evidence(found, paint),
        _table(_services(found.services), paint, right=(1, 2, 3)),
        _table(_pools(found.pools), paint, right=(1, 2, 5)) if found.pools else [],
        _stores(found),
        _stopped(found, paint),
        _events(found, paint),
        _unknown(found, paint),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(found: StatusDocument, paint: Paint) -> list[str]:
    name = paint(found.cluster, _BOLD)
    verdict = paint(found.verdict.value, _COLOURS[found.verdict])
    return [f"{name} in {found.region}, {found.at:%Y-%m-%d %H:%M:%S} UTC: {verdict}"]


def _finding(one: Finding, paint: Paint) -> list[str]:
    """The words, and the command in a line of its own, which a terminal may copy."""
    label = f"{one.severity.value:<11}"
    lines = _hanging(f"{one.subject}: {one.text}", first=label, indent=11)
    lines[0] = paint(label.rstrip(), _SEVERITIES[one.severity]) + lines[0][len(label.rstrip()) :]
    return [*lines, *([f"{'':11}→ {one.command}"] if one.command else [])]


def _evidence(found: StatusDocument, paint: Paint) -> list[str]:
    """What says that it is a crash loop, beyond what the findings have told."""
    told = {f"{one.subject}: {one.text.removeprefix('crash loop: ')}" for one in found.findings}
    lines = [line for said in found.evidence if said not in told for line in _hanging(said, first="  ", indent=4)]
    return [paint("evidence", _BOLD), *lines] if lines else []


def _unknown(found: StatusDocument, paint: Paint) -> list[str]:
    """What could not be read, and why."""
    width = max((len(name) for name in found.unknown), default=0)
    lines = [paint("not known", _BOLD)] if found.unknown else []
    for name, why in found.unknown.items():
        lines += _hanging(why, first=f"  {name:<{width}}  ", indent=width + 4)
    return lines


def _services(services: Sequence[Service]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("service", "run", "want", "pend", "deployment", "revision", "image")]
    for one in services:
        if one.status != "ACTIVE":
            rows.append((one.service, NONE, NONE, NONE, one.status.lower(), NONE, NONE))
            continue
        revision = one.revision
        if one.newest_revision is not None and one.newest_revision != one.revision:
            revision = f"{one.revision} → {one.newest_revision}"
        rows.append(
            (
                one.service,
                str(one.running),
                str(one.desired),
                str(one.pending),
                _rollout(one),
                revision or NONE,
                one.image or NONE,
            )
        )
    return rows


def _rollout(one: Service) -> str:
    told = one.rollout.lower().replace("_", " ") or NONE
    failed = f", {one.failed_tasks} failed" if one.failed_tasks else ""
    others = f", replaces {one.deployments - 1}" if one.deployments > 1 else ""
    return f"{told}{failed}{others}"


def _pools(pools: Sequence[Pool]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("pool", "serving", "wanted", "min–max", "type", "tasks", "vCPU free", "memory free")
    ]
    for one in pools:
        lost = f" ({one.without_agent} without agent)" if one.without_agent else ""
        rows.append(
            (
                one.pool,
                NONE if one.in_service is None else str(one.in_service),
                NONE if one.desired is None else str(one.desired),
                f"{one.minimum}–{one.maximum}",
                one.instance_type or NONE,
                str(one.tasks),
                f"{format_number(one.cpu_free / 1024)} of {format_number(one.cpu / 1024)}{lost}",
                f"{_gib(one.memory_free_mib)} of {_gib(one.memory_mib)} GiB",
            )
        )
    return rows


def _stores(found: StatusDocument) -> list[str]:
    lines = _labelled("DSQL", _dsql(found)) + _labelled("OpenSearch", _opensearch(found))
    alarms = NONE if found.alarms is None else ", ".join(one.name for one in found.alarms) or "none rings"
    lines += _labelled("alarms", alarms)
    ring = found.ring
    told = NONE
    if ring is not None:
        told = f"{_count(ring.of_tasks, 'row')} of tasks of this cluster, {ring.server_tasks} of its server tasks run"
        told += f"; {_count(ring.stale, 'row')} of hosts that are gone" if ring.stale else ""
    return lines + _labelled("ring", told)


def _dsql(found: StatusDocument) -> str:
    dsql = found.dsql
    parts = []
    if dsql.connections is not None and dsql.connections_at is not None:
        share = format_ratio(dsql.connections / dsql.limit)
        age = _ago(dsql.connections_at, found.at)
        parts.append(f"{dsql.connections:,.0f} of {dsql.limit:,} connections ({share}), {age}")
    else:
        parts.append(f"{NONE} of {dsql.limit:,} connections")
    window = format_duration(WINDOW_S)
    if dsql.refusals is None:
        parts.append(f"refused in {window}: {NONE}")
    elif dsql.refusals.total:
        least = "at least " if dsql.refusals.at_least else ""
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in dsql.refusals.by_reason.items())
        parts.append(f"refused in {window}: {least}{reasons} ({dsql.refusals.source})")
    else:
        parts.append(f"none refused in {window} ({dsql.refusals.source})")
    if dsql.limiter:
        parts.append(f"limiter {dsql.limiter}")
    return "; ".join(parts)


def _opensearch(found: StatusDocument) -> str:
    measured, described = found.opensearch.measured, found.opensearch.described
    parts = []
    if measured is not None:
        parts.append(measured.status or NONE)
        if measured.nodes is not None:
            parts.append(_count(measured.nodes, "node"))
        if measured.free_mib is not None:
            parts.append(f"{_gib(measured.free_mib)} GiB free on the fullest")
        if measured.writes_blocked:
            parts.append("writes blocked")
        if measured.at is not None:
            parts.append(_ago(measured.at, found.at))
    else:
        parts.append(NONE)
    if described is not None:
        state = "upgrading" if described.upgrading else "changing" if described.processing else ""
        parts += [part for part in (described.version, state) if part]
    return ", ".join(parts)


def _stopped(found: StatusDocument, paint: Paint) -> list[str]:
    """Those that stopped by themselves; the others are told by their number."""
    own = [one for one in found.stopped if one.by_itself]
    others = len(found.stopped) - len(own)
    if not own:
        return []
    told = f", and {others} that were told to" if others else ""
    lines = [paint("stopped", _BOLD) + f" within the last hour: {_count(len(own), 'task')} without being told to{told}"]
    for one in own[:MOST_STOPPED]:
        head = f"  {_clock(one.at)}  {one.service or NONE}  {one.task}  "
        lines += _hanging(_how(one), first=head, indent=12)
    if len(own) > MOST_STOPPED:
        lines.append(f"  and {len(own) - MOST_STOPPED} more")
    return lines


def _how(one: Stopped) -> str:
    codes = ", ".join(f"exit {code}" for code in dict.fromkeys(one.exit_codes.values()))
    lived = "before it ran" if one.lived_s is None else f"after {format_duration(round(one.lived_s))}"
    return ": ".join(part for part in (f"{codes} {lived}".strip(), one.reason or one.stop_code) if part)


def _events(found: StatusDocument, paint: Paint) -> list[str]:
    events = sorted(
        ((event.at, one.service, event.text) for one in found.services for event in one.events), reverse=True
    )
    lines = [paint("events", _BOLD)] if events else []
    for at, service, said in events[:MOST_EVENTS]:
        lines += _hanging(said, first=f"  {_day_clock(at, found.at)}  {service:<10}  ", indent=24)
    return lines


def _table(rows: Sequence[Sequence[str]], paint: Paint, *, right: tuple[int, ...]) -> list[str]:
    head, *lines = columns(rows, right=right)
    return [paint(head, _BOLD), *lines]


def _labelled(label: str, said: str) -> list[str]:
    return _hanging(said, first=f"{label:<{_LABEL}}", indent=_LABEL)


def _hanging(said: str, *, first: str, indent: int) -> list[str]:
    return textwrap.wrap(
        said,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [first.rstrip()]


def _clock(at: datetime | None) -> str:
    return f"{at:%H:%M:%S}" if at is not None else NONE * 8


def _day_clock(at: datetime, now: datetime) -> str:
    """The time of day; of another day the date, in as many columns."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%b %d}  "


def _ago(at: datetime, now: datetime) -> str:
    return f"{format_duration(max(0, round((now - at).total_seconds())))} ago"


def _gib(mib: float) -> str:
    return format_number(mib / _GIB)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
