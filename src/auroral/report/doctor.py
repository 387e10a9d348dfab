"""A diagnosis as text and as JSON. Pure."""

from __future__ import annotations

from auroral.doctor.checks import Check, Diagnosis, State
from auroral.errors import ExitCode
from auroral.json_document import json_text
from auroral.report.dsql_plain import wrapped

_INDENT = 13


def text(diagnosis: Diagnosis) -> str:
    """A line for each check under its group, its remedy beneath it, and what it comes to."""
    lines: list[str] = []
    group = None
    for one in diagnosis.checks:
        if one.group is not group:
            group = one.group
            lines += ["", group.value] if lines else [group.value]
        lines += _check(one)
    return "\n".join([*lines, "", conclusion(diagnosis)])


def conclusion(diagnosis: Diagnosis) -> str:
    """The last line."""
    counts = [(diagnosis.counted(state), state.value) for state in (State.MISSING, State.WARN, State.UNKNOWN)]
    told = ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing is wanting"
    code = diagnosis.exit_code
    where = f" in {diagnosis.region}" if diagnosis.region else ""
    if code is ExitCode.UNREACHABLE:
        return f"UNREACHABLE: AWS does not answer{where}: {told}"
    head = "NOT READY" if code is ExitCode.FAILED else "ready"
    return f"{head}: {diagnosis.counted(State.OK)} ok, {told}" if told[0].isdigit() else f"{head}: {told}"


def encode(diagnosis: Diagnosis) -> str:
    """The document of `--json`."""
    return json_text(diagnosis)


def _check(one: Check) -> list[str]:
    first = f"  {one.state.value:<11}"
    lines = wrapped(f"{one.name}: {one.found}", first=first, then=" " * (_INDENT + 2))
    if one.remedy:  # on a line of its own, whole: it is copied
        lines.append(f"{' ' * _INDENT}> {one.remedy}")
    return lines
