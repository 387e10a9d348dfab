"""The reference files say what the code says."""

from __future__ import annotations

import json
import re

import jsonschema
import msgspec
import pytest

from auroral.bench.result import Result, encode
from tests import generate
from tests.support.sample_results import MAKERS

NAMES = [
    "cli.md",
    "compare-schema.json",
    "configuration.md",
    "modules.md",
    "plan-schema.json",
    "result-schema.json",
    "search-schema.json",
    "simulation-schema.json",
]


@pytest.mark.parametrize("name", NAMES)
def test_reference_files_are_as_generated(name: str) -> None:
    assert (generate.REFERENCE / name).read_text(encoding="utf-8") == generate.files()[name], "run: make docs"


def test_every_generated_file_is_checked() -> None:
    assert sorted(generate.files()) == NAMES


@pytest.mark.parametrize("path", generate.command_paths(), ids=" ".join)
def test_every_command_and_option_has_help(path: tuple[str, ...]) -> None:
    text = generate.help_text(path)
    assert re.search(r"\n\n  [A-Z][^\n]+", text), "a sentence on what it does"
    for option in re.findall(r"^  (-\S.*)$", text, re.MULTILINE):
        name = re.split(r"  +", option)[0]
        following = text.split(option, 1)[1].lstrip("\n").split("\n")[0]
        assert len(re.split(r"  +", option)) > 1 or following.startswith(" " * 10), f"{name} says what it does"


def test_the_schema_takes_a_real_result_and_refuses_another() -> None:
    schema = json.loads((generate.REFERENCE / "result-schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    result: Result = MAKERS["stages"]()
    document = json.loads(encode(result))
    validator.validate(document)
    assert not validator.is_valid({**document, "scheduled": "many"})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "verdict"})


def test_the_schema_names_every_field_of_the_result() -> None:
    schema = json.loads((generate.REFERENCE / "result-schema.json").read_text())
    fields = {field.encode_name for field in msgspec.structs.fields(Result)}
    assert set(schema["$defs"]["Result"]["properties"]) == fields
