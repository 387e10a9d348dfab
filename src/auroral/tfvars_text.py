"""Files of Terraform's variables that a command writes for itself: their text, and what is in one. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from auroral import __version__
from auroral.errors import UsageError

Value = str | Mapping[str, str]

_PART = re.compile(
    r"""(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:\\.|[^"\\\n])*")
    |(?P<open>[{\[(])
    |(?P<close>[}\])])
    |(?P<name>[A-Za-z_][\w-]*)(?=\s*=(?!=))
    |(?P<heredoc><<-?\s*\w+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def render(writer: str, variables: Mapping[str, Value]) -> str:
    """The file, as `terraform fmt` has it; the same bytes for the same values. `writer` is a command."""
    lines = [f"# Written by auroral {__version__}: {writer}. Do not edit: run it again.", ""]
    for name, value in variables.items():
        if isinstance(value, str):
            lines.append(f"{name} = {_quoted(value)}")
        else:
            width = max(len(key) for key in value)
            inner = [f"  {key:<{width}} = {_quoted(one)}" for key, one in value.items()]
            lines += [f"{name} = {{", *inner, "}"]
    return "\n".join(lines) + "\n"


def names(text: str, origin: str) -> tuple[str, ...]:
    """The variables that a file sets. Raises `UsageError` where that cannot be told."""
    return tuple(name for name, depth in _names(text, origin) if depth == 0)


def table(text: str, variable: str, origin: str) -> dict[str, str]:
    """The texts of a variable that is a map, as `render` writes it; nothing where the file has it not."""
    if variable not in names(text, origin):
        return {}
    block = re.search(rf"^{re.escape(variable)}\s*=\s*\{{(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    pairs = re.findall(
        r'^\s*([A-Za-z_][\w-]*)\s*=\s*("(?:\\.|[^"\\\n])*")\s*$', block[1] if block else "", re.MULTILINE
    )
    return {name: str(json.loads(value)).replace("$${", "${").replace("%%{", "%{") for name, value in pairs}


def _names(text: str, origin: str) -> list[tuple[str, int]]:
    depth = 0
    found: list[tuple[str, int]] = []
    for part in _PART.finditer(text):
        kind = part.lastgroup
        if kind == "heredoc":
            raise UsageError(f"{origin} holds a heredoc, which no command of auroral writes", hint="name another file")
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "name":
            found.append((part["name"], depth))
        if depth < 0 or (kind == "other" and part["other"] == '"'):
            break
    else:
        if depth == 0:
            return found
    raise UsageError(f"{origin} is no file of Terraform's variables", hint="name another file")


def _quoted(text: str) -> str:
    """As HCL's text: `${` and `%{` would begin a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
