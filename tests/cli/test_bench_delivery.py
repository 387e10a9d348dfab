"""The end of a run whose results are sent: moto's S3 over HTTP, and where it does not take them."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroral.bench import log_document
from auroral.bench.result import Result, encode
from auroral.bench.stopping import StopSignal
from auroral.cli import bench_run
from auroral.cli.bench_delivery import STOP_S, send
from auroral.cli.process import Process
from tests.support.moto_server import Moto, moto_server
from tests.support.sample_results import MAKERS

BUCKET = "dev-results"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture
def run(tmp_path: Path) -> tuple[Result, Path]:
    result = MAKERS["fail"]()
    (tmp_path / "result.json").write_bytes(encode(result))
    (tmp_path / "summary.txt").write_text("FAIL")
    return result, tmp_path


def sent(url: str, run: tuple[Result, Path], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    err = io.StringIO()
    return send(Process([], environ, io.StringIO(), err), url, *run), err.getvalue().splitlines()


def test_a_task_with_a_region_alone_sends_them(moto: Moto, run, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {name: value for name, value in moto.environ.items() if name != "AWS_DEFAULT_REGION"}
    arrived, lines = sent(f"s3://{BUCKET}/runs/", run, environ, monkeypatch)
    assert arrived
    assert lines[0].startswith("sent: 2 files")
    assert lines[0].endswith("to s3://dev-results/runs/run-fail/")
    stored = moto.client("s3").get_object(Bucket=BUCKET, Key="runs/run-fail/result.json")["Body"].read()
    assert stored == encode(run[0])


def test_without_the_bucket_the_document_is_in_the_log(moto: Moto, run, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, lines = sent("s3://not-there/runs/", run, moto.environ, monkeypatch)
    assert not arrived
    assert lines[0].startswith("warning: the results were not sent to s3://not-there/runs/run-fail/")
    assert "NoSuchBucket" in lines[0]
    (found,) = log_document.decode(lines)
    assert (found.run_id, found.document) == ("run-fail", encode(run[0]))


def test_without_credentials_or_a_region_too(moto: Moto, run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    bare = {name: value for name, value in moto.environ.items() if "KEY" not in name}
    for environ in (bare, {**bare, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": ""}):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
        arrived, lines = sent(f"s3://{BUCKET}/runs/", run, environ, monkeypatch)
        assert arrived is ("AWS_DEFAULT_REGION" in environ and "AWS_ACCESS_KEY_ID" in environ)
        if not arrived:
            assert log_document.decode(lines)[0].document == encode(run[0])


def test_a_network_that_is_not_there_is_borne(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.aws_account.ATTEMPTS", 1)
    environ = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    arrived, lines = sent(f"s3://{BUCKET}/runs/", run, environ, monkeypatch)
    assert not arrived
    assert "y" not in lines[0].split()
    assert log_document.decode(lines)[0].document == encode(run[0])


def test_a_task_that_is_stopped_ends_before_ecs_kills_it() -> None:
    async def stopped() -> list[bool]:
        stop = StopSignal()
        with bench_run.interrupts(stop, at_once_after_s=0.05):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stop.softly.wait(), 5)
            before = stop.at_once.is_set()
            await asyncio.wait_for(stop.at_once.wait(), 5)
        return [before, stop.at_once.is_set()]

    assert asyncio.run(stopped()) == [False, True]
    assert 30 <= STOP_S <= 90  # what is left of 120 s sends the results


@pytest.mark.parametrize(("number", "after_s"), [(signal.SIGINT, 0.01), (signal.SIGTERM, None)])
def test_elsewhere_only_a_second_request_stops_at_once(number: signal.Signals, after_s: float | None) -> None:
    async def stopped() -> bool:
        stop = StopSignal()
        with bench_run.interrupts(stop, at_once_after_s=after_s):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(stop.softly.wait(), 5)
            await asyncio.sleep(0.05)
        return stop.at_once.is_set()

    assert asyncio.run(stopped()) is False
