"""What every page is rendered with: templates, filters, styles and script, all from the package. Pure."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from auroral.json_document import json_text
from auroral.report import words
from auroral.report.charts import Drawing
from auroral.units import format_duration, format_number, format_size

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, **values: Any) -> str:
    """Render a template as a page that needs nothing else: no network, no script to be read."""
    return _environment().get_template(template).render(**values, **_assets())


@cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("auroral.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(words=words)
    environment.filters.update(
        ms=words.ms,
        rate=words.rate,
        rate_cell=words.rate_cell,
        number=format_number,
        duration=format_duration,
        size=format_size,
        plain=_plain,
        option=lambda value: str(value).lower() if isinstance(value, bool) else str(value),
        sentence=words.sentence,
    )
    return environment


@cache
def _assets() -> dict[str, Any]:
    from markupsafe import Markup

    folder = files("auroral.report") / "templates"
    return {
        "css": Markup((folder / "report.css").read_text(encoding="utf-8")),
        "js": Markup((folder / "report.js").read_text(encoding="utf-8")),
        "safe_svg": lambda drawing: Markup(_drawing(drawing).svg),
        "safe_json": lambda drawing: Markup(_drawing(drawing).readout),
    }


def _drawing(drawing: Drawing) -> Drawing:
    """Only what `charts` wrote, and so escaped, passes as markup."""
    if not isinstance(drawing, Drawing):
        raise TypeError(f"a drawing of auroral.report.charts, not {type(drawing).__name__}")
    return drawing


def _plain(definition: Any) -> str:
    return json_text(definition)
