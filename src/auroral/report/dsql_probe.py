"""A probe of Aurora DSQL as a versioned document and as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from auroral.bench.histogram import Histogram
from auroral.bench.result import Quantiles
from auroral.dsql.errors import Conflict
from auroral.dsql.probe_plan import Contention, Measure, ProbeOptions, ProbeOutcome
from auroral.dsql.target import DsqlTarget
from auroral.json_document import json_text
from auroral.report.dsql_plain import columns, wrapped
from auroral.units import format_duration, format_rate, format_ratio

VERSION = 1
LABELS = {
    Measure.TCP: "TCP, name resolved",
    Measure.TLS: "TLS, verified",
    Measure.TOKEN: "token signed here",
    Measure.SESSION: "session opened",
    Measure.ROUND_TRIP: "round trip, SELECT 1",
    Measure.COMMIT: "commit of one row",
    Measure.TRANSACTION: "its transaction",
    Measure.CONTENDED_COMMIT: "commit, contended",
    Measure.CONTENDED_TRANSACTION: "its transaction",
}
_LABEL = 15


class ContentionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What writers to the same rows met."""

    attempts: int
    """Transactions begun."""
    committed: int
    conflicts: dict[str, int]
    """By DSQL's code: OC000 data, OC001 schema; 40001 where none was told."""
    conflict_rate: float | None
    """Share of the attempts with an answer that met another transaction."""
    unknown: int
    """Commits whose answer never came."""
    lost: int
    """Transactions whose connection ended before their commit."""
    elapsed_s: float


class ProbeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a probe found. `schema_version` grows with each change that a reader must know of."""

    schema_version: int = VERSION
    kind: str = "auroral-dsql-probe"
    run_id: str
    started_at: str
    """UTC, ISO 8601."""
    auroral_version: str
    endpoint: str
    region: str
    database: str
    user: str
    host_address: str | None
    options: ProbeOptions
    times: dict[str, Quantiles]
    """By measure, in ms; of HDR histograms with three significant digits."""
    opened: int
    refused_too_fast: int
    """53400."""
    refused_too_many: int
    """53300."""
    unreachable: int
    lost: int
    no_answer: int
    round_trips: int
    commits: int
    commit_conflicts: dict[str, int]
    commit_unknown: int
    contention: ContentionDocument | None
    counted: int | None
    """What the table says was committed."""
    consistent: bool | None
    """Whether it holds every acknowledged commit and no refused one."""
    left_out: list[str]
    left_behind: str
    """A table that could not be dropped."""
    interrupted: bool
    error: str
    """What ended the probe early."""


def document(
    target: DsqlTarget,
    options: ProbeOptions,
    outcome: ProbeOutcome,
    histograms: Mapping[Measure, Histogram],
    *,
    run_id: str,
    started_at: str,
    version: str,
) -> ProbeDocument:
    """Put together what is printed and stored."""
    return ProbeDocument(
        run_id=run_id,
        started_at=started_at,
        auroral_version=version,
        endpoint=target.endpoint,
        region=target.region,
        database=target.database,
        user=target.user,
        host_address=target.host_address,
        options=options,
        times={measure: histograms[measure].quantiles() for measure in Measure if measure in histograms},
        opened=outcome.opened,
        refused_too_fast=outcome.too_fast,
        refused_too_many=outcome.too_many,
        unreachable=outcome.unreachable,
        lost=outcome.lost,
        no_answer=outcome.no_answer,
        round_trips=outcome.round_trips,
        commits=outcome.commits,
        commit_conflicts=_by_code(outcome.commit_conflicts),
        commit_unknown=outcome.commit_unknown,
        contention=None if outcome.contention is None else _contention(outcome.contention),
        counted=outcome.counted,
        consistent=outcome.consistent,
        left_out=list(outcome.left_out),
        left_behind=outcome.left_behind,
        interrupted=outcome.interrupted,
        error=outcome.error.message if outcome.error else "",
    )


def encode(found: ProbeDocument) -> str:
    """The document as JSON."""
    return json_text(found)


def text(found: ProbeDocument) -> str:
    """The document as text, at most 100 columns wide."""
    options = found.options
    lines = [
        f"Probe {found.run_id} of {found.endpoint}",
        "",
        *_field("cluster", f"{found.region}, database {found.database}, as {found.user}"),
        *_field(
            "asked for",
            f"{options.connections} connections at {format_rate(options.rate_per_s)}, {options.writers} writers on "
            f"{options.keys} rows, {format_duration(options.duration_s)} each",
        ),
        "",
        *_times(found),
        "",
        *_field("connections", _connections(found)),
        *_field("commits", _commits(found)),
        *_field("contention", _contended(found)),
        *_field("check", _check(found)),
    ]
    lines += [line for reason in found.left_out for line in _field("left out", reason)]
    if found.left_behind:
        lines += _field("left behind", f"{found.left_behind}; drop it with: DROP TABLE {found.left_behind}")
    if found.interrupted:
        lines += _field("interrupted", "what was measured by then is above")
    if found.error:
        lines += _field("ended early", found.error)
    return "\n".join(lines) + "\n"


def _times(found: ProbeDocument) -> list[str]:
    if not found.times:
        return ["nothing was measured"]
    rows: list[tuple[str, ...]] = [("", "count", "p50", "p90", "p99", "p99.9", "max")]
    for name, quantiles in found.times.items():
        values = (quantiles.p50_ms, quantiles.p90_ms, quantiles.p99_ms, quantiles.p999_ms, quantiles.max_ms)
        rows.append(
            (
                LABELS[Measure(name)],
                f"{quantiles.count:,}",
                *("–" if value is None else format_duration(value / 1e3) for value in values),
            )
        )
    lines = columns(rows, right=range(1, 7))
    rest_ms = _authentication_ms(found.times)
    if rest_ms is not None:
        lines += ["", *wrapped(
            f"Token check and session: about {format_duration(rest_ms / 1e3)}, the median of the sessions less those "
            "of TCP and TLS.",
        )]  # fmt: skip
    return lines


def _authentication_ms(times: Mapping[str, Quantiles]) -> float | None:
    """What is left of a session's opening without TCP and TLS, by their medians."""
    medians = [times[name].p50_ms if name in times else None for name in (Measure.SESSION, Measure.TCP, Measure.TLS)]
    session, tcp, tls = medians
    if session is None or tcp is None or tls is None:
        return None
    return max(0.0, session - tcp - tls)


def _connections(found: ProbeDocument) -> str:
    refused = f"refused {found.refused_too_fast} too fast (53400), {found.refused_too_many} too many (53300)"
    said = f"{found.opened} opened; {refused}; {found.lost} lost"
    said += f", {found.no_answer} of them without an answer" if found.no_answer else ""
    return said + (f"; {found.unreachable} times not reachable" if found.unreachable else "")


def _commits(found: ProbeDocument) -> str:
    if Measure.COMMIT not in found.times and not sum(found.commit_conflicts.values()):
        return ""
    said = f"{found.commits:,} without contention of ours, {sum(found.commit_conflicts.values()):,} met a conflict"
    return said + _codes(found.commit_conflicts) + (f", {found.commit_unknown} unknown" if found.commit_unknown else "")


def _contended(found: ProbeDocument) -> str:
    tally = found.contention
    if tally is None:
        return ""
    rate = "no answer" if tally.conflict_rate is None else f"{format_ratio(tally.conflict_rate)} met a conflict"
    said = f"{tally.attempts:,} transactions, {rate}{_codes(tally.conflicts)}"
    if tally.elapsed_s:
        said += f"; {format_rate(round(tally.committed / tally.elapsed_s, 1))} committed"
    return said + (f"; {tally.unknown} unknown, {tally.lost} lost" if tally.unknown or tally.lost else "")


def _check(found: ProbeDocument) -> str:
    if found.consistent is None:
        return ""
    if found.consistent:
        return f"the table counts {found.counted:,} commits: each that was acknowledged, none that was refused"
    return f"THE TABLE COUNTS {found.counted:,} COMMITS, which are not those that were acknowledged"


def _codes(conflicts: Mapping[str, int]) -> str:
    told = ", ".join(f"{code} {count:,}" for code, count in conflicts.items() if count)
    return f" ({told})" if told else ""


def _field(name: str, said: str) -> list[str]:
    return wrapped(said, first=f"{name:{_LABEL}}", then=" " * _LABEL) if said else []


def _by_code(conflicts: Mapping[Conflict, int]) -> dict[str, int]:
    return {str(kind): conflicts.get(kind, 0) for kind in Conflict}


def _contention(tally: Contention) -> ContentionDocument:
    return ContentionDocument(
        attempts=tally.attempts,
        committed=tally.committed,
        conflicts=_by_code(tally.conflicts),
        conflict_rate=tally.conflict_rate,
        unknown=tally.unknown,
        lost=tally.lost,
        elapsed_s=round(tally.elapsed_s, 3),
    )
