"""URLs of object storage, keys and parts."""

from __future__ import annotations

import pytest

from auroral.bench.object_place import DOCUMENT, MAX_PARTS, PART_BYTES, by_run, in_order, parse, part_bytes

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://dev-results/runs/", "dev-results", "runs/"),
        ("s3://dev-results/runs", "dev-results", "runs/"),
        ("s3://dev-results/a/b/", "dev-results", "a/b/"),
        ("s3://dev-results", "dev-results", ""),
        ("s3://dev-results/", "dev-results", ""),
    ],
)
def test_a_url_is_read(text: str, bucket: str, prefix: str) -> None:
    place = parse(text)
    assert (place.bucket, place.prefix) == (bucket, prefix)
    assert parse(place.url) == place
    assert place.key("r1", "logs/worker-0.log") == f"{prefix}r1/logs/worker-0.log"


@pytest.mark.parametrize(
    "text",
    ["", "dev-results", "https://dev-results/runs/", "s3://", "s3://A/", "s3://a/", "s3://a..b/", "s3://dev/../x/",
     "s3://dev-results/ru ns/", "s3://user:secret@dev/runs/"],
)  # fmt: skip
def test_no_url_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket"):
        parse(text)


def test_the_document_is_last() -> None:
    assert in_order([DOCUMENT, "summary.txt", "logs/a.log"]) == ["logs/a.log", "summary.txt", DOCUMENT]


@pytest.mark.parametrize("size", [1, PART_BYTES, 5 * 1024 * MIB, 5 * 1024 * 1024 * MIB])
def test_a_file_has_no_more_parts_than_an_upload_may(size: int) -> None:
    step = part_bytes(size)
    assert step >= 5 * MIB
    assert -(-size // step) <= MAX_PARTS


def test_keys_are_sorted_by_run() -> None:
    place = parse("s3://dev-results/runs/")
    objects = [("runs/r1/result.json", 5), ("runs/r1/logs/a.log", 2), ("runs/r2/a", 1), ("runs/", 0), ("runs/x", 1)]
    runs = by_run(place, objects)
    assert set(runs) == {"r1", "r2"}
    assert runs["r1"].whole(place)
    assert not runs["r2"].whole(place)
    assert sum(runs["r1"].sizes.values()) == 7
