"""A whole run whose results go to object storage: a real server of Temporal's, moto's S3 over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroral.bench.result import decode
from tests.support.benchmark import bench
from tests.support.moto_server import moto_server

pytestmark = pytest.mark.live


@pytest.mark.whole
def test_a_run_sends_all_that_it_wrote(temporal_server, tmp_path: Path) -> None:
    with moto_server(tmp_path / "moto.log") as moto:
        storage = moto.client("s3")
        storage.create_bucket(Bucket="dev-results")
        ended = bench(
            "--address", temporal_server.address, "--target-rate", "5", "--duration", "2s", "--run-id", "sent",
            "--threshold", "latency.p99<1ms", directory=tmp_path / "run",
            environ={**moto.environ, "AURORAL_RESULTS_URL": "s3://dev-results/runs/"},
        )  # fmt: skip
        keys = [one["Key"] for one in storage.list_objects_v2(Bucket="dev-results")["Contents"]]
        stored = {key: storage.get_object(Bucket="dev-results", Key=key)["Body"].read() for key in keys}
    assert ended.status == 1, ended.stderr  # its own verdict
    written = {
        path.relative_to(ended.directory).as_posix(): path for path in ended.directory.rglob("*") if path.is_file()
    }
    assert {"manifest.json", "result.json", "report.html", "summary.txt", "samples.parquet"} < set(written)
    assert {f"runs/sent/{name}" for name in written} == set(stored)
    for name, path in written.items():
        assert stored[f"runs/sent/{name}"] == path.read_bytes()
    result = decode(stored["runs/sent/result.json"])
    origins = {value.name: value.origin for value in result.configuration}
    assert origins["results-url"] == "AURORAL_RESULTS_URL"
    assert f"sent: {len(written)} files" in ended.stderr
