"""Whether schema, roles and visibility are there before `auroral cluster up` starts what needs them: asks, refuses."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from auroral.cli.deployed import Operated
from auroral.cli.own_commands import asked, flags_of
from auroral.cli.process import Process
from auroral.errors import AuroralError, ExitCode, TargetError, UsageError

if TYPE_CHECKING:
    from auroral.ecs.rollout.preflight import Missing

SKIP = "--skip-preflight"
_SCHEMA = ("schema", "status")
_VISIBILITY = ("visibility", "status")
_NAMES_ALONE = "names alone do not say where schema, roles and visibility are to be looked for"


class MissingError(AuroralError):
    """Something must be made first."""

    exit_code = ExitCode.FAILED


def check(process: Process, found: Operated) -> None:
    """Raise `MissingError` where something is missing, naming the commands; `TargetError` where nobody can say."""
    from auroral.ecs.rollout.preflight import Missing, of_schema

    if found.deployment is None:
        raise UsageError(
            _NAMES_ALONE,
            hint=f"give --outputs or --stack instead of --cluster; or {SKIP}, once you know that they are there",
        )
    flags = flags_of(found.flags)
    process.err("looking for schema and roles")
    text = _asked(process, [*_SCHEMA, *flags, "--", "-json"])
    missing = of_schema(text)
    if missing is None:
        raise TargetError(
            "auroral schema status has not said how the schema is", hint=f"run it: {_line(_SCHEMA, flags)}; or {SKIP}"
        )
    process.err("looking for the visibility index")
    if _asked(process, [*_VISIBILITY, *flags], judged=True):
        what = "the visibility index is not as it must be (above)"
        missing = (*missing, Missing(what=what, command="auroral visibility apply"))
    if missing:
        raise MissingError(_told(missing), hint=_cure(missing, flags))


def lines(found: Operated) -> list[str]:
    """The commands that it would run, for whoever wants to see only."""
    if found.deployment is None:
        return [f"refused: {_NAMES_ALONE}"]
    flags = flags_of(found.flags)
    return [_line(_SCHEMA, flags), _line(_VISIBILITY, flags)]


def _line(words: Sequence[str], flags: Sequence[str]) -> str:
    return shlex.join(["auroral", *words, *flags])


def _told(missing: Sequence[Missing]) -> str:
    return "\n".join(["the services cannot start yet:", *(f"  {one.what}" for one in missing)])


def _cure(missing: Sequence[Missing], flags: Sequence[str]) -> str:
    commands = [shlex.join([*one.command.split(), *flags]) for one in missing]
    return f"run {', then '.join(dict.fromkeys(commands))}; then the same command again"


def _asked(process: Process, words: Sequence[str], *, judged: bool = False) -> str:
    """The stdout of one of auroral's own commands, its stderr shown; with `judged`, empty where it finds no fault."""
    out, code = asked(process, words)
    if code not in (ExitCode.OK, ExitCode.FAILED):
        name = " ".join(words[:2])
        raise TargetError(
            f"whether the services can start is not known: auroral {name} ended with {code} (above)",
            hint=f"mend that, or {SKIP} once you know that schema, roles and visibility are there",
        )
    if not judged:
        return out
    return "" if code == ExitCode.OK else out or "fault"
