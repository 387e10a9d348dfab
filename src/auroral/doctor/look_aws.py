"""Asks AWS who is calling, and how account and region are set up. Acts, through `Account`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

from auroral import aws
from auroral.aws_account import Account, AwsError, Before, listed
from auroral.aws_calls import Failure, Kind
from auroral.doctor import account as judged
from auroral.doctor.account import Caller, Credentials
from auroral.doctor.checks import Check, Group, State, not_asked
from auroral.doctor.run import Probe
from auroral.errors import UsageError
from auroral.infra.smoke_account import SERVICES

_NO_ENDPOINT = "EndpointConnectionError"
"""botocore's, where a name does not resolve or nobody listens."""


class Opened(Account, Protocol):
    """An account that says where its credentials come from, as `AwsAccount` does."""

    @property
    def session(self) -> Any:
        """boto3's."""


class Watched(Before):
    """Passes calls on, and remembers whether AWS answered any of them."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.answered = False

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer. Raises `AwsError`."""
        try:
            answer = self._account.call(service, operation, **arguments)
        except AwsError as error:
            self.answered = self.answered or error.failure.kind is not Kind.UNREACHABLE
            raise
        self.answered = True
        return answer


class Asked:
    """An account under examination: everything but its caller waits until the caller is known."""

    def __init__(
        self,
        account: Account,
        credentials: Credentials,
        *,
        expected_account: str | None,
        project: str,
        deployed: bool,
        now: datetime,
    ) -> None:
        """`deployed`: there is a deployment, so that what the bootstrap stack makes must be there."""
        self.account = account
        self._credentials = credentials
        self._expected = expected_account
        self._project = project
        self._deployed = deployed
        self._now = now
        self._caller: Future[Caller | None] = Future()

    @property
    def caller(self) -> Caller | None:
        """Who AWS takes the caller for; None: it did not say, or has not yet."""
        return self._caller.result() if self._caller.done() else None

    def probes(self, groups: Collection[Group]) -> list[Probe]:
        """What there is to ask. The caller is always asked for; its line counts where it is wanted, or is wrong."""
        found = [Probe(Group.CREDENTIALS, "credentials", lambda: self._who(wanted=Group.CREDENTIALS in groups))]
        if Group.REGION in groups:
            found += [
                self.probe(Group.REGION, "region", self._region),
                self.probe(Group.REGION, "Aurora DSQL", self._dsql),
            ]
        if Group.ACCOUNT in groups:
            found.append(self.probe(Group.ACCOUNT, "ECS account settings", self._settings))
            found.append(self.probe(Group.ACCOUNT, "service-linked roles", self._roles))
        if Group.BOOTSTRAP in groups:
            found.append(self.probe(Group.BOOTSTRAP, "state bucket", self._bucket))
            found.append(self.probe(Group.BOOTSTRAP, "repositories", self._repositories))
        return found

    def probe(self, group: Group, name: str, look: Callable[[Caller], Iterable[Check]]) -> Probe:
        """A question that waits for the caller, and says what AWS answered where it did not."""

        def asked() -> Iterable[Check]:
            caller = self._caller.result()
            if caller is None:
                return [without(group)]
            try:
                return list(look(caller))
            except AwsError as error:
                return [not_asked(group, name, error.failure)]

        return Probe(group, name, asked)

    def _who(self, *, wanted: bool) -> list[Check]:
        caller, check = None, None
        try:
            answer = self.account.call("sts", "get_caller_identity")
            caller = Caller(account_id=str(answer["Account"]), arn=str(answer["Arn"]))
            check = judged.identity(caller, self._credentials, expected=self._expected, now=self._now)
        except AwsError as error:
            check = _refused(error.failure)
        except UsageError as error:
            check = judged.no_credentials(error.message, error.hint)
        finally:
            self._caller.set_result(caller)
        return [check] if wanted or check.state is not State.OK else []

    def _region(self, caller: Caller) -> list[Check]:
        del caller
        name = self.account.region
        try:
            answer = self.account.call("ec2", "describe_regions", AllRegions=True, RegionNames=[name])
        except AwsError as error:
            if error.failure.kind is Kind.INVALID:
                return [judged.region(name, None)]
            raise
        regions = answer.get("Regions") or [{}]
        return [judged.region(name, regions[0].get("OptInStatus"))]

    def _dsql(self, caller: Caller) -> list[Check]:
        del caller
        name = self.account.region
        try:
            return [judged.dsql_offered(name, offered=True, clusters=dsql_clusters(self.account))]
        except AwsError as error:
            if error.failure.code == _NO_ENDPOINT:
                return [judged.dsql_offered(name, offered=False)]
            raise

    def _settings(self, caller: Caller) -> list[Check]:
        del caller
        found = listed(self.account, "ecs", "list_account_settings", "settings", effectiveSettings=True)
        return judged.settings({one["name"]: one["value"] for one in found}, deployed=self._deployed)

    def _roles(self, caller: Caller) -> list[Check]:
        arguments = {"PathPrefix": "/aws-service-role/"}
        roles = listed(self.account, "iam", "list_roles", "Roles", token="Marker", **arguments)
        there = {str(role["Path"]).strip("/").rpartition("/")[2] for role in roles}
        try:
            bootstrapped: bool | None = self._has_bucket(caller)
        except AwsError:
            bootstrapped = None
        return [judged.linked_roles(there, SERVICES, bootstrapped=bootstrapped, deployed=self._deployed)]

    def _bucket(self, caller: Caller) -> list[Check]:
        name = judged.state_bucket(self._project, caller.account_id, self.account.region)
        return [judged.bucket(name, there=self._has_bucket(caller), deployed=self._deployed)]

    def _has_bucket(self, caller: Caller) -> bool:
        name = judged.state_bucket(self._project, caller.account_id, self.account.region)
        try:
            self.account.call("s3", "head_bucket", Bucket=name, ExpectedBucketOwner=caller.account_id)
        except AwsError as error:
            if error.failure.kind is Kind.MISSING:
                return False
            raise
        return True

    def _repositories(self, caller: Caller) -> list[Check]:
        del caller
        there = []
        for name in judged.REPOSITORIES:
            try:
                self.account.call("ecr", "describe_repositories", repositoryNames=[f"{self._project}/{name}"])
            except AwsError as error:
                if error.failure.kind is not Kind.MISSING:
                    raise
            else:
                there.append(name)
        return [judged.repositories(self._project, there, deployed=self._deployed)]


def dsql_clusters(account: Account) -> int:
    """How many clusters the account has in the region. Raises `AwsError`."""
    return sum(1 for _ in listed(account, "dsql", "list_clusters", "clusters"))


def without(group: Group, why: str = "credentials") -> Check:
    """What is not asked, as there are no credentials that AWS takes, or no region. The same for all of a group."""
    return Check(group=group, name=group.value, state=State.UNKNOWN, found=f"not asked, see {why}")


def _refused(failure: Failure) -> Check:
    if failure.kind in (Kind.EXPIRED, Kind.DENIED):
        return judged.refused(failure.code, failure.words, expired=failure.kind is Kind.EXPIRED)
    return not_asked(Group.CREDENTIALS, "credentials", failure)


def credentials_of(session: Any) -> Credentials:
    """Where boto3's credentials come from, and until when they last. Asks nobody."""
    from botocore.credentials import RefreshableCredentials

    found = session.get_credentials()
    method = str(getattr(found, "method", "unknown"))
    if not isinstance(found, RefreshableCredentials):
        return Credentials(method=method)
    # botocore keeps the time to itself; without it, nothing is said of it.
    expires_at = getattr(found, "_expiry_time", None)
    return Credentials(
        method=method,
        expires_at=expires_at if isinstance(expires_at, datetime) else None,
        renewed=method != "env",  # the environment of a process stays as it is
    )


def known_regions() -> frozenset[str]:
    """Every region that AWS's library knows, of all partitions; none without the library."""
    try:
        import boto3

        session = boto3.Session(aws_access_key_id="-", aws_secret_access_key="-", region_name="us-east-1")
        partitions = session.get_available_partitions()
        return frozenset(
            name for partition in partitions for name in session.get_available_regions("ec2", partition_name=partition)
        )
    except ImportError:
        return frozenset()


def region_of_profile(profile: str | None) -> str | None:
    """The region that the profile of AWS's configuration names."""
    try:
        import boto3
    except ImportError:
        return None
    try:
        named = boto3.Session(profile_name=profile).region_name
    except aws.failures():  # opening the account says what is wrong with the profile
        return None
    return str(named) if named else None
