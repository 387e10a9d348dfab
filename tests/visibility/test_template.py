"""Temporal's template in the package: from the pinned module, and for one index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.visibility.template import flat_settings, template_for
from tests.support.visibility_template import FOLDER, wanted


def test_the_package_has_what_the_pinned_module_has() -> None:
    for name, content in wanted().items():
        assert (FOLDER / name).read_bytes() == content, f"{name}: python -m tests.support.visibility_template"
    assert (FOLDER / "NOTICE").is_file()


def test_the_template_of_an_index() -> None:
    template = template_for("orders_visibility")
    assert template.name == "orders_visibility_template"
    assert template.patterns == ("orders_visibility", "orders_visibility-*")
    assert template.properties["CloseTime"] == {"type": "date_nanos"}
    assert template.settings["sort.field"] == "CloseTime,StartTime,RunId"
    assert template.mappings["_meta"]["auroral"]["temporal"] == template.source.version
    assert template.body["order"] == 0
    assert template_for("x", shards=5).settings["number_of_shards"] == "5"
    assert template_for("x").settings["number_of_shards"] == "1"


@pytest.mark.parametrize(
    "form",
    [
        {"index": {"sort": {"field": ["a", "b"]}, "hidden": True}},
        {"index": {"sort.field": ["a", "b"], "hidden": "true"}},
        {"index.sort.field": "a,b", "index.hidden": "true"},
    ],
)
def test_every_form_of_settings_is_one(form: dict[str, object]) -> None:
    assert flat_settings(form) == {"sort.field": "a,b", "hidden": "true"}


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers() | st.text(max_size=5), max_size=5))
def test_flat_settings_stay_flat(settings: dict[str, object]) -> None:
    flat = flat_settings({"index": settings})
    assert flat == {name: str(value) for name, value in settings.items()}
    assert flat_settings(flat) == flat
