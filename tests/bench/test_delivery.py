"""A run's directory in moto's S3, over HTTP, and what may go wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import AwsAccount, AwsError
from auroral.aws_calls import Failure, Kind
from auroral.bench import object_place
from auroral.bench.delivery import deliver
from auroral.bench.object_place import PART_BYTES, Place
from auroral.errors import OutputError
from tests.support.moto_server import REGION, Moto, moto_server

PLACE = object_place.parse("s3://dev-results/runs/")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as server:
        server.client("s3").create_bucket(Bucket=PLACE.bucket)
        yield server


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount(region=REGION)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    for name, text in (("result.json", "{}"), ("manifest.json", "{}"), ("logs/worker-0.log", "a\n"), ("empty", "")):
        (run / name).write_text(text)
    (run / ".result.json.1.tmp").write_text("half")
    return run


class Watched:
    """Passes calls on, and keeps them; may fail at one."""

    def __init__(self, account: AwsAccount, failing: str = "", after: int = 0) -> None:
        self.account, self.failing, self.after = account, failing, after
        self.calls: list[tuple[str, str]] = []

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        self.calls.append((operation, str(arguments.get("Key"))))
        if operation == self.failing and [name for name, _ in self.calls].count(operation) > self.after:
            raise AwsError(Failure(kind=Kind.DENIED, code="AccessDenied", words="no", call=f"s3:{operation}"))
        return self.account.call(service, operation, **arguments)


def content(moto: Moto, place: Place, key: str) -> bytes:
    data: bytes = moto.client("s3").get_object(Bucket=place.bucket, Key=key)["Body"].read()
    return data


def test_every_file_arrives_and_the_document_last(moto: Moto, account: AwsAccount, directory: Path) -> None:
    watched = Watched(account)
    delivered = deliver(watched, PLACE, "whole", directory)
    assert (delivered.url, delivered.files, delivered.size) == ("s3://dev-results/runs/whole/", 4, 6)
    assert [key for _, key in watched.calls][-1] == "runs/whole/result.json"
    assert content(moto, PLACE, "runs/whole/logs/worker-0.log") == b"a\n"
    assert not any("tmp" in key for _, key in watched.calls)


def test_a_large_file_goes_in_parts_and_comes_out_as_it_was(moto: Moto, account: AwsAccount, directory: Path) -> None:
    data = bytes(range(256)) * (PART_BYTES // 256) + b"the rest"
    (directory / "samples.parquet").write_bytes(data)
    watched = Watched(account)
    deliver(watched, PLACE, "large", directory)
    assert [name for name, _ in watched.calls].count("upload_part") == 2
    assert content(moto, PLACE, "runs/large/samples.parquet") == data


def test_a_part_that_fails_leaves_no_upload_and_no_document(moto: Moto, account: AwsAccount, directory: Path) -> None:
    (directory / "samples.parquet").write_bytes(bytes(PART_BYTES + 1))
    with pytest.raises(AwsError, match="AccessDenied"):
        deliver(Watched(account, "upload_part", after=1), PLACE, "broken", directory)
    assert not moto.client("s3").list_multipart_uploads(Bucket=PLACE.bucket).get("Uploads")
    keys = moto.client("s3").list_objects_v2(Bucket=PLACE.bucket, Prefix="runs/broken/").get("Contents", [])
    assert not any(one["Key"].endswith("result.json") for one in keys)


def test_a_bucket_that_is_not_there_is_told(account: AwsAccount, directory: Path) -> None:
    with pytest.raises(AwsError, match="NoSuchBucket"):
        deliver(account, object_place.parse("s3://not-there/runs/"), "r1", directory)


def test_a_file_that_cannot_be_read_is_told(account: AwsAccount, directory: Path) -> None:
    (directory / "unreadable").symlink_to("/proc/self/mem")  # opens, and fails at its first byte, also for root
    with pytest.raises(OutputError, match="unreadable cannot be read"):
        deliver(account, PLACE, "unreadable", directory)


def test_links_to_nothing_and_to_directories_are_left_out(account: AwsAccount, directory: Path) -> None:
    (directory / "gone").symlink_to(directory / "not there")
    (directory / "again").symlink_to(directory / "logs")
    assert deliver(account, PLACE, "links", directory).files == 4


def test_a_run_without_its_document_is_not_sent(account: AwsAccount, directory: Path) -> None:
    (directory / "result.json").unlink()
    watched = Watched(account)
    with pytest.raises(OutputError, match=r"no result\.json"):
        deliver(watched, PLACE, "without", directory)
    assert not watched.calls
