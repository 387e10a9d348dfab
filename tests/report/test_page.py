"""What every page is rendered with."""

from __future__ import annotations

import jinja2
import pytest

from auroral.report.page import _assets, _environment, render_page


def test_every_template_is_valid() -> None:
    for name in _environment().list_templates(extensions=["j2"]):
        _environment().get_template(name)


def test_only_drawings_pass_as_markup() -> None:
    with pytest.raises(TypeError, match="a drawing"):
        _assets()["safe_svg"]("<svg/>")


def test_what_a_template_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("simulation.html.j2")
