"""Where runs lie in object storage: `s3://bucket/prefix/`, and the key of each file below it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

EXPECTED = "s3://bucket or s3://bucket/prefix/"
DOCUMENT = "result.json"
"""Written last: a run that has it is whole."""

# Names of general purpose buckets, and what S3 calls safe characters of keys (S3 User Guide, read in November 2026).
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9!_.*'()/-]{0,512}))?")

PART_BYTES = 16 * 1024 * 1024
"""Of a file in parts; those below are sent in one piece."""
MAX_PARTS = 10_000
"""Of one upload; a part but the last has at least 5 MiB ("Amazon S3 multipart upload limits")."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Bucket and prefix; the prefix is empty, or ends with a slash."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """As it is written."""
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, run_id: str, name: str = "") -> str:
        """The key of one file of a run; without a name, the prefix of all."""
        return f"{self.prefix}{run_id}/{name}"


class RunKeys(msgspec.Struct, kw_only=True):
    """The objects of one run: key → bytes."""

    run_id: str
    sizes: dict[str, int]

    def whole(self, place: Place) -> bool:
        """Whether its document is there."""
        return place.key(self.run_id, DOCUMENT) in self.sizes


def parse(url: str) -> Place:
    """Read a URL. Raises `ValueError` saying what was expected."""
    match = _URL.fullmatch(url)
    if match is None or ".." in match[1] or any(part in (".", "..") for part in (match[2] or "").split("/")):
        raise ValueError(EXPECTED)
    prefix = (match[2] or "").strip("/")
    return Place(bucket=match[1], prefix=f"{prefix}/" if prefix else "")


def in_order(names: Iterable[str]) -> list[str]:
    """Files as they are sent: the document last."""
    return sorted(names, key=lambda name: (name == DOCUMENT, name))


def part_bytes(size: int) -> int:
    """Bytes of each part of a file of this size, so that there are not too many."""
    return max(PART_BYTES, -(-size // MAX_PARTS))


def by_run(place: Place, objects: Iterable[tuple[str, int]]) -> dict[str, RunKeys]:
    """Sort keys and sizes by run. What lies beside the runs is left out."""
    runs: dict[str, RunKeys] = {}
    for key, size in objects:
        run_id, slash, name = key.removeprefix(place.prefix).partition("/")
        if key.startswith(place.prefix) and run_id and slash and name:
            runs.setdefault(run_id, RunKeys(run_id=run_id, sizes={})).sizes[key] = size
    return runs
