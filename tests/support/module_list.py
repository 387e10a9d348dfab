"""docs/reference/modules.md: modules of the packages that reach a deployment, each as its docstring says its duty."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGES = ("ecs", "images", "doctor", "dashboards")
_KIND = re.compile(r"\s*\b(?:Pure|Acts)\b[^.]*\.?\s*$")


def module_list() -> str:
    """The page."""
    pure = _pure()
    lines = ["<!-- generated: make docs -->\n", "# Modules\n"]
    lines.append(
        "Of the packages that reach a deployment; the others are in [Architecture](../architecture.md). A pure module "
        "takes time and randomness as arguments and returns decisions; an acting one carries them out.\n"
    )
    for package in PACKAGES:
        folder = SOURCE / "auroral" / package
        rooms = [folder, *sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file())]
        for room in rooms:
            lines += _table(room, pure)
    return "\n".join(lines)


def _table(room: Path, pure: set[str]) -> list[str]:
    name = ".".join(room.relative_to(SOURCE).parts)
    lines = [f"## `{name}`\n"]
    told = _duty(room / "__init__.py")
    lines += [f"{told}.\n"] if told else []
    lines += ["| module | duty | kind |", "| --- | --- | --- |"]
    for path in sorted(room.glob("*.py")):
        if path.stem != "__init__":
            kind = "pure" if f"{name}.{path.stem}" in pure else "acts"
            lines.append(f"| `{path.name}` | {_duty(path)} | {kind} |")
    return [*lines, ""]


def _duty(path: Path) -> str:
    """The first sentence of a module."""
    paragraph = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.;])\s(?=[A-Z])", _KIND.sub("", paragraph))[0]
    return sentence.rstrip(".").replace("|", r"\|")


def _pure() -> set[str]:
    """Modules that the import contracts hold to be pure."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        module
        for contract in contracts
        if contract["name"].startswith("Pure modules")
        for module in contract["source_modules"]
    }
