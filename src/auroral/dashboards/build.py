"""Writes everything that is generated of observability, and says what differs from it. Acts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from auroral.dashboards import collected, rule_files
from auroral.errors import OutputError

FOLDER = "observability/dashboards"
_PREFIX = "auroral-"
BOARDS = ("overview", "temporal_server", "dsql_persistence", "benchmark")
"""Modules of this package with a function `board`."""

_OURS = ((FOLDER, "*.json"), (rule_files.FOLDER, "*.yaml"), (rule_files.TERRAFORM_FOLDER, "*.yaml"))
"""Where nothing lies but what is built."""


def texts() -> dict[str, str]:
    """Every generated file, by its path from the root of the checkout.

    Raises `UsageError` where the extra `dashboards` is not installed.
    """
    return {**_dashboards(), **rule_files.texts(), **collected.texts()}


def differences(root: Path, files: Mapping[str, str]) -> dict[str, str]:
    """What is not as it would be written, and why, by path. Raises `OutputError`."""
    found = {}
    for name, text in files.items():
        was = _read(root / name)
        if was is None:
            found[name] = "is not there"
        elif was != text:
            found[name] = "differs"
    return {**found, **dict.fromkeys(_left_over(root, files), "is built by nothing any more: delete it")}


def write(root: Path, files: Mapping[str, str]) -> list[str]:
    """Write what differs; return those paths. What is built no more stays. Raises `OutputError`."""
    changed = []
    for name, text in files.items():
        path = root / name
        if _read(path) == text:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
        changed.append(name)
    return changed


def _dashboards() -> dict[str, str]:
    from auroral.dashboards import grafana

    found = {}
    for name in BOARDS:
        board = importlib.import_module(f"auroral.dashboards.{name}").board()
        found[f"{FOLDER}/{board.uid.removeprefix(_PREFIX)}.json"] = grafana.text(board)
    return found


def _left_over(root: Path, files: Mapping[str, str]) -> list[str]:
    there = (path.relative_to(root).as_posix() for folder, kind in _OURS for path in (root / folder).glob(kind))
    return sorted(path for path in there if path not in files)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
