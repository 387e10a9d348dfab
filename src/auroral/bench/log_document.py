"""A result document as numbered lines of a log, and back: for a run whose results reach no storage. Pure.

A line is `auroral-result <run id> 3/17 <base64 of a part of the gzip>`; the last one,
`auroral-result <run id> sha256 <digest of the document>/17`, says whether all is there.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable

import msgspec

MARK = "auroral-result"

PART_BYTES = 6_000
"""Of the gzip in a line: 8,000 characters in base64. Docker hands a log driver lines of at most 16 KiB in one piece
(moby/moby#34887); CloudWatch Logs takes events of 256 KiB and more (its quotas, read in November 2026)."""

MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
"""What a document may unpack to."""

_PART = re.compile(rf"{MARK} (\S+) ([0-9]{{1,7}})/([0-9]{{1,7}}) ([A-Za-z0-9+/=]+)\s*$")
_DIGEST = re.compile(rf"{MARK} (\S+) sha256 ([0-9a-f]{{64}})/([0-9]{{1,7}})\s*$")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a log holds of one run."""

    run_id: str
    document: bytes | None = None
    """None: it cannot be had from these lines."""
    problem: str = ""
    """Why."""


def encode(run_id: str, document: bytes) -> list[str]:
    """The lines of a document."""
    packed = gzip.compress(document, mtime=0)
    parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    lines = [
        f"{MARK} {run_id} {number}/{len(parts)} {base64.b64encode(part).decode()}"
        for number, part in enumerate(parts, start=1)
    ]
    return [*lines, f"{MARK} {run_id} sha256 {hashlib.sha256(document).hexdigest()}/{len(parts)}"]


def is_line(line: str) -> bool:
    """Whether a line is one of a document's."""
    return MARK in line and (_PART.search(line) or _DIGEST.search(line)) is not None


def decode(lines: Iterable[str]) -> tuple[Found, ...]:
    """The documents of a log, in the order of their first lines.

    Other lines may stand between, runs may be mixed, and a line may come twice.
    """
    parts: dict[str, _Parts] = {}
    for line in lines:
        if MARK not in line:
            continue
        if part := _PART.search(line):
            of = parts.setdefault(part[1], _Parts())
            of.totals.add(int(part[3]))
            of.texts.setdefault(int(part[2]), set()).add(part[4])
        elif digest := _DIGEST.search(line):
            of = parts.setdefault(digest[1], _Parts())
            of.totals.add(int(digest[3]))
            of.digests.add(digest[2])
    return tuple(_joined(run_id, of) for run_id, of in parts.items())


class _Parts:
    def __init__(self) -> None:
        self.totals: set[int] = set()
        self.texts: dict[int, set[str]] = {}
        self.digests: set[str] = set()


def _joined(run_id: str, parts: _Parts) -> Found:
    problem = _problem(parts)
    if problem:
        return Found(run_id=run_id, problem=problem)
    try:
        packed = b"".join(
            base64.b64decode(text, validate=True) for number in sorted(parts.texts) for text in parts.texts[number]
        )
        document = _unpacked(packed)
    except (ValueError, zlib.error) as error:
        return Found(run_id=run_id, problem=f"its lines do not unpack: {error}")
    if hashlib.sha256(document).hexdigest() not in parts.digests:
        return Found(run_id=run_id, problem="its lines do not have the digest that the last one tells: a part is cut")
    return Found(run_id=run_id, document=document)


def _problem(parts: _Parts) -> str:
    if len(parts.totals) > 1 or len(parts.digests) > 1 or any(len(texts) > 1 for texts in parts.texts.values()):
        return "its lines are of several documents"
    (total,) = parts.totals
    missing = [number for number in range(1, total + 1) if number not in parts.texts]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        return f"of its {total} lines {len(missing)} are missing: {shown}"
    if len(parts.texts) > total:
        return f"it has {len(parts.texts)} lines, where its last one tells of {total}"
    if not parts.digests:
        return "its last line, which has the digest, is missing"
    return ""


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    document = unpacker.decompress(packed, MAX_DOCUMENT_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {MAX_DOCUMENT_BYTES:,} bytes")
    if not unpacker.eof:
        raise ValueError("the gzip is cut")
    return document
