"""Here, or as a task of the cluster: the choice and its reason. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Where(StrEnum):
    """Where a command's work is done."""

    HERE = "here"
    CLUSTER = "cluster"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Where, and why."""

    where: Where
    why: str = ""
    """One line for whoever watches; empty where nothing was to be chosen."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the target from here came to."""

    address: str
    """`host:port`."""
    failure: str = ""
    """Why it cannot be reached, or entered, from here; empty: it can."""


def without_looking(asked: Where | None, *, possible: bool, named_by: str) -> Choice | None:
    """The choice where no look is needed; None where one is.

    `possible`: whether the deployment has a task for it, and the command reaches anything at all. `named_by` is what
    names the target instead of the deployment (`--endpoint`, `DSQL_ENDPOINT`): its task would reach another one.
    """
    if asked is not None:
        return Choice(where=asked)
    if not possible:
        return Choice(where=Where.HERE)
    if named_by:
        return Choice(where=Where.HERE, why=f"runs here: {named_by} names the target, not the deployment's outputs")
    return None


def after_looking(looked: Looked, *, task: str) -> Choice:
    """Here when it can."""
    if not looked.failure:
        return Choice(
            where=Where.HERE, why=f"runs here: {looked.address} answers; --where cluster chooses the task {task}"
        )
    return Choice(where=Where.CLUSTER, why=f"runs as the task {task} of the cluster: {looked.failure}")
