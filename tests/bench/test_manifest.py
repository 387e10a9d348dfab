from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.bench.manifest import NO_MANIFEST, Manifest, WorkerIdentity, digest
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


def test_a_manifests_digest_is_the_same_wherever_it_was_read_and_of_this_run_alone() -> None:
    manifest = order().manifest
    whole_weights = msgspec.structs.replace(
        manifest, workloads=[msgspec.structs.replace(manifest.workloads[0], weight=3)]
    )
    for each in (manifest, whole_weights):
        in_its_file = msgspec.json.format(msgspec.json.encode(each), indent=2)
        assert msgspec.json.decode(in_its_file, type=Manifest).digest == each.digest
    assert len(manifest.digest) == 12
    assert set(manifest.digest) <= set("0123456789abcdef")
    others = [
        msgspec.structs.replace(manifest, nonce="another"),
        msgspec.structs.replace(manifest, task_queues=["other"]),
        whole_weights,
    ]
    assert len({manifest.digest, *(each.digest for each in others)}) == 4


def test_the_peak_of_an_arrival_process_is_its_highest_rate() -> None:
    arrival = order().manifest.arrival
    stages = msgspec.structs.replace(arrival, segments=[(1.0, 0.0, 30.0), (5.0, 30.0, 30.0), (1.0, 80.0, 2.0)])
    assert stages.peak_rate_per_s == 80.0
    assert msgspec.structs.replace(arrival, segments=[]).peak_rate_per_s == 0.0


@given(
    st.builds(
        WorkerIdentity,
        auroral_version=st.just("0.1.0"),
        language_version=st.integers(1, 9),
        engine=st.just("sdk"),
        manifest_digest=st.from_regex(r"[0-9a-f]{12}|-", fullmatch=True),
        slots=st.tuples(*[st.integers(0, 10_000)] * 3),
        pollers=st.tuples(*[st.integers(1, 1000)] * 2),
        nonsticky_ratio=st.floats(0, 1),
        eager_activities=st.integers(0, 1000),
        where=st.from_regex(r"[0-9]{1,7}@[a-z.-]+", fullmatch=True),
    )
)
def test_a_worker_identity_reads_back(identity: WorkerIdentity) -> None:
    assert WorkerIdentity.parse(str(identity)) == identity


OURS = (
    "auroral-worker/0.1.0;language=1;engine=sdk;manifest=-;slots=2/3/4;pollers=5/6;nonsticky=0.5;eager=100;7@host.local"
)


def test_a_worker_identity_as_the_server_shows_it() -> None:
    identity = WorkerIdentity.parse(OURS)
    assert identity is not None
    assert str(identity) == OURS
    assert (identity.manifest_digest, identity.slots, identity.pollers) == (NO_MANIFEST, (2, 3, 4), (5, 6))


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "12116@vm",
        "auroral-worker/0.1.0",
        "auroral-worker/0.1;language=x;engine=y",
        "auroral-worker/0.1.0;language=1;engine=sdk;slots=2/3/4;7@host",  # before manifests had digests
        OURS.replace("manifest=-", "manifest=abc"),
        OURS.replace("manifest=-", "manifest=0123456789AB"),
        OURS.replace("manifest=-;", ""),
        OURS.replace("2/3/4", "2/3"),
        OURS.replace("0.5", "half"),
        OURS.replace("7@host.local", "host"),
        OURS.replace("eager=100", "eager=yes"),
        OURS.replace("2/3/4", f"{'9' * 5000}/3/4"),
        f"{OURS} and more",
        f" {OURS}",
    ],
)
def test_other_pollers_are_not_taken_for_ours(identity: str) -> None:
    assert WorkerIdentity.parse(identity) is None
