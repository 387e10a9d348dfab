"""The document of one search, versioned. Pure types; `schema()` is the published JSON Schema.

Times are milliseconds in fields ending in `_ms`, seconds in `_s`, rates per second in `_per_s`. A quantile that falls
among what did not complete is null: it is no number.
"""

from __future__ import annotations

from typing import Any

import msgspec

from auroral.bench.manifest import ManifestWorkload
from auroral.bench.result import ConfigValue, Environment
from auroral.bench.search.machine import Found, Measured, Status
from auroral.bench.search.settings import SearchSettings
from auroral.json_document import decode_as, json_file

SCHEMA_ID = "auroral.bench.search/1"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    pass


class SearchedStep(_Document, frozen=True, kw_only=True):
    """One step: what it showed, and where its run lies."""

    measured: Measured
    directory: str
    """Of its run, as seen from the search's directory."""
    run_id: str
    started_at: str
    """UTC, ISO 8601: the run's epoch."""
    limit: str = ""
    """The first limit that its run reached, and whose it is; empty: none of those sampled."""
    cleared_after_s: float | None = None
    """How long backlog took to clear after it; null: the search ended here, or it did not clear."""


class Answer(_Document, frozen=True, kw_only=True):
    """What was found."""

    status: Status
    rate_per_s: float | None
    """The largest rate that was sustained; with `above-most` the most rate. Null: none was."""
    held_per_s: float | None
    """The largest rate that held and that no lost rate contradicts."""
    lost_per_s: float | None
    """The smallest rate that was lost above it."""
    confirmed: bool
    """Whether a confirming step held at `rate_per_s`."""
    sentences: list[str]
    """What was found and how sure it is."""


class SearchDocument(_Document, frozen=True, kw_only=True):
    """Everything that is kept of one search. The steps' runs have documents of their own."""

    schema: str = SCHEMA_ID
    search_id: str
    started_at: str
    """UTC, ISO 8601."""
    ended_at: str | None = None
    """Null: it is under way, or its process ended without a word."""
    interrupted: bool = False
    """Whether the user stopped it."""
    failure: str = ""
    """What ended it before it had an answer of its own."""
    settings: SearchSettings
    objective: list[str]
    """Every expression that a rate had to meet: those asked for and those that hold by default."""
    configuration: list[ConfigValue]
    environment: Environment
    namespace: str
    task_queues: list[str]
    workloads: list[ManifestWorkload]
    engine: str
    arrival: str
    """`constant` or `poisson`."""
    idle_probes_ms: list[float] = []
    """Latency of probe workflows before the first step: what the cluster returns to when backlog has cleared."""
    steps: list[SearchedStep] = []
    answer: Answer | None = None
    """Null: it is under way."""
    notes: list[str] = []
    """What a reader must know to judge the numbers."""

    @property
    def load_s(self) -> float:
        """Load of all steps, ramps included."""
        return sum(step.measured.load_s for step in self.steps)


def answer_of(found: Found) -> Answer:
    """What was found, without the steps, which the document has already."""
    return Answer(
        status=found.status,
        rate_per_s=found.rate_per_s,
        held_per_s=found.held_per_s,
        lost_per_s=found.lost_per_s,
        confirmed=found.confirmed,
        sentences=list(found.sentences),
    )


def encode(document: SearchDocument) -> bytes:
    """Write the document as indented JSON."""
    return json_file(document)


def decode(data: bytes) -> SearchDocument:
    """Read a document. Raises `ValueError` naming what is wrong with it."""
    return decode_as(SearchDocument, data, schema_id=SCHEMA_ID, name="a search document")


def schema() -> dict[str, Any]:
    """The JSON Schema of the search document."""
    return msgspec.json.schema(SearchDocument)
