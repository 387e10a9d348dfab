"""Properties 10 to 13: what the roles may do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auroral.infra.findings import Finding, broken, judged, kept, unknown
from auroral.infra.model import Platform
from auroral.infra.policies import Statement, Unread, matches, policies, role_of

_CLUSTER = re.compile(r"^arn:aws[a-z-]*:dsql:[a-z0-9-]+:[0-9]{12}:cluster/[a-z0-9]+$")
_CONNECT = ("dsql:DbConnect", "dsql:DbConnectAdmin")
_DSQL = (*_CONNECT, "dsql:GetCluster", "dsql:DeleteCluster", "dsql:UpdateCluster")

INSTANCE_ACTIONS = (
    "ecs:DiscoverPollEndpoint",
    "ecs:RegisterContainerInstance",
    "ecs:DeregisterContainerInstance",
    "ecs:UpdateContainerInstancesState",
    "ecs:Poll",
    "ecs:StartTelemetrySession",
    "ecs:SubmitTaskStateChange",
    "ecs:SubmitContainerStateChange",
    "ecs:SubmitAttachmentStateChanges",
    "ecs:ListTagsForResource",
    "ecs:TagResource",
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What an instance may do: the ECS agent's part of AmazonEC2ContainerServiceforEC2Role, pulls, Session Manager."""

UNNARROWED = {
    "ecr:GetAuthorizationToken": "a token is for every repository",
    "ecs:DiscoverPollEndpoint": "asked before the cluster is known",
    "ecs:DescribeTaskDefinition": "knows no resources",
    "ec2:DescribeInstances": "knows no resources",
    "logs:DescribeLogGroups": "ECS Exec asks for all",
    "ssmmessages:CreateControlChannel": "knows no resources",
    "ssmmessages:CreateDataChannel": "knows no resources",
    "ssmmessages:OpenControlChannel": "knows no resources",
    "ssmmessages:OpenDataChannel": "knows no resources",
    "cloudwatch:GetMetricData": "knows no resources",
    "cloudwatch:GetMetricStatistics": "knows no resources",
    "cloudwatch:ListMetrics": "knows no resources",
    "cloudwatch:PutMetricData": "knows no resources",
}
"""Actions that take no resource but `*`, or are asked for all: Service Authorization Reference, November 2026."""

_NARROWING = ("ecs:cluster",)
"""Keys of conditions that narrow a statement as a resource would."""


def dsql_scoped(platform: Platform) -> Iterator[Finding]:
    """10: whoever may connect to DSQL may connect to this cluster."""
    for one in policies(platform):
        if isinstance(one, Unread):
            yield unknown(one.resource, "its policy")
            continue
        given = [action for action in one.actions if _of_dsql(action)]
        if not given:
            continue
        problems = [f"allows {action}: expected actions by name" for action in given if "*" in action]
        problems += [
            f"allows {', '.join(given)} on {arn}: expected the ARN of one cluster"
            for arn in one.resources
            if not _CLUSTER.match(arn)
        ]
        yield judged(one.resource, problems)


def _of_dsql(action: str) -> bool:
    return action.lower().startswith("dsql:") or any(matches(action, known) for known in _DSQL)


def admin_for_schema_alone(platform: Platform) -> Iterator[Finding]:
    """11: only the schema task enters as admin."""
    schema = platform.at("tasks", "schema", "role_arn")
    own = schema.rpartition("/")[2] if isinstance(schema, str) else None
    for one in policies(platform):
        if isinstance(one, Unread):
            yield unknown(one.resource, "its policy")
        elif one.allows("dsql:DbConnectAdmin"):
            fine = one.role == own if own is not None else (one.role or "").endswith("-schema-task")
            who = one.role or one.resource.address
            problem = f"{who} may dsql:DbConnectAdmin: expected the schema task's role only"
            yield kept(one.resource) if fine else broken(one.resource, problem)


def no_data_on_instances(platform: Platform) -> Iterator[Finding]:
    """12: an instance's role, which any container may borrow where a guard fails, reaches no data."""
    profiles = platform.of_type("aws_iam_instance_profile")
    roles = {name for one in profiles if (name := role_of(platform, one)) is not None}
    for one in policies(platform):
        if one.role not in roles:
            continue
        if isinstance(one, Unread):
            yield unknown(one.resource, "its policy")
            continue
        actions = ["everything but what it names"] if one.inverted else list(one.actions)
        yield judged(
            one.resource,
            [
                f"allows {action}: expected the ECS agent's actions, image pulls and sessions only"
                for action in actions
                if action not in INSTANCE_ACTIONS
            ],
        )
    for attached in platform.of_type("aws_iam_role_policy_attachment"):
        if role_of(platform, attached) in roles:
            yield broken(attached, f"{attached.get('policy_arn')} on an instance's role: expected its actions by name")


def no_star_resource(platform: Platform) -> Iterator[Finding]:
    """13: `*` as resource only where AWS knows none."""
    for one in policies(platform):
        if isinstance(one, Unread):
            yield unknown(one.resource, "its policy")
            continue
        problems = ["says NotAction or NotResource: expected what is allowed by name"] if one.inverted else []
        if any(_every(arn) for arn in one.resources) and not _narrowed(one):
            problems += [
                f"allows {action} on *: expected its resources by ARN"
                for action in one.actions
                if action not in UNNARROWED
            ]
        yield judged(one.resource, problems)


def _every(arn: str) -> bool:
    parts = arn.split(":", 5)
    return arn == "*" or (len(parts) == 6 and parts[5] in ("*", "*/*") and parts[2] not in ("s3",))


def _narrowed(one: Statement) -> bool:
    keys = {key for operator in one.conditions.values() if isinstance(operator, dict) for key in operator}
    return bool(one.actions) and any(key in _NARROWING for key in keys)
