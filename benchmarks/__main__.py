"""`python -m benchmarks` runs every benchmark but the long ones, `python -m benchmarks NAME …` one of them, `--list`
names them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

NAMES = ("startup", "lag", "calls", "memory", "pool_day", "local", "engines")
LONG = ("engines",)
"""Run by their names only."""


def main(arguments: list[str]) -> int:
    """Run what is asked for; return the exit status."""
    if arguments == ["--list"]:
        for name in NAMES:
            print(f"{name:10}{_module(name).HELP}")
        return 0
    if arguments and arguments[0] in NAMES:
        return _run(arguments[0], arguments[1:])
    if arguments and arguments != ["--check"]:
        print(f"expected one of {', '.join(NAMES)}, --list or --check, not {' '.join(arguments)}", file=sys.stderr)
        return 2
    statuses = []
    for name in (name for name in NAMES if name not in LONG):
        print(f"\n{name}: {_module(name).HELP}", flush=True)
        statuses.append(_run(name, arguments))
    return max(statuses)


def _run(name: str, arguments: list[str]) -> int:
    status: int = _module(name).main(arguments)
    return status


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
