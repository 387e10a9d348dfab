"""A document as lines of a log, and what may happen to them there."""

from __future__ import annotations

import random

import pytest

from auroral.bench.log_document import MARK, PART_BYTES, decode, encode, is_line

DOCUMENT = random.Random(1).randbytes(5 * PART_BYTES)


def of(document: bytes, run_id: str = "r1") -> list[str]:
    lines = encode(run_id, document)
    assert decode(lines)[0].document == document
    return lines


def test_a_document_comes_back_whatever_stands_between_its_lines() -> None:
    lines = of(DOCUMENT)
    assert len(lines) == 7
    mixed = ["drive: 40/s", *(text for line in lines for text in (line, "", f"warning: {MARK} is a word")), "OK"]
    (found,) = decode(mixed)
    assert (found.run_id, found.document, found.problem) == ("r1", DOCUMENT, "")


@pytest.mark.parametrize("document", [b"", b"{}", "«ö»\n".encode() * 100_000])
def test_any_size_comes_back(document: bytes) -> None:
    of(document)


def test_no_line_is_longer_than_docker_keeps_whole() -> None:
    assert max(map(len, encode("r" * 100, DOCUMENT))) <= 8_192
    assert all(is_line(line) and "\n" not in line for line in encode("r1", DOCUMENT))
    assert not is_line("an ordinary line")
    assert not is_line(f"{MARK} r1 of nothing")


def test_lines_may_come_twice_late_and_out_of_order() -> None:
    lines = of(DOCUMENT)
    shuffled = [*lines, *lines[1:4]]
    random.Random(2).shuffle(shuffled)
    assert decode(shuffled)[0].document == DOCUMENT


def test_two_runs_in_one_log_are_told_apart() -> None:
    first, second = of(DOCUMENT, "r1"), of(DOCUMENT[::-1], "r2")
    mixed = [line for pair in zip(first, second, strict=True) for line in pair]
    assert [(one.run_id, one.document) for one in decode(mixed)] == [("r1", DOCUMENT), ("r2", DOCUMENT[::-1])]


def test_what_is_missing_is_named() -> None:
    lines = of(DOCUMENT)
    (found,) = decode([line for number, line in enumerate(lines, start=1) if number not in (2, 5)])
    assert found.document is None
    assert found.problem == "of its 6 lines 2 are missing: 2, 5"
    (found,) = decode(lines[:-1])
    assert "digest" in found.problem
    (found,) = decode(lines[-1:])
    assert "6 are missing" in found.problem


def test_many_missing_lines_are_counted_not_listed() -> None:
    lines = encode("r1", random.Random(3).randbytes(30 * PART_BYTES))
    (found,) = decode(lines[-1:])
    assert found.problem.endswith("10 and 21 more")


def test_a_changed_line_is_found_out() -> None:
    lines = of(DOCUMENT)
    head, body = lines[2].rsplit(" ", 1)
    changed = f"{head} {body[:-8]}{'AAAAAAAA' if body[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}"
    (found,) = decode([*lines[:2], changed, *lines[3:]])
    assert found.document is None
    assert found.problem
    (found,) = decode([*lines, changed])
    assert found.problem == "its lines are of several documents"


def test_a_line_that_was_cut_is_found_out() -> None:
    lines = of(DOCUMENT)
    (found,) = decode([lines[0][:-100], *lines[1:]])
    assert found.document is None
    assert found.problem


def test_a_digest_of_another_document_is_found_out() -> None:
    lines, other = encode("r1", b"one"), encode("r1", b"two")
    (found,) = decode([lines[0], other[1]])
    assert "digest" in found.problem


def test_a_log_without_a_document_has_none() -> None:
    assert decode(["connect: x", "", f"see {MARK}"]) == ()
