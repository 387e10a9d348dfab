"""What the index has to look like: Temporal's own template, as the pinned release has it, for one index. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from auroral import __version__


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where the template comes from; `tests/support/visibility_template.py` writes it."""

    module: str
    version: str
    """Of Temporal Server."""
    path: str
    """Within the module."""
    template: int
    """Temporal's number of the template; the server's own schema tool counts the same way."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """The template for one index."""

    index: str
    name: str
    """Under which OpenSearch keeps it."""
    order: int
    patterns: tuple[str, ...]
    settings: dict[str, str]
    """Flat, without the prefix `index.`; a list's items joined by commas."""
    raw_settings: dict[str, Any]
    """As Temporal has them."""
    dynamic: str
    properties: dict[str, dict[str, Any]]
    source: Source

    @property
    def meta(self) -> dict[str, Any]:
        """What the mapping's `_meta` records under `auroral`."""
        return {"auroral": {"version": __version__, "temporal": self.source.version, "template": self.source.template}}

    @property
    def mappings(self) -> dict[str, Any]:
        """The mapping, with the record of its version."""
        return {"_meta": self.meta, "dynamic": self.dynamic, "properties": self.properties}

    @property
    def body(self) -> dict[str, Any]:
        """The body of `PUT _template/<name>`."""
        return {
            "order": self.order,
            "index_patterns": list(self.patterns),
            "settings": self.raw_settings,
            "mappings": self.mappings,
            "aliases": {},
        }

    @property
    def index_body(self) -> dict[str, Any]:
        """The body of `PUT <index>`: whole, so that no other template decides on a part of it."""
        return {"settings": self.raw_settings, "mappings": self.mappings}


def template_for(index: str, *, shards: int | None = None) -> Template:
    """Temporal's template for this index, with another number of primary shards where one is given."""
    document, source = _packaged()
    raw = {"index": dict(document["settings"]["index"])}
    if shards is not None:
        raw["index"]["number_of_shards"] = str(shards)
    return Template(
        index=index,
        name=f"{index}_template",
        order=document["order"],
        # Temporal's own pattern, temporal_visibility_v1*, would also decide on other clusters' indexes on this domain.
        patterns=(index, f"{index}-*"),
        settings=flat_settings(raw),
        raw_settings=raw,
        dynamic=document["mappings"]["dynamic"],
        properties=document["mappings"]["properties"],
        source=source,
    )


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings in any of OpenSearch's forms → flat names without `index.`, values as texts."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            flat |= flat_settings(value, path)
        else:
            items = value if isinstance(value, list) else [value]
            flat[path.removeprefix("index.")] = ",".join(_text(item) for item in items)
    return flat


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _packaged() -> tuple[dict[str, Any], Source]:
    folder = resources.files("auroral.visibility") / "temporal"
    document = msgspec.json.decode((folder / "index_template_v7.json").read_bytes(), type=dict[str, Any])
    return document, msgspec.json.decode((folder / "source.json").read_bytes(), type=Source)
