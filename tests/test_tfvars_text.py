"""Files of Terraform's variables: what is written, Terraform reads; what is there, is seen."""

from __future__ import annotations

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.errors import UsageError
from auroral.tfvars_text import names, render, table

_NAME = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True)


def test_what_is_written() -> None:
    text = render("auroral x --project demo", {"images": {"ui": "a@sha256:1", "server": "b"}, "arn": "c"})
    head, empty, *lines = text.splitlines()
    assert head.startswith("# Written by auroral ")
    assert "auroral x --project demo" in head
    assert empty == ""
    assert lines == ["images = {", '  ui     = "a@sha256:1"', '  server = "b"', "}", 'arn = "c"']
    assert text.endswith("\n")


@given(st.dictionaries(_NAME, st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))), min_size=1))
def test_it_reads_back(values: dict[str, str]) -> None:
    text = render("auroral x", {"images": values})
    assert names(text, "f") == ("images",)
    assert table(text, "images", "f") == values


def test_texts_are_no_templates() -> None:
    text = render("auroral x", {"arn": 'a"\\${b}%{c}'})
    assert text.splitlines()[-1] == 'arn = "a\\"\\\\$${b}%%{c}"'
    assert hcl2.loads(text)["arn"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("# x = 1\n// y = 2\n/* z = 3\nw = 4 */", ()),
        ('a = "b = 1"\nc=[{ d = 2 }]\ne = { f = "}" }\n', ("a", "c", "e")),
        ('a = { "x" = "# not a comment" } # b = 1', ("a",)),
        ("a = 1 == 2", ("a",)),
        ('a = "\\"" \nb = true', ("a", "b")),
    ],
)
def test_the_variables_of_a_file(text: str, found: tuple[str, ...]) -> None:
    assert names(text, "f") == found


@pytest.mark.parametrize("text", ["a = {", "a = }", 'a = "x', "a = <<END\nb = 1\nEND\n", 'a = "x\ny"'])
def test_what_cannot_be_told_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="name another file"):
        names(text, "f")


def test_a_table_of_another_form_has_no_texts() -> None:
    assert table("images = var.x", "images", "f") == {}
    assert table('other = {\n  a = "b"\n}\n', "images", "f") == {}
    assert table('images = {\n  a = "b"\n  c = 5\n}\n', "images", "f") == {"a": "b"}
