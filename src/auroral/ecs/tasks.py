"""Run a one-shot task on ECS and follow its log until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from auroral import aws
from auroral.ecs.one_shot import (
    LogStream,
    OneShot,
    Seen,
    container_of,
    log_stream,
    refused,
    run_request,
    seen,
    task_id,
)
from auroral.errors import TargetError, UsageError

POLL_S = 2.0
"""Between two looks at a task: DescribeTasks is throttled for an account as a whole."""
LOG_TAIL_S = 6.0
"""How long after the end of a task its last lines are waited for: the log driver sends them in batches."""

UNKNOWN_S = 60.0
"""How long a task that was started may be unknown."""

Report = Callable[[str], None]


class Ecs(Protocol):
    """What is asked of ECS and CloudWatch Logs. Each raises `TargetError` or `UsageError`."""

    def definition(self, name: str) -> Mapping[str, Any]:
        """A task definition."""

    def run(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to RunTask."""

    def describe(self, cluster: str, arn: str) -> Mapping[str, Any] | None:
        """One task; None where ECS does not know it, not yet or no more."""

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """Stop one task."""

    def lines(self, stream: LogStream, token: str | None) -> tuple[list[str], str | None]:
        """The next lines of a log and where to go on; none where it is not there yet."""


class RunningTask:
    """A task that was started."""

    def __init__(self, ecs: Ecs, cluster: str, arn: str, container: str, log: LogStream | None) -> None:
        self.cluster = cluster
        self.arn = arn
        self._ecs = ecs
        self._container = container
        self._log = log
        self._token: str | None = None

    def follow(
        self,
        out: Report,
        report: Report,
        *,
        timeout_s: float,
        sleep: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> Seen:
        """Pass its lines on until it has stopped; `report` gets its states. Raises `TargetError` after `timeout_s`."""
        started_s, told = now_s(), ""
        if self._log is None:
            report("its log is not in CloudWatch by awslogs with a prefix: no lines are shown")
        while True:
            found = self._ecs.describe(self.cluster, self.arn)
            if found is None and (told or now_s() - started_s > UNKNOWN_S):
                raise TargetError(f"ECS does not know task {task_id(self.arn)} of cluster {self.cluster}")
            # DescribeTasks may lag behind RunTask (ECS API Reference, "RunTask": eventual consistency).
            state = seen(found or {"lastStatus": ""}, self._container)
            if state.status != told:
                told = state.status
                report(f"task {task_id(self.arn)}: {told.lower()}")
            self._pass_on(out)
            if state.stopped:
                break
            if now_s() - started_s > timeout_s:
                raise TargetError(
                    f"task {task_id(self.arn)} is still {told.lower() or 'unknown'} after {timeout_s:g} s; it goes on",
                    hint=f"stop it: aws ecs stop-task --cluster {self.cluster} --task {self.arn}",
                )
            sleep(POLL_S)
        ended_s = now_s()
        while self._log is not None and state.exit_code is not None and now_s() - ended_s < LOG_TAIL_S:
            sleep(POLL_S)
            self._pass_on(out)
        return state

    def stop(self) -> None:
        """Ask ECS to stop it: SIGTERM, and SIGKILL after the container's stop timeout."""
        self._ecs.stop(self.cluster, self.arn, "interrupted by the user of auroral")

    def _pass_on(self, out: Report) -> None:
        if self._log is None:
            return
        lines, self._token = self._ecs.lines(self._log, self._token)
        for line in lines:
            out(line)


def start(ecs: Ecs, task: OneShot, container: str | None) -> RunningTask:
    """Start a task; `container` may be left to a definition that has one only."""
    definition = ecs.definition(task.task_definition)
    chosen = container_of(definition, container)
    request = run_request(task, str(chosen["name"]))
    answer = ecs.run(request)
    tasks = answer.get("tasks") or []
    if not tasks:
        raise refused(answer.get("failures") or [], task.cluster)
    arn = str(tasks[0]["taskArn"])
    return RunningTask(ecs, task.cluster, arn, str(chosen["name"]), log_stream(chosen, task_id(arn)))


class AwsEcs:
    """ECS and CloudWatch Logs through boto3."""

    def __init__(self, *, region: str | None, profile: str | None) -> None:
        """Raises `UsageError` where there are no credentials, or no region."""
        try:
            import boto3
        except ImportError as error:
            raise aws.without_extra(error, "--in-cluster") from error
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
            if self._session.region_name is None:
                raise UsageError(
                    "no region of the ECS cluster",
                    hint="give --region, AWS_REGION, or --outputs with the output region",
                )
            self._ecs = self._session.client("ecs")
        except aws.failures() as error:
            raise UsageError(
                f"no AWS access: {aws.words(error)}", hint="`aws sts get-caller-identity` says more"
            ) from error
        self._logs: dict[str | None, Any] = {}

    def definition(self, name: str) -> Mapping[str, Any]:
        """A task definition."""
        answer = _asked(lambda: self._ecs.describe_task_definition(taskDefinition=name), f"read task definition {name}")
        definition: Mapping[str, Any] = answer["taskDefinition"]
        return definition

    def run(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to RunTask."""
        answer: Mapping[str, Any] = _asked(lambda: self._ecs.run_task(**request), "run the task")
        return answer

    def describe(self, cluster: str, arn: str) -> Mapping[str, Any] | None:
        """One task; None where ECS does not know it, not yet or no more."""
        answer = _asked(lambda: self._ecs.describe_tasks(cluster=cluster, tasks=[arn]), "look at the task")
        for found in answer.get("tasks", ()):
            description: Mapping[str, Any] = found
            return description
        return None

    def stop(self, cluster: str, arn: str, reason: str) -> None:
        """Stop one task."""
        _asked(lambda: self._ecs.stop_task(cluster=cluster, task=arn, reason=reason), "stop the task")

    def lines(self, stream: LogStream, token: str | None) -> tuple[list[str], str | None]:
        """The next lines of a log and where to go on; none where the stream is not there yet."""
        if stream.region not in self._logs:
            self._logs[stream.region] = _asked(
                lambda: self._session.client("logs", region_name=stream.region), f"read the log {stream.group}"
            )
        client = self._logs[stream.region]
        lines: list[str] = []
        for events, following in _pages(client, stream, token):
            lines += [str(event["message"]).rstrip("\n") for event in events]
            token = following
        return lines, token


def _pages(client: Any, stream: LogStream, token: str | None) -> Iterator[tuple[list[Mapping[str, Any]], str]]:
    """Until a page gives the token back that it was asked with: that is CloudWatch's end."""
    while True:
        given = {"nextToken": token} if token else {}
        try:
            answer = _asked(
                lambda given=given: client.get_log_events(  # type: ignore[misc]
                    logGroupName=stream.group, logStreamName=stream.stream, startFromHead=True, **given
                ),
                f"read the log {stream.group}",
            )
        except TargetError as error:
            if "ResourceNotFoundException" in error.message:
                return
            raise
        following = answer["nextForwardToken"]
        yield answer["events"], following
        if following == token:
            return
        token = following


def _asked(ask: Callable[[], Any], doing: str) -> Any:
    """Translate what boto3 raises."""
    from botocore.exceptions import ClientError, NoCredentialsError

    try:
        return ask()
    except NoCredentialsError as error:
        raise UsageError("no AWS credentials", hint=aws.CREDENTIALS_HINT) from error
    except ClientError as error:
        told = error.response.get("Error", {})
        code = told.get("Code", "unknown")
        hint = "the caller's policy lacks it" if "AccessDenied" in code else ""
        raise TargetError(f"AWS refuses to {doing}: {code}: {aws.words(told.get('Message', ''))}", hint=hint) from error
    except aws.failures() as error:
        raise TargetError(
            f"cannot {doing}: {aws.words(error)}", hint="`aws sts get-caller-identity` says more"
        ) from error
