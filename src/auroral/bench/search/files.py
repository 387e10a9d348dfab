"""The directory of one search: its document, and a run's directory for each step. Acts."""

from __future__ import annotations

from pathlib import Path

from auroral.bench.search import document as documents
from auroral.bench.search.document import SearchDocument
from auroral.bench.search.machine import Step
from auroral.bench.store import claim, write_whole, writing
from auroral.errors import OutputError

DOCUMENT = "search.json"
STEPS = "steps"
_LOGS = "logs"


class SearchDirectory:
    """Where one search's results lie. Make one with `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> SearchDirectory:
        """Make the directory. Raises `OutputError`, also where a search lies there already.

        The directory is this search's alone for as long as the object lives.
        """
        directory = cls(path)
        with writing(path):
            (path / _LOGS).mkdir(parents=True, exist_ok=True)
            claimed = claim(path, directory)
            steps = path / STEPS
            taken = any((path / name).exists() for name in (DOCUMENT, "result.json")) or (
                steps.exists() and any(steps.iterdir())
            )
        if taken or not claimed:
            raise OutputError(
                f"expected a new directory for the results, but {path} "
                + ("holds a search or a run already" if taken else "is being written by another search"),
                hint="name another directory with --output",
            )
        return directory

    def log_path(self, name: str) -> Path:
        """The log of one process that outlives the steps."""
        return self.path / _LOGS / f"{name}.log"

    def write(self, document: SearchDocument) -> None:
        """Write the document. Raises `OutputError`."""
        write_whole(self.path / DOCUMENT, documents.encode(document))

    def write_text(self, name: str, text: str) -> None:
        """Write a view of it. Raises `OutputError`."""
        write_whole(self.path / name, text.encode(errors="backslashreplace"))


def step_directory(step: Step) -> str:
    """Where a step's run lies, as seen from the search's directory: `steps/03-bisect-42.5`."""
    return f"{STEPS}/{step.number:02}-{step.kind}-{step.rate_per_s:.5g}"


def read_search(path: Path) -> SearchDocument:
    """Read the document in a search's directory. Raises `OutputError`."""
    try:
        data = (path / DOCUMENT).read_bytes()
    except OSError as error:
        raise OutputError(
            f"{path}: expected a search's directory with {DOCUMENT}, but {DOCUMENT} cannot be read: "
            f"{error.strerror or error}",
            hint="the summary of a search ends with its directory",
        ) from error
    try:
        return documents.decode(data)
    except ValueError as error:
        raise OutputError(
            f"{path / DOCUMENT}: expected {error}", hint="was it written by another version of auroral?"
        ) from error
