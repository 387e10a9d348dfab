"""Options of `auroral bench run` that a search does not take: known, so that it can be told why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from auroral.bench.options import BY_NAME
from auroral.bench.search.options import LEFT_OUT
from auroral.errors import UsageError


class Refused(click.Option):
    """One of them. Help does not list it."""

    def __init__(self, name: str, *, flag: bool) -> None:
        attributes: dict[str, Any] = {"is_flag": True} if flag else {"multiple": True}
        super().__init__([name.replace("-", "_"), f"--{name}"], hidden=True, default=None, **attributes)
        self.refused = name


def refused_options() -> list[click.Option]:
    """Every option that is refused."""
    return [Refused(name, flag=BY_NAME[name].flag) for name in LEFT_OUT]


def refuse(context: click.Context, params: Mapping[str, Any]) -> None:
    """Raise `UsageError` for an option of `auroral bench run` that a search does not take."""
    for option in context.command.params:
        if isinstance(option, Refused) and option.name is not None and params.get(option.name):
            raise UsageError(f"expected no --{option.refused} with a search", hint=LEFT_OUT[option.refused])
