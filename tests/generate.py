"""Write the reference files that come from the code: `make docs`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import click

from auroral.bench import compare
from auroral.bench.options import CONFIG_VARIABLE, GROUPS, SETTINGS
from auroral.bench.result import SCHEMA_ID, schema
from auroral.bench.search import document as search
from auroral.bench.search.options import LEFT_OUT, SEARCH_SETTINGS
from auroral.capacity import document
from auroral.capacity.simulation import result as simulation
from auroral.cli.main import root, run
from auroral.cli.process import Process
from auroral.config import Setting
from tests.support.module_list import module_list

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
_NOTE = "<!-- generated: make docs -->\n"


def command_paths(group: click.Group = root, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Name every command, groups before what is in them."""
    paths = [path]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        paths += command_paths(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return paths


def help_text(path: tuple[str, ...]) -> str:
    """What `--help` prints for a command, in a terminal of 80 columns."""
    stdout = io.StringIO()
    process = Process([*path, "--help"], {}, stdout, io.StringIO(), width=80)
    assert run(process) == 0
    return stdout.getvalue()


def cli_reference() -> str:
    """The help of every command."""
    lines = [_NOTE, "# Command line\n", "What `--help` says, command by command.\n"]
    for path in command_paths():
        lines.append(f"## {' '.join(('auroral', *path))}\n\n```text\n{help_text(path).rstrip()}\n```\n")
    return "\n".join(lines)


def configuration_reference() -> str:
    """Every setting with its names, default and range."""
    lines = [
        _NOTE,
        "# Configuration\n",
        "A setting comes from its flag, else from its environment variable, else from the table `[bench]` of the "
        f"configuration file (`--config FILE` or `{CONFIG_VARIABLE}`), else from Temporal's own configuration "
        "(address, namespace, TLS, API key), else from its default. `auroral bench config` prints each value with its "
        "origin.\n",
        "- An empty environment variable counts as not given. Switches take `true` or `false` there and in the file; "
        "as flags they have a `--no-` form.\n"
        "- Settings that take several items take commas in a text, a repeated flag, or an array in TOML.\n"
        "- Durations are written `500ms`, `10s`, `5m`, `1h30m`, or as a number of seconds; rates `100`, `100/s`, "
        "`6000/min`.\n"
        "- All problems are reported at once, each with its value, its origin and what was expected. Unknown keys "
        "in the file are problems; unknown `BENCHMARK_…` variables are warnings.\n",
        '```toml\n[bench]\nworkload = ["simple=3", "timer"]\ntarget-rate = 50\nduration = "5m"\nramp-up = "30s"\n'
        'threshold = ["latency.p99<500ms"]\n```\n',
    ]
    for group in GROUPS:
        lines.append(f"## {group}\n\n| flag | environment variable | TOML key | default | range | meaning |")
        lines.append("| --- | --- | --- | --- | --- | --- |")
        lines += [_row(setting) for setting in SETTINGS if setting.group == group]
        lines.append("")
    return "\n".join([*lines, *_search_settings()])


def _search_settings() -> list[str]:
    """A search's own settings."""
    lines = [
        "## Search\n\nOf `auroral bench search`; its keys stand in the table `[search]` of the same file. What every "
        "step has in common comes from the settings above.\n",
        "| flag | environment variable | TOML key | default | range | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(setting) for setting in SEARCH_SETTINGS),
        "",
        "A search leaves out, and refuses as flags:\n",
        *(f"- `{name}`: {_cell(instead)}" for name, instead in LEFT_OUT.items()),
        "",
    ]
    return ["\n".join(lines)]


def _row(setting: Setting) -> str:
    variables = ", ".join(f"`{name}`" for name in setting.environment)
    default = setting.text(setting.default)
    if setting.default is not None and setting.default != ():
        default = f"`{default}`"
    cells = (f"`--{setting.name}`", variables, f"`{setting.name}`", default, setting.expected, setting.help)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;") if "`" not in text else text.replace("|", r"\|")


def result_schema() -> str:
    """The JSON Schema of result.json."""
    return _schema("auroral benchmark result", SCHEMA_ID, schema())


def compare_schema() -> str:
    """The JSON Schema of `auroral bench compare --json`."""
    return _schema("auroral comparison", compare.SCHEMA_ID, compare.schema())


def search_schema() -> str:
    """The JSON Schema of search.json."""
    return _schema("auroral search", search.SCHEMA_ID, search.schema())


def plan_schema() -> str:
    """The JSON Schema of `auroral capacity plan --json`."""
    return _schema("auroral capacity plan", document.SCHEMA_ID, document.schema())


def simulation_schema() -> str:
    """The JSON Schema of `auroral capacity simulate --json`."""
    return _schema("auroral capacity simulation", simulation.SCHEMA_ID, simulation.schema())


def _schema(title: str, schema_id: str, described: dict[str, Any]) -> str:
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{schema_id.replace('/', ':')}",
        "title": f"{title} ({schema_id})",
    }
    return json.dumps({**about, **described}, indent=2, ensure_ascii=False) + "\n"


def files() -> dict[str, str]:
    """Every generated file, by its name in docs/reference."""
    return {
        "cli.md": cli_reference(),
        "compare-schema.json": compare_schema(),
        "configuration.md": configuration_reference(),
        "modules.md": module_list(),
        "plan-schema.json": plan_schema(),
        "result-schema.json": result_schema(),
        "search-schema.json": search_schema(),
        "simulation-schema.json": simulation_schema(),
    }


def deployment_files() -> dict[str, str]:
    """What is generated of infra/, by its name in docs/reference. Needs terraform."""
    from tests.support import platform_edges, profile_costs

    return {
        "platform-edges.md": platform_edges.page(platform_edges.edges()),
        "profile-costs.md": profile_costs.page(),
    }


def main() -> None:
    """Write them."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in {**files(), **deployment_files()}.items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
