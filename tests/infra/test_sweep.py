"""What keeps a deployment from going is removed, at moto's server; what is another's stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from auroral.errors import TargetError
from auroral.infra.sweep import WHATS, Sweeper
from tests.support.threaded_moto import ACCOUNT, REGION, moto_environment, reset

_IMAGE = "ami-0123456789abcdef0"
_MEDIA = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    with moto_environment() as made:
        yield made


@pytest.fixture
def session(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = boto3.Session(region_name=REGION)
    reset(environ)
    return made


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sweeper(session: Any, said: list[str]) -> Sweeper:
    return Sweeper(session, project="smoke-ab", region=REGION, say=said.append)


def _bucket(session: Any, name: str, objects: int) -> None:
    s3 = session.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(objects):
        s3.put_object(Bucket=name, Key=f"key-{number % 3}", Body=b"x")
    s3.delete_object(Bucket=name, Key="key-0")


def test_a_bucket_is_emptied_of_every_version_and_can_be_deleted(
    session: Any, sweeper: Sweeper, said: list[str]
) -> None:
    ours = f"smoke-ab-benchmark-{ACCOUNT}-{REGION}"
    others = f"smoke-abc-benchmark-{ACCOUNT}-{REGION}"
    _bucket(session, ours, 10)
    _bucket(session, others, 4)
    found = sweeper.found(["results"])
    assert found == {"results": [ours]}
    sweeper.remove(found)
    session.client("s3").delete_bucket(Bucket=ours)
    assert len(session.client("s3").list_object_versions(Bucket=others)["Versions"]) == 4
    assert said == [f"bucket {ours}: 11 versions deleted"]


def test_more_versions_than_one_request_takes(session: Any) -> None:
    state = f"smoke-ab-terraform-{ACCOUNT}-{REGION}"
    _bucket(session, state, 10)
    sweeper = Sweeper(session, project="smoke-ab", region=REGION, say=lambda line: None, batch=3)
    sweeper.remove(sweeper.found(["state"]))
    session.client("s3").delete_bucket(Bucket=state)


def test_images_go_and_repositories_stay(session: Any, sweeper: Sweeper) -> None:
    ecr = session.client("ecr")
    for name in ("smoke-ab/server", "smoke-ab/ui", "smoke-abc/server", "server"):
        ecr.create_repository(repositoryName=name)
        for tag in ("1", "2"):
            manifest = {"schemaVersion": 2, "config": {"digest": f"sha256:{name}{tag}"}, "layers": []}
            ecr.put_image(
                repositoryName=name, imageManifest=json.dumps(manifest), imageTag=tag, imageManifestMediaType=_MEDIA
            )
    found = sweeper.found(["images"])
    assert sorted(found["images"]) == ["smoke-ab/server", "smoke-ab/ui"]
    sweeper.remove(found)
    left = {
        name: len(ecr.list_images(repositoryName=name)["imageIds"]) for name in ("smoke-ab/server", "smoke-abc/server")
    }
    assert left == {"smoke-ab/server": 0, "smoke-abc/server": 2}


def test_instances_lose_their_protection(session: Any, sweeper: Sweeper, said: list[str]) -> None:
    scaling = session.client("autoscaling")
    scaling.create_launch_configuration(LaunchConfigurationName="lc", ImageId=_IMAGE, InstanceType="m7g.xlarge")
    for name in ("smoke-ab-main", "smoke-abc-main"):
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName="lc", MinSize=3, MaxSize=3,
            AvailabilityZones=[f"{REGION}a"], NewInstancesProtectedFromScaleIn=True,
        )  # fmt: skip
    sweeper.remove(sweeper.found(["instances"]))
    groups = {one["AutoScalingGroupName"]: one for one in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]}
    protected = {name: sum(one["ProtectedFromScaleIn"] for one in group["Instances"]) for name, group in groups.items()}
    assert protected == {"smoke-ab-main": 0, "smoke-abc-main": 3}
    assert not groups["smoke-ab-main"]["NewInstancesProtectedFromScaleIn"]
    assert said == ["group smoke-ab-main: 3 instances are no longer protected from scale-in"]


def test_the_secret_goes_with_a_time_of_grace(session: Any, sweeper: Sweeper) -> None:
    client = session.client("secretsmanager")
    client.create_secret(Name="smoke-ab/grafana", SecretString="x")
    client.create_secret(Name="smoke-abc/grafana", SecretString="x")
    sweeper.remove(sweeper.found(["secret"]))
    assert [one["Name"] for one in client.list_secrets()["SecretList"]] == ["smoke-abc/grafana"]
    assert sweeper.found(["secret"]) == {"secret": []}


def test_what_is_left_is_told_but_for_what_ends_by_itself(session: Any, sweeper: Sweeper) -> None:
    tags = [{"Key": "Project", "Value": "smoke-ab"}]
    ec2 = session.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ids = [one["InstanceId"] for one in ec2.run_instances(ImageId=_IMAGE, MinCount=2, MaxCount=2)["Instances"]]
    ec2.create_tags(Resources=[vpc, *ids], Tags=tags)
    ec2.terminate_instances(InstanceIds=ids[:1])
    session.client("kms").create_key(Tags=[{"TagKey": "Project", "TagValue": "smoke-ab"}])
    session.client("sns").create_topic(Name="other", Tags=[{"Key": "Project", "Value": "smoke-abc"}])
    left = sweeper.found(["left"])["left"]
    assert {arn.rpartition("/")[2] for arn in left} == {vpc, ids[1]}
    ec2.terminate_instances(InstanceIds=ids)
    ec2.delete_vpc(VpcId=vpc)
    assert sweeper.found(["left"]) == {"left": []}


def test_where_there_is_nothing(session: Any, sweeper: Sweeper, said: list[str]) -> None:
    found = sweeper.found(WHATS)
    assert all(names == [] for names in found.values())
    sweeper.remove(found)
    assert said == []


def test_an_account_that_cannot_be_reached(session: Any, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TargetError, match="AWS refuses or cannot be reached"):
        sweeper.found(["images"])
