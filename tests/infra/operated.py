"""`auroral`'s commands on the applied platform: one door to moto for all of them, time that nobody waits for."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from auroral.aws_account import AwsAccount
from auroral.cli.main import run
from auroral.cli.process import Process
from auroral.ecs.operation import MARK
from auroral.ecs.rollout import conduct
from tests.infra.emulated import PROJECT, Deployed

PLANNED = {"frontend": 2, "history": 4, "matching": 3, "worker": 2, "ui": 1, "grafana": 1, "collector": 1}
"""Of infra/profiles/dev.tfvars."""
SERVICES = (*PLANNED, "benchmark-worker")
CPU_UNITS, MEMORY_MIB = 4096, 15_636
"""What an agent on an m7g.xlarge tells ECS of it."""


class Skipping(conduct.Clock):
    """Time that passes when somebody sleeps, a minute a second, and at no other time."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def sleep(self, seconds: float) -> None:
        """Pass it over."""
        self.passed_s += 60 * seconds

    def now_s(self) -> float:
        """What was slept."""
        return self.passed_s


@dataclass(frozen=True)
class Ended:
    """What one command line came to."""

    code: int
    out: str
    err: str


@dataclass
class Site:
    """The applied platform, and commands on it."""

    deployed: Deployed
    outputs: Path
    """A file of its outputs."""
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """boto3's, made once: that takes a third of a second."""
        if service not in self.clients:
            self.clients[service] = self.deployed.moto.client(service)
        return self.clients[service]

    def run(self, *words: str, **environ: str) -> Ended:
        """Run a command line as it is."""
        told = {**self.deployed.workshop.environ, "DSQL_HOST_ADDRESS": "127.0.0.1", "DSQL_PORT": "9", **environ}
        stdout, stderr = io.StringIO(), io.StringIO()
        code = run(Process(words, told, stdout, stderr, width=80))
        return Ended(code, stdout.getvalue(), stderr.getvalue())

    def cluster(self, command: str, *words: str) -> Ended:
        """Run `auroral cluster COMMAND --outputs FILE WORDS`."""
        return self.run("cluster", command, "--outputs", str(self.outputs), *words)

    def write_outputs(self) -> None:
        """Ask Terraform for them, as a person does after an apply."""
        code, out, err = self.deployed.auroral("output")
        assert code == 0, err
        self.outputs.write_text(out)

    @property
    def contract(self) -> dict[str, Any]:
        """Of the outputs."""
        value = json.loads(self.outputs.read_text())["contract"]["value"]
        assert isinstance(value, dict)
        return value

    def services(self) -> dict[str, dict[str, Any]]:
        """As ECS describes them, by key."""
        names = [f"{PROJECT}-{key}" for key in SERVICES]
        found = self.client("ecs").describe_services(cluster=PROJECT, services=names)["services"]
        return {one["serviceName"].removeprefix(f"{PROJECT}-"): one for one in found}

    def running(self) -> dict[str, int]:
        """Tasks that run, by key, without services at 0."""
        return {key: one["runningCount"] for key, one in self.services().items() if one["runningCount"]}

    def mark(self) -> str:
        """Of an operation under way."""
        found = self.client("ecs").describe_clusters(clusters=[PROJECT], include=["TAGS"])["clusters"][0]
        return next((one["value"] for one in found.get("tags", []) if one["key"] == MARK), "")

    def everything(self) -> Mapping[str, Any]:
        """All that an operator's commands could have changed."""
        groups = self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return {
            "services": self.services(),
            "mark": self.mark(),
            "tasks": self.client("ecs").list_tasks(cluster=PROJECT)["taskArns"],
            "definitions": self.client("ecs").list_task_definitions()["taskDefinitionArns"],
            "instances": self.client("ecs").list_container_instances(cluster=PROJECT)["containerInstanceArns"],
            "groups": {one["AutoScalingGroupName"]: one["DesiredCapacity"] for one in groups},
            "secrets": [one["ARN"] for one in self.client("secretsmanager").list_secrets()["SecretList"]],
            "repositories": [
                one["repositoryUri"] for one in self.client("ecr").describe_repositories()["repositories"]
            ],
            "objects": self.client("s3").list_objects_v2(Bucket=self.contract["benchmark"]["results_bucket"])[
                "KeyCount"
            ],
        }

    def stop(self) -> None:
        """Have no task, whatever ran before."""
        if not self.running():
            return
        ended = self.cluster("down", "--yes")
        assert ended.code == 0, ended.err

    def start(self) -> None:
        """Have the planned tasks. moto runs no task that could look for the schema."""
        if self.running() == PLANNED:
            return
        ended = self.cluster("up", "--skip-preflight")
        assert ended.code == 0, ended.err

    def join(self) -> int:
        """Let the agents of the group's instances register, as far as none has; how many there are."""
        ecs, scaling = self.client("ecs"), self.client("autoscaling")
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[f"{PROJECT}-main"])["AutoScalingGroups"]
        if not ecs.list_container_instances(cluster=PROJECT)["containerInstanceArns"]:
            for one in group["Instances"]:
                ecs.register_container_instance(
                    cluster=PROJECT,
                    instanceIdentityDocument=json.dumps({"instanceId": one["InstanceId"]}),
                    totalResources=[
                        {"name": "CPU", "type": "INTEGER", "integerValue": CPU_UNITS},
                        {"name": "MEMORY", "type": "INTEGER", "integerValue": MEMORY_MIB},
                    ],
                    attributes=[{"name": "ecs.awsvpc-trunk-id", "value": f"eni-{one['InstanceId']}"}],
                )
        return len(group["Instances"])

    def leave(self) -> None:
        """Take the instances out of the cluster, as they do that the group ends."""
        ecs = self.client("ecs")
        for arn in ecs.list_container_instances(cluster=PROJECT)["containerInstanceArns"]:
            ecs.deregister_container_instance(cluster=PROJECT, containerInstance=arn, force=True)


@contextlib.contextmanager
def operating(deployed: Deployed, folder: Path) -> Iterator[Site]:
    """Let the commands of this process find the platform."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.moto.environ.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setattr("auroral.aws_account.AwsAccount", functools.cache(AwsAccount))
        patch.setattr(conduct, "Clock", Skipping)
        site = Site(deployed, folder / "outputs.json")
        site.write_outputs()
        yield site
