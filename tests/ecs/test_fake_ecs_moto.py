"""The same calls to moto's server, over HTTP, and to the double give answers of the same form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from auroral.aws_account import Account, AwsAccount, AwsError
from tests.support.fake_ecs import FakeAws
from tests.support.fake_ecs.example import service, small
from tests.support.moto_server import ACCOUNT, REGION, Moto, moto_server

ONLY_MOTO = {
    "launchType",  # Service, Deployment: omitted for capacity providers, says the API Reference
    "taskSets",  # of the deployment controllers CODE_DEPLOY and EXTERNAL
    "platformFamily",  # of Fargate
    "compatibilities",  # of a task definition: what ECS works out itself
    "versionInfo",  # of an instance's agent
    "stoppedReason",  # moto: empty for a task that runs; ECS leaves it out
    "exitCode",  # moto: 0 from the start
    "memory",  # of a container: moto needs it
    # Of Auto Scaling groups: what Terraform sets and no command reads.
    "HealthCheckGracePeriod",
    "LaunchConfigurationName",
    "LoadBalancerNames",
    "SuspendedProcesses",
    "TargetGroupARNs",
    "TerminationPolicies",
    "EnabledMetrics",
    "ServiceLinkedRoleARN",
    "CapacityRebalance",
    "storedBytes",  # of logs, deprecated
    "uploadSequenceToken",
    "metricFilterCount",
    "logGroupArn",
}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """A cluster with an instance, a service's definition and network, an Auto Scaling group, a log."""
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as running:
        _fill(running, small())
        yield running


def _fill(moto: Moto, model: FakeAws) -> None:
    ecs, ec2, logs = (moto.client(name) for name in ("ecs", "ec2", "logs"))
    ecs.create_cluster(clusterName="dev", tags=[{"key": "a", "value": "b"}])
    image = "ami-03cf127a"
    (host,) = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"]
    document = {"accountId": ACCOUNT, "region": REGION, "instanceId": host["InstanceId"], "imageId": image}
    ecs.register_container_instance(cluster="dev", instanceIdentityDocument=json.dumps(document))
    definition = model.call("ecs", "describe_task_definition", taskDefinition="dev-history")["taskDefinition"]
    # moto counts the containers' own memory; the double's tasks have that of the task.
    containers = [{**one, "memory": 128} for one in definition["containerDefinitions"]]
    ecs.register_task_definition(
        family="dev-history", containerDefinitions=containers, cpu="128", memory="256", networkMode="awsvpc"
    )
    network = {"awsvpcConfiguration": {"subnets": [_subnet(moto)], "securityGroups": [], "assignPublicIp": "DISABLED"}}
    ecs.create_service(
        cluster="dev",
        serviceName="dev-history",
        taskDefinition="dev-history",
        desiredCount=2,
        launchType="EC2",
        networkConfiguration=network,
    )
    scaling = moto.client("autoscaling")
    launch = {"LaunchConfigurationName": "main", "ImageId": image, "InstanceType": "m7g.xlarge"}
    scaling.create_launch_configuration(**launch)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="dev-main",
        LaunchConfigurationName="main",
        MinSize=1,
        MaxSize=4,
        AvailabilityZones=[f"{REGION}a"],
    )
    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    provider = {"autoScalingGroupArn": group["AutoScalingGroupARN"], "managedScaling": {"status": "ENABLED"}}
    ecs.create_capacity_provider(name="dev-main", autoScalingGroupProvider=provider)
    logs.create_log_group(logGroupName="/ecs/dev/history")
    logs.create_log_stream(logGroupName="/ecs/dev/history", logStreamName="history/history/1")
    now_ms = round(datetime.now().timestamp() * 1000)
    event = {"timestamp": now_ms, "message": "one"}
    logs.put_log_events(logGroupName="/ecs/dev/history", logStreamName="history/history/1", logEvents=[event])
    cloudwatch = moto.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="dev-history-memory",
        MetricName="MemoryUtilization",
        Namespace="AWS/ECS",
        Period=60,
        EvaluationPeriods=1,
        Statistic="Maximum",
        Threshold=90.0,
        ComparisonOperator="GreaterThanThreshold",
    )


def _subnet(moto: Moto) -> str:
    return str(moto.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"])


@pytest.fixture(scope="module")
def account(moto: Moto) -> Iterator[AwsAccount]:
    """The door of an operator."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto.environ.items():
            patch.setenv(name, value)
        yield AwsAccount()


@pytest.fixture
def double() -> FakeAws:
    """As much as moto has."""
    aws = small(service(planned=2))
    aws.settle()
    aws.call("ecs", "tag_resource", resourceArn=aws.world.names.cluster_arn, tags=[{"key": "a", "value": "b"}])
    return aws


def differences(theirs: Any, ours: Any, at: str = "") -> list[str]:
    """What moto's answer has and the double's has not, and what is of another type."""
    if theirs is None or ours is None:
        return []
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        known = ONLY_MOTO | {"ResponseMetadata"}
        found = [f"{at}.{key} is missing" for key in theirs if key not in ours and key not in known]
        for key in theirs.keys() & ours.keys():
            found += differences(theirs[key], ours[key], f"{at}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(theirs[0], ours[0], f"{at}[]") if theirs and ours else []
    same = type(theirs) is type(ours) or {type(theirs), type(ours)} == {int, float}
    return [] if same else [f"{at}: {type(theirs).__name__} there, {type(ours).__name__} here"]


def _run(subnet: str) -> Callable[[Account], Mapping[str, Any]]:
    def ask(account: Account) -> Mapping[str, Any]:
        return account.call(
            "ecs",
            "run_task",
            cluster="dev",
            taskDefinition="dev-history",
            startedBy="me",
            launchType="EC2",
            overrides={"containerOverrides": [{"name": "history", "command": ["x"]}]},
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}},
        )

    return ask


@pytest.mark.parametrize(
    ("service_name", "operation", "arguments"),
    [
        ("ecs", "describe_services", {"cluster": "dev", "services": ["dev-history", "dev-none"]}),
        ("ecs", "list_services", {"cluster": "dev"}),
        ("ecs", "describe_clusters", {"clusters": ["dev", "none"], "include": ["TAGS"]}),
        ("ecs", "list_clusters", {}),
        ("ecs", "describe_task_definition", {"taskDefinition": "dev-history"}),
        ("ecs", "list_task_definitions", {"familyPrefix": "dev-history"}),
        ("ecs", "list_container_instances", {"cluster": "dev"}),
        ("ecs", "describe_capacity_providers", {"capacityProviders": ["dev-main"]}),
        ("ecs", "update_service", {"cluster": "dev", "service": "dev-history", "desiredCount": 2}),
        ("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": ["dev-main"]}),
        ("logs", "filter_log_events", {"logGroupName": "/ecs/dev/history"}),
        ("logs", "describe_log_streams", {"logGroupName": "/ecs/dev/history"}),
        ("logs", "describe_log_groups", {"logGroupNamePrefix": "/ecs/dev"}),
        ("cloudwatch", "describe_alarms", {"AlarmNames": ["dev-history-memory"]}),
    ],
)
def test_answers_have_the_same_form(
    account: AwsAccount, double: FakeAws, service_name: str, operation: str, arguments: dict[str, Any]
) -> None:
    theirs = account.call(service_name, operation, **arguments)
    ours = double.call(service_name, operation, **arguments)
    ignored = {"MetricAlarms": "what an alarm compares is no command's business"}
    cut = {key: value for key, value in theirs.items() if key not in ignored}
    assert differences(cut, ours) == [], str(differences(cut, ours))
    for key, value in ours.items():
        assert bool(value) == bool(theirs.get(key)) or key in ("tags", "searchedLogStreams"), key


def test_tasks_have_the_same_form(account: AwsAccount, double: FakeAws, moto: Moto) -> None:
    run = _run(_subnet(moto))
    theirs, ours = run(account), run(double)
    assert differences(theirs, ours) == []
    double.clock.advance(15)
    found = []
    for door, begun in ((account, theirs), (double, ours)):
        arn = begun["tasks"][0]["taskArn"]
        assert door.call("ecs", "list_tasks", cluster="dev", startedBy="me")["taskArns"] == [arn]
        found.append(door.call("ecs", "describe_tasks", cluster="dev", tasks=[arn]))
        found.append(door.call("ecs", "stop_task", cluster="dev", task=arn, reason="over"))
    assert differences(found[0], found[2]) == []
    assert differences(found[1], found[3]) == []


def test_instances_have_the_same_form(account: AwsAccount, double: FakeAws) -> None:
    answers = []
    for door in (account, double):
        arns = door.call("ecs", "list_container_instances", cluster="dev")["containerInstanceArns"]
        answers.append(door.call("ecs", "describe_container_instances", cluster="dev", containerInstances=arns[:1]))
    assert differences(answers[0], answers[1]) == []
    resources = [
        {one["name"]: one["type"] for one in answer["containerInstances"][0]["remainingResources"]}
        for answer in answers
    ]
    assert resources[0].items() >= resources[1].items()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("update_service", {"cluster": "dev", "service": "dev-none", "desiredCount": 1}),
        ("update_service", {"cluster": "none", "service": "dev-history", "desiredCount": 1}),
        ("describe_services", {"cluster": "none", "services": ["dev-history"]}),
        ("list_tasks", {"cluster": "none"}),
        ("describe_task_definition", {"taskDefinition": "none"}),
        ("update_service", {"cluster": "dev", "service": "dev-history", "count": 1}),
    ],
)
def test_refusals_have_the_same_kind(
    account: AwsAccount, double: FakeAws, operation: str, arguments: dict[str, Any]
) -> None:
    failures = []
    for door in (account, double):
        with pytest.raises(AwsError) as caught:
            door.call("ecs", operation, **arguments)
        failures.append((caught.value.failure.kind, caught.value.failure.code, caught.value.failure.call))
    assert failures[0] == failures[1]


def test_the_comparison_sees_a_difference() -> None:
    """A check that finds nothing must be able to."""
    theirs = {"a": [{"b": 1, "c": datetime.now()}], "d": {"e": 1.5}, "launchType": "EC2"}
    assert differences(theirs, {"a": [{"b": "1"}], "d": {"e": 2}}) == [
        ".a[].c is missing",
        ".a[].b: int there, str here",
    ]
