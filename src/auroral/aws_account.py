"""The one door to AWS's control planes: a protocol, boto3 behind it, and a door that only says what it would do. Acts.

Whoever calls names a boto3 client, an operation and its arguments. Tests put a stateful double of ECS behind the same
door where an emulator cannot act.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from auroral import aws
from auroral.aws_calls import Call, Failure, Kind, api_name, kind_of
from auroral.errors import TargetError, UsageError

ATTEMPTS = 4
"""Of one call, by botocore's own back-off; what fails then is told to whoever called."""
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0

_HINTS = {
    Kind.THROTTLED: "AWS asks for fewer calls: try again in a minute",
    Kind.EXPIRED: "renew the credentials (`aws sso login`, or a new role session), then run the same command again",
    Kind.DENIED: "the caller's policy, or one of the organization's, does not allow it",
    Kind.MISSING: "it is looked for where --region, --profile and the outputs say: see that all are of one deployment",
    Kind.UNREACHABLE: "`aws sts get-caller-identity` says whether AWS can be reached",
}
_SIGNATURE = (
    "the signature is not taken: this machine's clock may be off, or the keys wrong; `auroral doctor` says which"
)
_HINTS_BY_CODE = {
    "InvalidSignatureException": _SIGNATURE,
    "SignatureDoesNotMatch": _SIGNATURE,
    "RequestTimeTooSkewed": _SIGNATURE,
    "UnrecognizedClientException": "AWS does not know these keys, or not in this partition: see AWS_PROFILE",
    "InvalidClientTokenId": "AWS does not know these keys, or not in this partition: see AWS_PROFILE",
}
_NO_DEFINITION = "the task definition that the outputs name is not there: write them again (`auroral infra output`)"


class AwsError(TargetError):
    """A call to AWS that failed."""

    def __init__(self, failure: Failure, *, hint: str = "") -> None:
        known = _HINTS_BY_CODE.get(failure.code, "") or _HINTS.get(failure.kind, "")
        # A definition that is not there is told as a `ClientException`, as any other wrong request.
        if failure.kind is Kind.INVALID and failure.call == "ecs:DescribeTaskDefinition":
            known = _NO_DEFINITION
        super().__init__(
            f"{failure.call} failed: {failure.code}: {failure.words}",
            hint=hint or known,
        )
        self.failure = failure


class Account(Protocol):
    """An account and region, as its caller's credentials see it."""

    @property
    def region(self) -> str:
        """Where it is asked."""

    @property
    def profile(self) -> str | None:
        """Of AWS's configuration, for the lines that are printed."""

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer of `boto3.client(service).operation(**arguments)`. Raises `AwsError`."""


def perform(account: Account, call: Call) -> Mapping[str, Any]:
    """Make a call. Raises `AwsError`."""
    return account.call(call.service, call.operation, **call.arguments)


def listed(
    account: Account, service: str, operation: str, field: str, /, *, token: str = "nextToken", **arguments: Any
) -> Iterator[Any]:
    """The items of every page; `token` is the API's name for where to go on. Raises `AwsError`."""
    following: dict[str, Any] = {}
    while True:
        answer = account.call(service, operation, **arguments, **following)
        yield from answer.get(field) or ()
        if not answer.get(token):
            return
        following = {token: answer[token]}


class AwsAccount:
    """AWS through boto3, with the credentials that any AWS tool would find. Safe to share between threads."""

    def __init__(self, *, region: str | None = None, profile: str | None = None) -> None:
        """Raises `UsageError` where there are no credentials, or no region."""
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise aws.without_extra(error, "what reaches AWS") from error
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except aws.failures() as error:
            raise UsageError(f"no AWS access: {aws.words(error)}", hint=aws.CREDENTIALS_HINT) from error
        if self._session.region_name is None:
            raise UsageError("no region", hint="give --region, AWS_REGION, or the outputs of a deployment")
        self._region = str(self._session.region_name)
        self._profile = profile
        aws.credentials(profile, self._region)
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=32,
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    @property
    def region(self) -> str:
        """Where it is asked."""
        return self._region

    @property
    def profile(self) -> str | None:
        """Of AWS's configuration."""
        return self._profile

    @property
    def session(self) -> Any:
        """boto3's, for what no client does: signing a request of one's own."""
        return self._session

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer. Raises `AwsError`, and `UsageError` where there are no credentials."""
        from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

        name = api_name(service, operation)
        try:
            answer: Mapping[str, Any] = getattr(self._client(service), operation)(**arguments)
        except ClientError as error:
            told = error.response.get("Error", {})
            code = str(told.get("Code", "unknown"))
            words = aws.words(told.get("Message", ""))
            raise AwsError(Failure(kind=kind_of(code), code=code, words=words, call=name)) from error
        except NoCredentialsError as error:
            raise UsageError(f"no AWS credentials for {name}", hint=aws.CREDENTIALS_HINT) from error
        except ParamValidationError as error:
            failure = Failure(kind=Kind.INVALID, code="ParamValidationError", words=aws.words(error), call=name)
            raise AwsError(failure) from error
        except aws.signing_failures() as error:
            expired = "expired" in str(error).lower() or "TokenRetrieval" in type(error).__name__
            kind = Kind.EXPIRED if expired else Kind.UNREACHABLE
            raise AwsError(Failure(kind=kind, code=type(error).__name__, words=aws.words(error), call=name)) from error
        return answer

    def _client(self, service: str) -> Any:
        with self._making:  # boto3 makes clients in one thread at a time
            if service not in self._clients:
                self._clients[service] = self._session.client(service, config=self._config)
            return self._clients[service]


class Before:
    """A door before another one: what it does with a call is for whoever derives from it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def region(self) -> str:
        """Where it is asked."""
        return self._account.region

    @property
    def profile(self) -> str | None:
        """Of AWS's configuration."""
        return self._account.profile


class DryRun(Before):
    """Passes on what reads, and says what would be changed instead of changing it."""

    def __init__(self, account: Account, say: Callable[[str], None]) -> None:
        super().__init__(account)
        self._say = say

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer of a call that reads; nothing for one that would change something."""
        call = Call(service=service, operation=operation, arguments=arguments)
        if call.reads:
            return self._account.call(service, operation, **arguments)
        self._say(call.shell(region=self.region, profile=self.profile))
        return {}
