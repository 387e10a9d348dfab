"""An account that answers what a test tells it to, behind the `Account` protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from auroral.aws_account import AwsError
from auroral.aws_calls import Failure, api_name, kind_of

Answer = Mapping[str, Any] | str | Callable[[Mapping[str, Any]], Any]


class Told:
    """`answers` by `service.operation`: an answer, a function of the arguments that makes one, or AWS's error code.

    What is not told fails as an unreachable endpoint does.
    """

    region = "eu-west-1"

    def __init__(self, answers: Mapping[str, Answer], *, profile: str | None = None) -> None:
        self.answers = answers
        self.profile = profile
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer. Raises `AwsError`."""
        name = f"{service}.{operation}"
        self.calls.append((name, arguments))
        answer = self.answers.get(name, "EndpointConnectionError")
        if callable(answer):
            answer = answer(arguments)
        if isinstance(answer, str):
            kind = "ServiceUnavailable" if answer == "EndpointConnectionError" else answer
            raise AwsError(
                Failure(kind=kind_of(kind), code=answer, words=f"said {answer}", call=api_name(service, operation))
            )
        assert isinstance(answer, Mapping)
        return answer

    def called(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each call of this name."""
        return [arguments for one, arguments in self.calls if one == name]
