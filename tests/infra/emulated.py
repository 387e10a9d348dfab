"""The whole platform on moto: what only an emulator needs is said in override files here, not in the modules."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auroral.cli.main import run
from auroral.cli.process import Process
from tests.support.moto_server import ACCOUNT, REGION, Moto, moto_server
from tests.support.terraform import Workshop, attached, make_workshop

PROJECT = "demo"
DOMAIN = f"{PROJECT}-visibility"
STATES = "states-of-others"
"""A bucket for the state: not the bootstrap stack's, which stays missing."""
_DIGEST = "0123456789abcdef" * 4
_AT_ONCE = 40
"""Resources: most of an apply's time the provider sleeps before it looks at what it made."""

PROVIDER = """
provider "aws" {
  skip_metadata_api_check = true
  s3_use_path_style       = true
  # A 500 of the emulator is retried for over eight minutes otherwise.
  max_retries = 2
}
"""
GROUP = """
# An emulated group with scale-in protection never ends.
resource "aws_autoscaling_group" "this" {
  force_delete = true
}
"""
# The provider sleeps for ten minutes before it first asks for a domain that it makes (its issue 45244).
DOMAIN_IMPORT = f"""
import {{
  to = module.visibility.aws_opensearch_domain.this
  id = "{DOMAIN}"
}}
"""
DOMAIN_AS_IT_IS = """
resource "aws_opensearch_domain" "this" {
  lifecycle {
    ignore_changes = all
  }
}
"""


def override(workshop: Workshop) -> None:
    """Write the overrides into the copy of infra/."""
    platform = workshop.root("stacks/platform")
    (platform / "emulated_override.tf").write_text(PROVIDER)
    (platform / "emulated_import.tf").write_text(DOMAIN_IMPORT)
    (workshop.root("capacity") / "emulated_override.tf").write_text(GROUP)
    (workshop.root("visibility") / "emulated_override.tf").write_text(DOMAIN_AS_IT_IS)


def variables(**more: str) -> str:
    """A deployment's own variables, as a .tfvars."""
    names = ("server", "benchmark", "ui", "grafana", "collector")
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{PROJECT}"
    images = "\n".join(f'  {name} = "{registry}/{name}@sha256:{_DIGEST}"' for name in names)
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PROJECT}/grafana-AbCdEf"
    values = {
        "project": f'"{PROJECT}"',
        "region": f'"{REGION}"',
        "account_id": f'"{ACCOUNT}"',
        "ami_id": '"ami-0123456789abcdef0"',
        "grafana_secret_arn": f'"{secret}"',
        "images": f"{{\n{images}\n}}",
        "dsql_cluster": "{ deletion_protection = false }",
        **more,
    }
    return "\n".join(f"{name} = {value}" for name, value in values.items()) + "\n"


def make_domain(moto: Moto) -> None:
    """Make the search domain that the import adopts, as module visibility would."""
    moto.client("opensearch").create_domain(
        DomainName=DOMAIN,
        EngineVersion="OpenSearch_2.19",
        ClusterConfig={
            "InstanceType": "m6g.large.search",
            "InstanceCount": 3,
            "ZoneAwarenessEnabled": True,
            "ZoneAwarenessConfig": {"AvailabilityZoneCount": 3},
        },
        EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 50},
        EncryptionAtRestOptions={"Enabled": True},
        NodeToNodeEncryptionOptions={"Enabled": True},
        DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"},
        VPCOptions={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    )


def write_directory(directory: Path, **more: str) -> None:
    """A deployment's directory, with its own variables."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "own.tfvars").write_text(variables(**more))


def keep_state(moto: Moto, directory: Path) -> None:
    """Have a bucket for the state, as the deployment has in the end, and name it in the directory.

    A local state is written whole after each of 461 resources: 27 s of Terraform's CPU in an apply and a destroy.
    """
    moto.client("s3").create_bucket(Bucket=STATES)
    told = {"bucket": f'"{STATES}"', "key": '"dev/terraform.tfstate"', "region": f'"{REGION}"'}
    told |= dict.fromkeys(("use_path_style", "skip_metadata_api_check"), "true")
    (directory / "backend.hcl").write_text("".join(f"{name} = {value}\n" for name, value in told.items()))


@dataclass
class Deployed:
    """A platform on the emulator, and `auroral infra` for it."""

    moto: Moto
    workshop: Workshop
    directory: Path

    def auroral(self, command: str, *more: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one command."""
        argv = ["infra", command, *more, "--infra", str(self.workshop.infra), "--directory", str(self.directory)]
        argv += ["--profile", "dev"]
        process = Process(argv, dict(self.workshop.environ), io.StringIO(), io.StringIO())
        code = run(process)
        assert isinstance(process.stdout, io.StringIO)
        assert isinstance(process.stderr, io.StringIO)
        return code, process.stdout.getvalue(), process.stderr.getvalue()

    def without_refresh(self) -> None:
        """Let plans trust the state: moto forgets some of what it was told, and a refresh takes half of a plan."""
        self.workshop = self.workshop.with_environ(TF_CLI_ARGS_plan="-refresh=false")


@contextlib.contextmanager
def applied(folder: Path, provider: Path) -> Iterator[Deployed]:
    """Apply the platform to an emulator of its own, with a provider of its own."""
    workshop = make_workshop(folder)
    override(workshop)
    write_directory(folder / "deployment")
    with (
        moto_server(folder / "moto.log") as moto,
        attached(
            workshop.with_environ(**moto.environ, TF_CLI_ARGS_apply=f"-parallelism={_AT_ONCE}"), provider
        ) as ready,
    ):
        keep_state(moto, folder / "deployment")
        make_domain(moto)
        one = Deployed(moto, ready, folder / "deployment")
        code, out, err = one.auroral("apply", "--yes")
        assert code == 0, f"{out}\n{err}"
        yield one
