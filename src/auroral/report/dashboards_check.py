"""A check of dashboards and rules as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from auroral.dashboards.check import FAILURES, Checked, Finding, Result
from auroral.dashboards.questions import Asked
from auroral.json_document import json_text
from auroral.report.dsql_plain import wrapped

SCHEMA_ID = "auroral.dashboards-check/1"

_HEADINGS = {
    Finding.REFUSED: "not understood",
    Finding.MISSING: "without data",
    Finding.EMPTY: "without data",
    Finding.AWAITED: "without data as yet",
}
_ORDER = (*FAILURES, Finding.AWAITED)
_NAMED = {Asked.PANEL: "", Asked.VARIABLE: "variable ", Asked.RECORD: "record ", Asked.ALERT: "alert "}


def text(found: Checked, *, at: str) -> str:
    """What has no data, by file, with the reason and the query of what fails; what it comes to last."""
    lines: list[str] = []
    for file, results in _by_file(found.results).items():
        told = [line for finding in _ORDER for one in results if one.finding is finding for line in _told(one)]
        with_data = sum(one.finding in (Finding.DATA, Finding.SILENT) for one in results)
        lines += [f"{file}: {with_data} of {len(results)} well", *told]
        lines += [f"  not asked: {one.queries} of {one.kind}" for one in found.others if one.file == file]
    return "\n".join([*lines, "", _conclusion(found, at)])


def encode(found: Checked, *, at: str, since_s: float) -> str:
    """The document of `--json`."""
    document: dict[str, Any] = {
        "schema": SCHEMA_ID,
        "prometheus": at,
        "since_s": since_s,
        "passed": found.exit_code == 0,
        "counts": {str(finding): count for finding, count in found.counts.items()},
        "results": msgspec.to_builtins(found.results),
        "not_asked": msgspec.to_builtins(found.others),
    }
    return json_text(document)


def _by_file(results: Sequence[Result]) -> Mapping[str, list[Result]]:
    files: dict[str, list[Result]] = {}
    for one in results:
        files.setdefault(one.file, []).append(one)
    return files


def _told(one: Result) -> Iterator[str]:
    yield from wrapped(f"{_NAMED[one.by]}{one.name}: {_HEADINGS[one.finding]}: {one.why}", first="  ", then=" " * 6)
    if one.finding in FAILURES:  # whole, on a line of its own: it is copied
        yield f"      {one.expr}"


def _conclusion(found: Checked, at: str) -> str:
    counts = found.counts
    failed = sum(counts[one] for one in FAILURES)
    queries = f"{len(found.results)} queries to {at}"
    others = [
        f"{counts[Finding.SILENT]} alerts silent" if counts[Finding.SILENT] else "",
        f"{counts[Finding.AWAITED]} without data as yet" if counts[Finding.AWAITED] else "",
        f"{failed} FAILED" if failed else "",
    ]
    told = ", ".join([f"{counts[Finding.DATA]} with data", *(one for one in others if one)])
    return "\n".join(wrapped(f"{'FAILED' if failed else 'ok'}: {queries}: {told}"))
