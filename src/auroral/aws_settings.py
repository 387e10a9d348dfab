"""What the settings of every target on AWS have in common: ports, regions, and whose region counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from auroral.config import Layer, Resolved
from auroral.errors import Problem

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
OUTPUTS_HINT = "terraform output -json > outputs.json writes what --outputs takes of a deployment"
_REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+")


def parse_port(text: str) -> int:
    """Read a port. Raises `ValueError`."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ValueError("a port from 1 to 65535")
    return int(text)


def parse_region(text: str) -> str:
    """Read a region's name. Raises `ValueError`."""
    if not _REGION.fullmatch(text):
        raise ValueError("a region such as eu-west-1")
    return text


def region_of(environ: Mapping[str, str]) -> str | None:
    """The region that the environment names; AWS_REGION is the stronger one in every SDK."""
    return next((text for name in REGION_VARIABLES if (text := environ.get(name, "").strip())), None)


def with_one_region(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with one of AWS's two names for the region, which often stand beside each other.

    AWS_REGION is the stronger one in every SDK.
    """
    chosen = dict(environ)
    if chosen.get("AWS_REGION", "").strip():
        chosen.pop("AWS_DEFAULT_REGION", None)
    return chosen


def choose_region(resolved: Resolved, named: str, problems: list[Problem], *, without: str) -> None:
    """Let the region that the endpoint names come first: what is signed for another one is refused there.

    `named` is empty where it names none; then one must be given, and `without` says what is expected.
    """
    given, origin = resolved.values["region"], resolved.origins["region"]
    if named:
        if origin.layer is Layer.FLAG and given not in (None, named):
            problems.append(Problem("region", given, origin.text, f"{named}, which the endpoint names"))
        # Variables that disagree, or are no region, are no problem where they do not count.
        problems[:] = [one for one in problems if one.name != "region" or one.origin == "--region"]
        resolved.values["region"] = named
        resolved.origins["region"] = resolved.origins["endpoint"]
    elif given is None and not any(problem.name == "region" for problem in problems):
        problems.append(Problem("region", "none", "nowhere", without))
