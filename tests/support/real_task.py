"""An account whose one-shot tasks are real processes: what ECS runs, Docker's log driver sends and CloudWatch keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

EVENT_BYTES = 262_118
"""At which Docker's driver for CloudWatch cuts a line."""
PAGE_EVENTS = 7
"""Of GetLogEvents, so that answers have many pages."""


class TaskAccount:
    """Behind the door to AWS: RunTask runs the program here, to its end."""

    region = "us-east-1"
    profile = None

    def __init__(
        self, environ: Mapping[str, str], *, program: Sequence[str] = (sys.executable, "-m", "auroral")
    ) -> None:
        self.environ = dict(environ)
        self.program = list(program)
        self.requests: list[Mapping[str, Any]] = []
        self.calls: list[str] = []
        self.now_s = 0.0
        self._events: list[str] = []
        self._status = 0
        self._looks = 0

    def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.now_s += seconds

    def now(self) -> float:
        """Seconds."""
        return self.now_s

    @property
    def commands(self) -> list[list[str]]:
        """What each task was told to run."""
        return [one["overrides"]["containerOverrides"][0]["command"] for one in self.requests]

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """Answer as AWS does."""
        self.calls.append(operation)
        answer: Mapping[str, Any] = getattr(self, f"_{operation}")(**arguments)
        return answer

    def _describe_task_definition(self, taskDefinition: str) -> Mapping[str, Any]:
        name = taskDefinition.removeprefix("dev-")
        options = {"awslogs-group": "g", "awslogs-stream-prefix": name, "awslogs-region": self.region}
        log = {"logDriver": "awslogs", "options": options}
        return {"taskDefinition": {"containerDefinitions": [{"name": name, "logConfiguration": log}]}}

    def _run_task(self, **request: Any) -> Mapping[str, Any]:
        self.requests.append(request)
        (override,) = request["overrides"]["containerOverrides"]
        given = {one["name"]: one["value"] for one in override.get("environment", ())}
        ended = subprocess.run(
            [*self.program, *override["command"]],
            env={**os.environ, **self.environ, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        self._events = [
            line[start : start + EVENT_BYTES].decode(errors="replace")
            for line in ended.stdout.split(b"\n")
            for start in range(0, len(line), EVENT_BYTES)  # none of an empty line
        ]
        self._status, self._looks = ended.returncode, 0
        return {"tasks": [{"taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/dev/t{len(self.requests)}"}]}

    def _describe_tasks(self, cluster: str, tasks: list[str]) -> Mapping[str, Any]:
        self._looks += 1
        container = {"name": "any"}
        states = ["PENDING", "RUNNING", "STOPPED"]
        status = states[min(self._looks, len(states)) - 1]
        names = ("schema", "operator", "visibility-setup")
        done = {"exitCode": self._status} if status == "STOPPED" else {}
        return {"tasks": [{"lastStatus": status, "containers": [{**container, "name": one, **done} for one in names]}]}

    def _get_log_events(self, nextToken: str = "0", **_: Any) -> Mapping[str, Any]:
        start = int(nextToken)
        page = self._events[start : start + PAGE_EVENTS]
        events = [{"message": line} for line in page]
        return {"events": events, "nextForwardToken": str(start + len(page))}
