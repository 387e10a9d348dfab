"""AWS's refusals, as the door of an account tells them."""

from __future__ import annotations

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, Kind, kind_of


class Refused(Exception):
    """A call that AWS refuses; the door names the call."""

    def __init__(self, code: str, words: str, kind: Kind | None = None) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words
        self.kind = kind or kind_of(code)

    def of(self, call: str) -> AwsError:
        """As `Account.call` raises it."""
        return AwsError(Failure(kind=self.kind, code=self.code, words=self.words, call=call))


def cluster_not_found() -> Refused:
    """Of ECS."""
    return Refused("ClusterNotFoundException", "Cluster not found.")


def service_not_found() -> Refused:
    """Of ECS."""
    return Refused("ServiceNotFoundException", "Service not found.")


def invalid(words: str) -> Refused:
    """Of ECS."""
    return Refused("InvalidParameterException", words)


def client(words: str) -> Refused:
    """Of ECS."""
    return Refused("ClientException", words)
