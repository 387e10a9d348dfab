"""Write the image's requirements from requirements.lock: what auroral needs at run time, and what builds it.

The lock holds the development tools too, and pip takes hashes only in files that name every package. So the
packages that the project reaches are picked from the lock, with their hashes:

    .venv/bin/python images/benchmark/lock.py
"""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MACHINES = ("x86_64", "aarch64")
PYTHON = "3.13"


def locked(text: str) -> dict[str, str]:
    """The lock's entries by package, each with its hashes."""
    entries = re.split(r"\n(?=\S)", text.strip())
    return {canonicalize_name(re.split(r"[=\s;\[]", entry, maxsplit=1)[0]): entry for entry in entries}


def reached(roots: Iterable[Requirement], lock: dict[str, str]) -> list[str]:
    """Every package that these requirements reach on Linux, by name."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [requirement for requirement in roots if _applies(requirement, ())]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in found:
            continue
        if name not in lock:
            raise SystemExit(f"{name} is needed but not in requirements.lock")
        found.add((name, frozenset(requirement.extras)))
        waiting += _needs_of(requirement)
    return sorted({name for name, _ in found})


def _needs_of(requirement: Requirement) -> Iterator[Requirement]:
    for text in importlib.metadata.requires(requirement.name) or []:
        needed = Requirement(text)
        if _applies(needed, sorted(requirement.extras)):
            yield needed


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    if marker is None:
        return True
    here = {**default_environment(), "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    here |= {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "implementation_name": "cpython"}
    return any(
        marker.evaluate({**here, "platform_machine": machine, "extra": extra})
        for machine in MACHINES
        for extra in ("", *extras)
    )


def files() -> dict[str, str]:
    """The text of both files, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = locked((ROOT / "requirements.lock").read_text())
    roots = {
        "requirements.txt": project["project"]["dependencies"] + project["project"]["optional-dependencies"]["aws"],
        "build-requirements.txt": project["build-system"]["requires"],
    }
    note = "# Written by images/benchmark/lock.py from requirements.lock; a test compares them.\n"
    return {
        name: note + "".join(lock[package] + "\n" for package in reached(map(Requirement, requirements), lock))
        for name, requirements in roots.items()
    }


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text)
        print(f"{name}: {len(re.findall(r'^[a-z]', text, re.MULTILINE))} packages")
