"""The document of a search and its directory."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from auroral.bench.search import document as documents
from auroral.bench.search.document import SearchDocument, decode, encode, schema
from auroral.bench.search.files import SearchDirectory, read_search, step_directory
from auroral.bench.search.machine import Step
from auroral.errors import OutputError
from tests.support.search_documents import MAKERS


@pytest.mark.parametrize("name", MAKERS)
def test_it_reads_back_as_written_and_is_valid_by_its_schema(name: str) -> None:
    made = MAKERS[name]()
    data = encode(made)
    assert decode(data) == made
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(data), schema())


def test_the_schema_refuses_what_is_no_search() -> None:
    plain = json.loads(encode(MAKERS["found"]()))
    validator = jsonschema.Draft202012Validator(schema())
    assert not validator.is_valid({**plain, "steps": "many"})
    assert not validator.is_valid({name: value for name, value in plain.items() if name != "objective"})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{}", "not a document without a schema"),
        (b'{"schema":"auroral.bench.result/1"}', "not auroral.bench.result/1"),
        (b"[", "a search document"),
        (b'{"schema":"auroral.bench.search/1"}', "missing required field"),
    ],
)
def test_another_document_is_refused_by_what_it_is(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decode(data)


def test_its_load_is_that_of_its_steps() -> None:
    made = MAKERS["above-most"]()
    assert made.load_s == sum(step.measured.load_s for step in made.steps) > 0


def test_a_directory_is_one_searchs_alone(tmp_path: Path) -> None:
    directory = SearchDirectory.create(tmp_path / "s")
    with pytest.raises(OutputError, match="being written by another search"):
        SearchDirectory.create(tmp_path / "s")
    directory.write(MAKERS["found"]())
    assert read_search(tmp_path / "s") == MAKERS["found"]()
    del directory
    with pytest.raises(OutputError, match="holds a search or a run already"):
        SearchDirectory.create(tmp_path / "s")


def test_a_directory_with_steps_and_no_document_is_taken(tmp_path: Path) -> None:
    (tmp_path / "s" / "steps" / "01-bracket-10").mkdir(parents=True)
    with pytest.raises(OutputError, match="holds a search or a run already"):
        SearchDirectory.create(tmp_path / "s")


def test_what_is_no_searchs_directory_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"expected a search's directory with search\.json"):
        read_search(tmp_path)
    (tmp_path / "search.json").write_text("{}")
    with pytest.raises(OutputError, match="a search document") as raised:
        read_search(tmp_path)
    assert "another version" in raised.value.hint


def test_names_of_steps_sort_as_they_were_driven() -> None:
    step = Step(number=3, kind="bisect", rate_per_s=42.123456, ramp_s=1, hold_s=5)
    assert step_directory(step) == "steps/03-bisect-42.123"
    assert msgspec.structs.fields(SearchDocument)[0].default == documents.SCHEMA_ID
