"""One call to AWS as a value: whether it only reads, how a shell would make it, what its failure means. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

_READS = ("describe_", "list_", "get_", "filter_", "batch_get_", "batch_check_", "lookup_", "head_", "query_")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call, in boto3's names: `Call(service="ecs", operation="update_service", arguments={…})`."""

    service: str
    operation: str
    arguments: Mapping[str, Any]
    why: str = ""
    """In a few words, for whoever watches."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.operation.startswith(_READS)

    def shell(self, *, region: str = "", profile: str | None = None) -> str:
        """The AWS CLI's line for it, which a shell takes as it is."""
        parts = ["aws", *(("--profile", profile) if profile else ()), *(("--region", region) if region else ())]
        parts += [self.service, self.operation.replace("_", "-")]
        for name, value in self.arguments.items():
            flag = f"--{_kebab(name)}"
            if value is True:
                parts.append(flag)
            elif value is False:
                parts.append(f"--no-{_kebab(name)}")
            elif isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
                parts += [flag, *value]
            elif isinstance(value, str | int | float):
                parts += [flag, str(value)]
            else:
                parts += [flag, json.dumps(value, separators=(",", ":"))]
        return shlex.join(parts)


class Kind(StrEnum):
    """What a failure of AWS means for whoever called."""

    THROTTLED = "throttled"
    """Ask again, more slowly."""
    EXPIRED = "expired"
    """The credentials are over: nothing more can be asked with them."""
    DENIED = "denied"
    MISSING = "missing"
    """What was named is not there."""
    CONFLICT = "conflict"
    """Another change is under way."""
    CAPACITY = "capacity"
    """AWS has no room, or a quota is reached."""
    INVALID = "invalid"
    """The request is wrong."""
    UNREACHABLE = "unreachable"
    """No answer, or a failure on AWS's side: ask again."""
    UNKNOWN = "unknown"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A call that failed."""

    kind: Kind
    code: str
    words: str
    call: str = ""
    """`ecs:UpdateService`."""

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed in a while."""
        return self.kind in (Kind.THROTTLED, Kind.UNREACHABLE, Kind.CONFLICT)


_KINDS: dict[Kind, frozenset[str]] = {
    # botocore's own list of throttling codes (`retries/standard.py`), read in version 1.43.
    Kind.THROTTLED: frozenset(
        {
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottledException",
            "RequestThrottled",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "TransactionInProgressException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "SlowDown",
            "PriorRequestNotComplete",
            "EC2ThrottledException",
        }
    ),
    Kind.EXPIRED: frozenset(
        {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenFault"}
    ),
    Kind.DENIED: frozenset(
        {
            "AccessDenied",
            "AccessDeniedException",
            "403",
            "UnauthorizedOperation",
            "AuthFailure",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "NotAuthorized",
        }
    ),
    Kind.MISSING: frozenset(
        {
            "ResourceNotFoundException",
            "ClusterNotFoundException",
            "ServiceNotFoundException",
            "RepositoryNotFoundException",
            "ImageNotFoundException",
            "NoSuchKey",
            "NoSuchBucket",
            "404",
            "TargetNotConnectedException",
            "NotFoundException",
            "NoSuchEntity",
            "ResourceNotFound",
            "NoSuchResourceException",
            "InvalidTaskDefinition",
        }
    ),
    Kind.CONFLICT: frozenset(
        {
            "UpdateInProgressException",
            "ConflictException",
            "ResourceInUseException",
            "OperationAbortedException",
            "ScalingActivityInProgressFault",
            "ResourceContention",
            "ServiceNotActiveException",
        }
    ),
    Kind.CAPACITY: frozenset(
        {
            "InsufficientInstanceCapacity",
            "InsufficientCapacity",
            "InsufficientCapacityException",
            "ServiceQuotaExceededException",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
        }
    ),
    Kind.UNREACHABLE: frozenset(
        {
            "ServerException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "InternalError",
            "InternalFailure",
            "InternalServerException",
            "InternalServiceError",
            "500",
            "502",
            "503",
            "504",
        }
    ),
    Kind.INVALID: frozenset(
        {
            "InvalidParameterException",
            "ClientException",
            "ValidationException",
            "ValidationError",
            "InvalidParameter",
            "InvalidParameterValue",
            "InvalidParameterCombination",
            "MissingParameter",
            "400",
        }
    ),
}


def kind_of(code: str) -> Kind:
    """The kind of AWS's error code."""
    return next((kind for kind, codes in _KINDS.items() if code in codes), Kind.UNKNOWN)


def api_name(service: str, operation: str) -> str:
    """`ecs:UpdateService`, as policies and AWS's documents name it."""
    return f"{service}:{''.join(part.capitalize() for part in operation.split('_'))}"


def _kebab(name: str) -> str:
    """`taskDefinition` and `TaskDefinition` → `task-definition`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
