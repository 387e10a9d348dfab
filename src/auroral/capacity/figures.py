"""A number with what it rests on: every number of a plan is one. Pure."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Basis = Literal["measured", "documented", "interpolated", "extrapolated", "derived", "assumed"]
"""What a number rests on.

- measured: a published run, or one of the user's, carried it.
- documented: a configuration that someone states, without a published run.
- interpolated: between two anchors.
- extrapolated: beyond them.
- derived: arithmetic on other numbers of the plan.
- assumed: nothing but our judgement.
"""
BASES: tuple[Basis, ...] = get_args(Basis)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number: its unit, what it rests on, and where that comes from."""

    value: int | float
    unit: str
    basis: Basis
    source: str
    """The run, the document or the reckoning; with its date where it comes from outside."""


def derived(value: float, unit: str, source: str) -> Figure:
    """The result of arithmetic on other figures."""
    return Figure(value=value, unit=unit, basis="derived", source=source)


def assumed(value: float, unit: str, source: str) -> Figure:
    """A number that rests on judgement alone."""
    return Figure(value=value, unit=unit, basis="assumed", source=source)
