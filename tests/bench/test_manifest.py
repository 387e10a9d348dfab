from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.manifest import Manifest, WorkerIdentity, digest
from tests.bench.test_load import order


def test_ids_tell_generator_and_index_and_share_a_prefix() -> None:
    manifest = order().manifest
    ids = {manifest.workflow_id(generator, index) for generator in range(3) for index in range(20)}
    assert len(ids) == 60
    assert all(each.startswith(manifest.id_prefix) for each in ids)


def test_a_manifest_survives_its_file() -> None:
    manifest = order().manifest
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest) == manifest


def test_a_digest_is_of_the_content_not_of_its_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert len(digest({})) == 64


@given(st.integers(1, 9), st.tuples(*[st.integers(0, 10_000)] * 3), st.from_regex(r"[0-9]+@[a-z.-]+", fullmatch=True))
def test_a_worker_identity_reads_back(language: int, slots: tuple[int, int, int], where: str) -> None:
    identity = WorkerIdentity(
        auroral_version="0.1.0", language_version=language, engine="sdk", slots=slots, where=where
    )
    assert WorkerIdentity.parse(str(identity)) == identity


@pytest.mark.parametrize("identity", ["", "12116@vm", "auroral-worker/0.1.0", "auroral-worker/0.1;language=x;engine=y"])
def test_other_pollers_are_not_taken_for_ours(identity: str) -> None:
    assert WorkerIdentity.parse(identity) is None
