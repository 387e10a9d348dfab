"""A deployed cluster in virtual time that benchmarks run on: `auroral bench remote` in this process, S3 as a dict."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from auroral.bench.log_document import encode as encode_lines
from auroral.bench.result import Result, encode
from auroral.cli.bench_remote_results import results
from auroral.cli.bench_remote_run import run
from auroral.cli.bench_remote_workers import workers
from auroral.cli.process import Process
from auroral.ecs.fleet import BENCHMARK_WORKER, of_contract
from auroral.ecs.operation import MARK
from auroral.errors import AuroralError
from auroral.infra.contract import parse
from tests.support.fake_ecs import FakeAws, FakeClock, Outcome, Refused, Run, outputs
from tests.support.sample_results import MAKERS

CONTRACT = json.loads((Path(__file__).parents[2] / "infra/tests/platform/contract.json").read_text())
GENERATOR = "dev-benchmark-generator"
NAMED: dict[str, Any] = {
    "outputs": None,
    "stack": None,
    "cluster": None,
    "project": None,
    "region": None,
    "profile": None,
}


class Store:
    """Objects of one bucket."""

    def __init__(self, clock: FakeClock, bucket: str) -> None:
        self.clock, self.bucket = clock, bucket
        self.objects: dict[str, tuple[bytes, Any]] = {}
        self.denied = False

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = (data, self.clock.utc())

    def put_run(self, result: Result, *names: str) -> None:
        """A whole run, as its generator sends it."""
        prefix = f"runs/{result.manifest.run_id}/"
        for name in (*names, "logs/worker-0.log"):
            self.put(prefix + name, name.encode())
        self.put(f"{prefix}result.json", encode(result))

    def list(self, *, Bucket: str, Prefix: str, ContinuationToken: str = "") -> Mapping[str, Any]:
        self._see(Bucket)
        keys = [key for key in sorted(self.objects) if key.startswith(Prefix) and key > ContinuationToken]
        page = keys[:3]  # small pages, so that every test turns some
        answer: dict[str, Any] = {"IsTruncated": len(keys) > 3}
        answer["Contents"] = [
            {"Key": key, "Size": len(self.objects[key][0]), "LastModified": self.objects[key][1]} for key in page
        ]
        return {**answer, "NextContinuationToken": page[-1]} if answer["IsTruncated"] else answer

    def get(self, *, Bucket: str, Key: str) -> Mapping[str, Any]:
        self._see(Bucket)
        if Key not in self.objects:
            raise Refused("NoSuchKey", "The specified key does not exist.")
        return {"Body": io.BytesIO(self.objects[Key][0])}

    def _see(self, bucket: str) -> None:
        if self.denied:
            raise Refused("AccessDenied", "Access Denied")
        if bucket != self.bucket:
            raise Refused("NoSuchBucket", "The specified bucket does not exist")


class Bench:
    """The deployment, and the commands on it."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        fleet = of_contract(parse(CONTRACT, "contract.json"), "contract.json")
        self.aws = FakeAws.from_fleet(fleet, clock=self.clock)
        self.contract = self.aws.contract(CONTRACT)
        self.store = Store(self.clock, self.contract["benchmark"]["results_bucket"])
        self.aws.add("s3", "list_objects_v2", self.store.list)
        self.aws.add("s3", "get_object", self.store.get)
        self.directory = directory
        self.outputs = directory / "outputs.json"
        self.outputs.write_text(outputs(self.contract))
        self.runs: list[Run] = []
        self.agents: list[Run] = []
        """Tasks of `auroral bench generator`."""
        self.agents_last_s = 100_000.0
        self.example, self.exit_code, self.lasts_s = "pass", 0, 120.0
        self.sends, self.logs_document = True, False
        self.interrupts: list[float] = []
        self.aws.program(GENERATOR, self._generate)
        self.out, self.err = io.StringIO(), io.StringIO()

    def run(self, *, flags: Mapping[str, Any] | None = None, **options: Any) -> int:
        """`auroral bench remote run`; its exit code, with errors printed as main does."""
        given: dict[str, Any] = {
            "workers": 3 if flags is None else None, "keep_workers": False, "detach": False, "timeout": 900.0,
            "json": False, "yes": False, "output": str(self.directory / "run"), "dry_run": False,
            **self._common(), **options,
        }  # fmt: skip
        told = flags if flags is not None else {"target-rate": "10", "duration": "1m"}
        clocked = {"sleep": self.clock.sleep, "now_s": self.clock.now_s}
        return self._ended(lambda process: run(process, told, **clocked, **given))

    def workers(self, number: int | None = None, **options: Any) -> int:
        """`auroral bench remote workers`."""
        given = {"number": number, "rate": None, "timeout": "15m", "yes": False, "dry_run": False}
        given |= {**self._common(), **options}
        clocked = {"sleep": self.clock.sleep, "now_s": self.clock.now_s}
        return self._ended(lambda process: workers(process, **clocked, **given))

    def results(self, run_id: str | None = None, **options: Any) -> int:
        """`auroral bench remote results`."""
        given: dict[str, Any] = {
            "last": False, "task": None, "document": False, "output": None, "limit": 20, "json": False,
            **self._common(), **options,
        }  # fmt: skip
        return self._ended(lambda process: results(process, run_id=run_id, **given))

    @property
    def said(self) -> str:
        return self.err.getvalue()

    @property
    def printed(self) -> str:
        return self.out.getvalue()

    @property
    def desired(self) -> int:
        """Workers that are asked for."""
        return int(self.aws.service(BENCHMARK_WORKER).desired)

    @property
    def generators(self) -> int:
        """Generators that have not stopped."""
        return sum(one.status != "STOPPED" for one in self.aws.world.standalone)

    @property
    def mark(self) -> str:
        """Of the cluster."""
        found = self.aws.call("ecs", "describe_clusters", clusters=[self.aws.world.names.cluster], include=["TAGS"])[
            "clusters"
        ][0]
        return next((str(one["value"]) for one in found.get("tags", ()) if one["key"] == MARK), "")

    def result(self, run_id: str) -> Result:
        """The result that the generator is going to have."""
        made = MAKERS[self.example]()
        return msgspec.structs.replace(made, manifest=msgspec.structs.replace(made.manifest, run_id=run_id))

    def _generate(self, run: Run) -> Outcome:
        if run.command[:2] == ("bench", "generator"):
            self.agents.append(run)
            return Outcome(
                lines=[(2.0, "wait: for a run")], exit_code=1, lasts_s=self.agents_last_s, stopped_exit_code=0
            )
        self.runs.append(run)
        result = self.result(run.command[run.command.index("--run-id") + 1])
        lines = [(2.0, "connect: frontend"), (5.0, "drive: 1m"), (self.lasts_s - 5, "write: results/x")]
        lines.append((self.lasts_s - 4, "PASS as the generator prints it"))
        if self.logs_document:
            document = encode_lines(result.manifest.run_id, encode(result))
            lines += [(self.lasts_s - 3 + number / 100, line) for number, line in enumerate(document)]
        at_end = (lambda: self.store.put_run(result, "report.html", "summary.txt")) if self.sends else None
        return Outcome(lines=lines, exit_code=self.exit_code, lasts_s=self.lasts_s, at_end=at_end, stopped_exit_code=4)

    def _common(self) -> dict[str, Any]:
        return {**NAMED, "outputs": str(self.outputs), "account": lambda **_: self.aws}

    def _ended(self, command: Callable[[Process], int]) -> int:
        process = Process([], {}, self.out, self.err)
        try:
            return int(command(process))
        except AuroralError as error:
            process.err(f"error: {error}")
            return int(error.exit_code)
        except KeyboardInterrupt:
            process.err("interrupted")
            return 4


def fingerprint(data: bytes) -> str:
    """To compare files by."""
    return hashlib.sha256(data).hexdigest()
