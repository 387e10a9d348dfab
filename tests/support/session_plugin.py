"""A double of AWS's side of sessions, and of the Session Manager plugin.

The account opens sessions as ECS and Systems Manager do, for the tasks it is given. The plugin is a real executable
that accepts what the AWS CLI gives to the real one and nothing else. What the agent in a container would do, it does
on this machine: it runs the command in a terminal, or passes a port on. How the real plugin behaves was read from its
source (version 1.3.0.0) and is held to it by tests/ecs/session/test_real.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, api_name, kind_of
from auroral.ecs.fleet import Fleet, FleetService

CLUSTER, REGION = "dev", "us-east-1"
BEGAN = datetime(2026, 11, 26, tzinfo=UTC)


def refusal(code: str, words: str, service: str = "ecs", operation: str = "execute_command") -> AwsError:
    return AwsError(Failure(kind=kind_of(code), code=code, words=words, call=api_name(service, operation)))


def a_fleet(**ports: Mapping[str, int]) -> Fleet:
    """history and ui, frontend, collector; `ports` replaces those of a service."""
    own: dict[str, Mapping[str, int]] = {
        "frontend": {"grpc": 7233, "http": 7243, "metrics": 9090},
        "history": {"grpc": 7234},
        "ui": {"http": 8080},
        "collector": {},
        **ports,
    }
    services = {
        key: FleetService(
            key=key,
            name=f"{CLUSTER}-{key}",
            container=key,
            family=f"{CLUSTER}-{key}",
            task_definition=f"arn:aws:ecs:{REGION}:123456789012:task-definition/{CLUSTER}-{key}:1",
            log_group=f"/ecs/{CLUSTER}/{key}",
            cpu=256,
            memory=512,
            pool="main",
            planned=1,
            maximum=1,
            ports=found,
        )
        for key, found in own.items()
    }
    return Fleet(cluster=CLUSTER, region=REGION, project=CLUSTER, services=services)


def a_task(service: str, letter: str, *, minute: int = 0, status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    """As DescribeTasks describes one; its id is the letter 32 times."""
    return {
        "taskArn": f"arn:aws:ecs:{REGION}:123456789012:task/{CLUSTER}/{letter * 32}",
        "group": f"service:{CLUSTER}-{service}",
        "lastStatus": status,
        "startedAt": BEGAN + timedelta(minutes=minute),
        "enableExecuteCommand": True,
        "containers": [
            {
                "name": service,
                "runtimeId": f"{letter * 32}-1234567890",
                "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}],
            }
        ],
        **more,
    }


@dataclass
class SessionAccount:
    """AWS's side, behind the project's own door."""

    directory: Path
    tasks: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    """Of this machine, where a forwarded port leads to."""
    mode: str = ""
    """What the plugin's double does wrong."""
    profile: str | None = None
    region: str = REGION
    failures: dict[str, Callable[[], AwsError]] = field(default_factory=dict)
    """Operation → what it raises."""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    url: str | None = None
    """StreamUrl, where it is no file for the double."""
    last: dict[str, Any] = field(default_factory=dict)
    """The session that was opened last, as the double finds it."""

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        self.calls.append((service, operation, arguments))
        if operation in self.failures:
            raise self.failures[operation]()
        answer: Mapping[str, Any] = getattr(self, f"_{service}_{operation}")(**arguments)
        return answer

    def named(self, operation: str) -> list[dict[str, Any]]:
        """The arguments of the calls of one operation."""
        return [arguments for _, called, arguments in self.calls if called == operation]

    def _ecs_list_tasks(self, cluster: str, serviceName: str) -> Mapping[str, Any]:
        assert cluster == CLUSTER
        group = f"service:{serviceName}"
        return {"taskArns": [one["taskArn"] for one in self.tasks if one["group"] == group]}

    def _ecs_describe_tasks(self, cluster: str, tasks: list[str]) -> Mapping[str, Any]:
        assert cluster == CLUSTER
        return {"tasks": [one for one in self.tasks if one["taskArn"] in tasks]}

    def _ecs_execute_command(
        self, cluster: str, task: str, container: str, command: str, interactive: bool
    ) -> Mapping[str, Any]:
        assert interactive, "ECS knows interactive sessions only"
        assert any(one["taskArn"] == task for one in self.tasks)
        session = self._session({"command": command})
        return {
            "clusterArn": f"arn:aws:ecs:{REGION}:123456789012:cluster/{cluster}",
            "taskArn": task,
            "containerName": container,
            "interactive": True,
            "session": {name[:1].lower() + name[1:]: value for name, value in session.items()},
        }

    def _ssm_start_session(
        self, Target: str, DocumentName: str, Parameters: Mapping[str, list[str]]
    ) -> Mapping[str, Any]:
        kind, _, name = Target.partition(":")
        cluster, task, runtime = name.split("_")
        assert (kind, cluster, DocumentName) == ("ecs", CLUSTER, "AWS-StartPortForwardingSession")
        ours = [one for one in self.tasks if one["taskArn"].endswith(task)]
        assert [one["containers"][0]["runtimeId"] for one in ours] == [runtime]
        assert all(len(values) == 1 for values in Parameters.values())
        return self._session({"to": self.port, "listen": int(Parameters["localPortNumber"][0])})

    def _ssm_terminate_session(self, SessionId: str) -> Mapping[str, Any]:
        return {"SessionId": SessionId}

    def _session(self, work: Mapping[str, Any]) -> dict[str, str]:
        number = len(self.named("execute_command")) + len(self.named("start_session"))
        self.last = {"token": f"secret-{number}", "mode": self.mode, **work}
        file = self.directory / f"session-{number}.json"
        file.write_text(json.dumps(self.last))
        return {
            "SessionId": f"ecs-execute-command-{number}",
            "TokenValue": self.last["token"],
            "StreamUrl": self.url or file.as_uri(),
        }


def install(directory: Path, *, version: str = "1.2.804.0") -> dict[str, str]:
    """Put the double into a directory; the environment whose PATH begins with it, and has AWS's endpoints unset."""
    import os

    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "session-manager-plugin"
    root = Path(__file__).parents[2]
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\n"
        f"from tests.support.session_plugin_double import main\nmain(sys.argv, {version!r})\n"
    )
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


def path_of(url: str) -> Path:
    """The file of a double's stream URL."""
    return Path(urlsplit(url).path)
