"""docs/infra-check.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from auroral.cli.infra import infra
from auroral.infra.properties import PROPERTIES
from auroral.infra.waivers import parse_waivers

PAGE = (Path(__file__).parents[2] / "docs/infra-check.md").read_text()


def test_every_property_is_listed() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    expected = [f"| {one.number} | `{one.name}` | {one.why} | {', '.join(one.checkov)} |" for one in PROPERTIES]
    assert rows == expected


def test_the_example_is_a_waiver() -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert parse_waivers(example[1], PROPERTIES)[0].property == "no-star-resource"


def test_the_options_exist() -> None:
    known = {option for command in infra.commands.values() for param in command.params for option in param.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known
