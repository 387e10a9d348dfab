"""Remove what keeps a deployment from being destroyed, and say what is left of one. Acts.

Terraform deletes no bucket that holds versions and no repository that holds images, and waits in vain for instances
that are protected from scale-in. Only what bears the project's own name is touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar, get_args

from auroral import aws
from auroral.errors import TargetError

What = Literal["results", "state", "images", "instances", "secret", "left"]
WHATS: tuple[What, ...] = get_args(What)

STAYS = (":kms:", ":task-definition/", ":secretsmanager:")
"""What AWS keeps for a while after its end, and asks no money for: keys that await deletion, inactive task definitions,
secrets in their time of grace."""
BATCH = 50
"""At once: SetInstanceProtection takes 50, BatchDeleteImage 100, DeleteObjects 1,000 (API references, 2026-11)."""

Say = Callable[[str], None]
_T = TypeVar("_T")


class Sweeper:
    """Sweeps one project of one account and region."""

    def __init__(self, session: Any, *, project: str, region: str, say: Say, batch: int = BATCH) -> None:
        self._session = session
        self._project = project
        self._region = region
        self._say = say
        self._batch = batch

    def found(self, what: Sequence[What]) -> dict[What, list[str]]:
        """What would be removed, by kind; for `left` what is left. Raises `TargetError`."""
        with self._told():
            return {one: list(self._list(one)) for one in what}

    def remove(self, found: dict[What, list[str]]) -> None:
        """Remove it. Raises `TargetError`."""
        with self._told():
            for what, names in found.items():
                for name in names:
                    self._remove(what, name)

    def _client(self, service: str) -> Any:
        return self._session.client(service, region_name=self._region)

    def _list(self, what: What) -> Iterator[str]:
        if what in ("results", "state"):
            yield from self._bucket(what)
        elif what == "images":
            pages = self._client("ecr").get_paginator("describe_repositories").paginate()
            names = (one["repositoryName"] for page in pages for one in page["repositories"])
            yield from (name for name in names if name.startswith(f"{self._project}/"))
        elif what == "instances":
            yield from self._groups()
        elif what == "secret":
            pages = self._client("secretsmanager").get_paginator("list_secrets").paginate()
            names = (one["Name"] for page in pages for one in page["SecretList"])
            yield from (name for name in names if name.startswith(f"{self._project}/"))
        else:
            filters = [{"Key": "Project", "Values": [self._project]}]
            pages = self._client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=filters)
            arns = (one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"])
            yield from (arn for arn in arns if not any(part in arn for part in STAYS) and not self._ended(arn))

    def _ended(self, arn: str) -> bool:
        """Whether it is an instance that has ended: tags show it for an hour."""
        if ":instance/" not in arn:
            return False
        filters = [{"Name": "instance-id", "Values": [arn.rpartition("/")[2]]}]
        answer = self._client("ec2").describe_instances(Filters=filters)
        states = {one["State"]["Name"] for group in answer["Reservations"] for one in group["Instances"]}
        return states <= {"terminated", "shutting-down"}

    def _bucket(self, what: What) -> Iterator[str]:
        account = self._client("sts").get_caller_identity()["Account"]
        middle = {"results": "benchmark", "state": "terraform"}[what]
        expected = f"{self._project}-{middle}-{account}-{self._region}"
        names = (one["Name"] for one in self._client("s3").list_buckets()["Buckets"])
        yield from (name for name in names if name == expected)

    def _groups(self) -> Iterator[str]:
        ours = {f"{self._project}-main", f"{self._project}-benchmark"}
        pages = self._client("autoscaling").get_paginator("describe_auto_scaling_groups").paginate()
        for page in pages:
            for group in page["AutoScalingGroups"]:
                if group["AutoScalingGroupName"] in ours:
                    yield group["AutoScalingGroupName"]

    def _remove(self, what: What, name: str) -> None:
        if what in ("results", "state"):
            self._empty_bucket(name)
        elif what == "images":
            self._empty_repository(name)
        elif what == "instances":
            self._unprotect(name)
        elif what == "secret":
            self._client("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)
            self._say(f"secret {name} goes in 7 days")

    def _empty_bucket(self, name: str) -> None:
        s3 = self._client("s3")
        count = 0
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
            for batch in self._batches(keys):
                answer = s3.delete_objects(Bucket=name, Delete={"Objects": batch, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise TargetError(f"S3 deletes {errors[0]['Key']} of {name} not: {errors[0]['Message']}")
                count += len(batch)
        self._say(f"bucket {name}: {count:,} versions deleted")

    def _empty_repository(self, name: str) -> None:
        ecr = self._client("ecr")
        count = 0
        # ECR refuses an image that an index still names; once the index is gone, a second round may delete it.
        for _ in range(2):
            for page in ecr.get_paginator("list_images").paginate(repositoryName=name):
                ids = [{"imageDigest": digest} for digest in sorted({one["imageDigest"] for one in page["imageIds"]})]
                for batch in self._batches(ids):
                    answer = ecr.batch_delete_image(repositoryName=name, imageIds=batch)
                    count += len(answer["imageIds"])
        self._say(f"repository {name}: {count:,} images deleted")

    def _unprotect(self, name: str) -> None:
        scaling = self._client("autoscaling")
        scaling.update_auto_scaling_group(AutoScalingGroupName=name, NewInstancesProtectedFromScaleIn=False)
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        ids = [one["InstanceId"] for one in group["Instances"] if one.get("ProtectedFromScaleIn")]
        for batch in self._batches(ids):
            scaling.set_instance_protection(AutoScalingGroupName=name, InstanceIds=batch, ProtectedFromScaleIn=False)
        self._say(f"group {name}: {len(ids)} instances are no longer protected from scale-in")

    def _batches(self, items: list[_T]) -> Iterator[list[_T]]:
        yield from (items[start : start + self._batch] for start in range(0, len(items), self._batch))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except aws.failures() as error:
            raise TargetError(
                f"AWS refuses or cannot be reached: {aws.words(error)}", hint="`aws sts get-caller-identity` says more"
            ) from error
