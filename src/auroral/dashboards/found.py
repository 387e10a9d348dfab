"""Finds the files that are built: in a checkout, or beside an installed package. Acts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from auroral.errors import OutputError, UsageError

_FOLDER = "observability"
_MARK = "src/auroral/dashboards/collected.py"
DASHBOARDS = "dashboards"
RULES = "rules"


class Files(msgspec.Struct, frozen=True):
    """Dashboards and rule files as they were read, by file name."""

    folder: Path
    dashboards: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]


def checkout(start: Path) -> Path:
    """The root of the checkout that `start` lies in, or that auroral runs from. Raises `UsageError`."""
    start = start.resolve()
    for folder in (start, *start.parents, Path(__file__).parents[3]):
        if (folder / _MARK).is_file():
            return folder
    raise UsageError(
        f"expected a checkout of auroral in {start} or above it, found none",
        hint="dashboards, rules and the collector's configuration are built into a checkout: run it there",
    )


def find(start: Path, given: str | None = None) -> Path:
    """The folder that holds dashboards/ and rules/: the one given, a checkout's, or the package's.

    Raises `UsageError`.
    """
    if given is not None:
        folder = Path(given)
        if not any((folder / one).is_dir() for one in (DASHBOARDS, RULES)):
            raise UsageError(f"--directory {given}: expected a folder with {DASHBOARDS}/ or {RULES}/, found none")
        return folder
    packaged = Path(__file__).parent / _FOLDER
    if packaged.is_dir():
        return packaged
    return checkout(start) / _FOLDER


def read(folder: Path) -> Files:
    """Read them all. Raises `OutputError` for what is no JSON or YAML, or has not the form, and where there is none."""
    import yaml

    dashboards, rules = {}, {}
    for path in sorted((folder / DASHBOARDS).glob("*.json")):
        try:
            dashboards[path.name] = _document(path, json.loads(_text(path)), "panels")
        except ValueError as error:
            raise OutputError(f"{path} is no JSON: {error}") from error
    for path in sorted([*(folder / RULES).glob("*.yaml"), *(folder / RULES).glob("*.yml")]):
        try:
            rules[path.name] = _document(path, yaml.safe_load(_text(path)), "groups")
        except yaml.YAMLError as error:
            raise OutputError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not dashboards and not rules:
        raise OutputError(
            f"{folder} holds neither {DASHBOARDS}/*.json nor {RULES}/*.yaml", hint="auroral dashboards build"
        )
    return Files(folder, dashboards, rules)


def _document(path: Path, found: Any, part: str) -> Mapping[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get(part), list):
        raise OutputError(f"{path}: expected an object with a list of {part}, found none")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
