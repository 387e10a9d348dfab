"""What the generators, workers and remote parts of one run agree on. Pure.

Written before the run starts. Every process of the run gets it, and a worker says in its identity which
protocol it speaks and which manifest it was given, so that the preflight refuses one that does not match.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec

LANGUAGE_VERSION = 1
"""Version of the step language that the interpreter workflow runs. Raise it when old workers would misread."""

ENGINES = ("sdk", "wire")
"""What runs the workloads in the workers of this version."""

Transport = Literal["wire", "sdk"]
"""What a generator drives the API with: auroral's own transport, or the SDK's client."""

NO_MANIFEST = "-"
"""Stands for the digest of the manifest where a worker was started without one: it serves any run."""

ROOT_WORKFLOW_TYPE = "auroral.workload"
CHILD_WORKFLOW_TYPE = "auroral.child"
PROBE_WORKFLOW_TYPE = "auroral.probe"


class ManifestWorkload(msgspec.Struct, frozen=True, kw_only=True):
    """One workload of the mix."""

    name: str
    weight: float
    """Share of the starts, relative to the others' weights."""
    definition: dict[str, Any]
    """The step language's plain form (see `workload.to_plain`)."""
    digest: str
    """SHA-256 of the canonical JSON of `definition`, hexadecimal."""


class ManifestArrival(msgspec.Struct, frozen=True, kw_only=True):
    """The arrival process: rate segments, spacing and end. Enough to make the schedule again."""

    process: str
    """`constant` or `poisson`."""
    segments: list[tuple[float, float, float]]
    """(duration in s, rate at its start, rate at its end), rates per second."""
    ramp_s: float
    """Length of the first ramp: the steady window starts after it."""
    count: int | None
    """Stop after this many starts; None: the segments alone decide."""
    seed: int
    staged: bool
    """Whether the user gave stages: each segment then has a window of its own."""

    @property
    def peak_rate_per_s(self) -> float:
        """The highest rate of the schedule."""
        return max((rate for _, start, end in self.segments for rate in (start, end)), default=0.0)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The agreement of one run."""

    run_id: str
    nonce: str = ""
    """Part of every request id, so that the server never takes a start for one of an earlier run of this id."""
    namespace: str
    task_queues: list[str]
    workloads: list[ManifestWorkload]
    arrival: ManifestArrival
    engine: str
    eager_start: bool = False
    """Whether the generators ask for the first workflow task with each start's answer, and work on it themselves."""
    observe: str
    """`watch` or `visibility`."""
    language_version: int = LANGUAGE_VERSION
    generator_processes: int = 1
    expected_workers: int = 1
    """Worker processes that the preflight waits for. Where they run elsewhere, the least that will do."""
    execution_timeout_s: float = 600.0
    auroral_version: str = ""
    created_at: str = ""
    """UTC, ISO 8601."""

    def workflow_id(self, generator: int, index: int) -> str:
        """Name the workflow of one intended start: `<run id>-<generator>-<index>`."""
        return f"{self.run_id}-{generator}-{index}"

    def request_id(self, workflow_id: str) -> str:
        """By which the server tells a start sent again from a second one."""
        return f"{self.nonce}/{workflow_id}"

    @property
    def id_prefix(self) -> str:
        """What every workflow id of the run starts with, children included."""
        return f"{self.run_id}-"

    @property
    def digest(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of its canonical JSON: the same wherever it was read."""
        # Read back, so that a whole number where a fraction may stand counts as the file's reader has it.
        read = msgspec.json.decode(msgspec.json.encode(self), type=Manifest)
        return digest(msgspec.to_builtins(read))[:12]


def digest(definition: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a plain value, hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(definition, order="sorted")).hexdigest()


_IDENTITY = re.compile(
    r"auroral-worker/(?P<version>[^;\s]+);language=(?P<language>[0-9]{1,9});engine=(?P<engine>\w+);"
    r"manifest=(?P<manifest>[0-9a-f]{12}|-);slots=(?P<slots>[0-9]{1,9}(?:/[0-9]{1,9}){2});"
    r"pollers=(?P<pollers>[0-9]{1,9}/[0-9]{1,9});nonsticky=(?P<nonsticky>[0-9](?:\.[0-9]+)?(?:e-[0-9]{1,3})?);"
    r"eager=(?P<eager>[0-9]{1,9});(?P<where>[0-9]{1,9}@\S+)"
)


class WorkerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process says of itself in its poller identity, where DescribeTaskQueue shows it.

    Every event that a worker causes carries it too, so that it is short: not every option has its place.
    """

    auroral_version: str
    language_version: int
    engine: str
    manifest_digest: str = NO_MANIFEST
    """Of the manifest that it was started with."""
    slots: tuple[int, int, int]
    """Workflow task, activity and local activity slots."""
    pollers: tuple[int, int]
    """For workflow tasks and for activities."""
    nonsticky_ratio: float
    """Share of the workflow task pollers that serve the normal queue."""
    eager_activities: int
    """Activities that one workflow task may reserve eagerly; 0: none."""
    where: str
    """`<pid>@<host>`."""

    def __str__(self) -> str:
        slots = "/".join(str(count) for count in self.slots)
        pollers = "/".join(str(count) for count in self.pollers)
        return (
            f"auroral-worker/{self.auroral_version};language={self.language_version};engine={self.engine};"
            f"manifest={self.manifest_digest};slots={slots};pollers={pollers};nonsticky={self.nonsticky_ratio!r};"
            f"eager={self.eager_activities};{self.where}"
        )

    @classmethod
    def parse(cls, identity: str) -> WorkerIdentity | None:
        """Read a poller identity; None where it is not one of auroral's workers."""
        match = _IDENTITY.fullmatch(identity)
        if match is None:
            return None
        workflow_tasks, activities, local_activities = (int(part) for part in match["slots"].split("/"))
        workflow_pollers, activity_pollers = (int(part) for part in match["pollers"].split("/"))
        return cls(
            auroral_version=match["version"],
            language_version=int(match["language"]),
            engine=match["engine"],
            manifest_digest=match["manifest"],
            slots=(workflow_tasks, activities, local_activities),
            pollers=(workflow_pollers, activity_pollers),
            nonsticky_ratio=float(match["nonsticky"]),
            eager_activities=int(match["eager"]),
            where=match["where"],
        )
