"""Runs in moto's S3 and lines in its CloudWatch Logs, over HTTP."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auroral.aws_account import AwsAccount
from auroral.bench import object_place
from auroral.bench.delivery import deliver
from auroral.bench.log_document import encode as encode_lines
from auroral.bench.result import Result, encode
from auroral.ecs.one_shot.request import LogStream
from auroral.ecs.remote import results
from auroral.errors import TargetError
from tests.support.moto_server import REGION, Moto, moto_server
from tests.support.sample_results import MAKERS

PLACE = object_place.parse("s3://dev-results/runs/")
GROUP = "/ecs/dev/benchmark-generator"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as server:
        server.client("s3").create_bucket(Bucket=PLACE.bucket)
        server.client("logs").create_log_group(logGroupName=GROUP)
        yield server


@pytest.fixture
def account(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    for name, value in moto.environ.items():
        monkeypatch.setenv(name, value)
    return AwsAccount(region=REGION)


def made(run_id: str) -> Result:
    result = MAKERS["pass"]()
    return msgspec.structs.replace(result, manifest=msgspec.structs.replace(result.manifest, run_id=run_id))


def a_run(directory: Path, run_id: str) -> Result:
    (directory / "logs").mkdir(parents=True)
    (directory / "logs/worker-0.log").write_text("a line\n")
    (directory / "samples.parquet").write_bytes(bytes(range(256)) * 8192)
    (directory / "result.json").write_bytes(encode(made(run_id)))
    return made(run_id)


def test_what_was_sent_is_listed_read_and_fetched(account: AwsAccount, tmp_path: Path) -> None:
    sent = a_run(tmp_path / "here", "r1")
    deliver(account, PLACE, "r1", tmp_path / "here")
    (one,) = results.stored(account, PLACE, "r1")
    assert (one.run_id, one.files) == ("r1", 3)
    assert results.result(account, PLACE, "r1") == sent
    names = results.fetch(account, PLACE, "r1", tmp_path / "there")
    assert names[-1] == "result.json"
    for name in names:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_a_document_comes_back_out_of_a_log(moto: Moto, account: AwsAccount) -> None:
    stream = LogStream(group=GROUP, stream="g/g/1", region=REGION)
    client = moto.client("logs")
    client.create_log_stream(logGroupName=GROUP, logStreamName=stream.stream)
    document = encode(made("lost"))
    lines = ["connect: x", *encode_lines("lost", document)]
    now_ms = int(time.time() * 1000)  # CloudWatch takes nothing older than 14 days
    events = [{"timestamp": now_ms + number, "message": line} for number, line in enumerate(lines)]
    client.put_log_events(logGroupName=GROUP, logStreamName=stream.stream, logEvents=events)
    assert results.from_log(account, stream) == ("lost", document)
    with pytest.raises(TargetError, match="no result document of another"):
        results.from_log(account, stream, "another")


def test_a_log_that_is_not_there_has_no_lines(account: AwsAccount) -> None:
    with pytest.raises(TargetError, match="has no lines"):
        results.from_log(account, LogStream(group=GROUP, stream="g/g/none"))


class Breaking:
    """A transfer that breaks off, as a network does."""

    region, profile = REGION, None

    def __init__(self, account: AwsAccount) -> None:
        self.account = account

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        answer = self.account.call(service, operation, **arguments)
        if operation != "get_object":
            return answer
        body = io.BytesIO(answer["Body"].read()[:1_000])
        answered = iter((body.read(),))

        class Body:
            def read(self, _: int) -> bytes:
                for data in answered:
                    return data
                raise ConnectionResetError("Connection reset by peer")

            def close(self) -> None: ...

        return {"Body": Body()}


def test_a_transfer_that_breaks_off_leaves_no_half_file(account: AwsAccount, tmp_path: Path) -> None:
    a_run(tmp_path / "here", "broken")
    deliver(account, PLACE, "broken", tmp_path / "here")
    with pytest.raises(TargetError, match="broke off"):
        results.fetch(Breaking(account), PLACE, "broken", tmp_path / "there")
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
