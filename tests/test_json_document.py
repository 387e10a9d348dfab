"""Documents are written for people, and only the version that is known is read back."""

from __future__ import annotations

import msgspec
import pytest

from auroral.json_document import decode_as, json_file, json_text


class Note(msgspec.Struct, frozen=True, kw_only=True):
    schema: str = "auroral.note/2"
    of_ms: float | None = None


def read(data: bytes) -> Note:
    return decode_as(Note, data, schema_id="auroral.note/2", name="a note")


def test_it_reads_back_as_written() -> None:
    text = json_text(Note(of_ms=1.5))
    assert text == '{\n  "schema": "auroral.note/2",\n  "of_ms": 1.5\n}'
    assert read(text.encode()) == Note(of_ms=1.5)
    assert json_file(Note(of_ms=1.5)) == text.encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "a note auroral.note/2: Input data was truncated"),
        (b"[]", "a note auroral.note/2: Expected `object`, got `array`"),
        (b"{}", "a note auroral.note/2, not a document without a schema"),
        (b'{"schema": "auroral.note/1"}', "a note auroral.note/2, not auroral.note/1"),
        (b'{"schema": "auroral.note/2", "of_ms": "1"}', "`float | null`, got `str` - at `$.of_ms`"),
    ],
)
def test_anything_else_is_refused_by_what_it_is(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=r"^a note auroral\.note/2") as refused:
        read(data)
    assert told in str(refused.value)
