"""Sessions into a container: which task, what is asked of AWS, how the Session Manager plugin is called. Pure.

The plugin's arguments and environment are those that the AWS CLI gives it (awscli 1.46.3, `ssm start-session`; the
plugin's own main in version 1.3.0.0).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auroral.aws_calls import Call, Failure
from auroral.config import did_you_mean
from auroral.ecs.fleet import Fleet, FleetService
from auroral.errors import AuroralError, TargetError, UsageError

PLUGIN = "session-manager-plugin"
RESPONSE = "AWS_SSM_START_SESSION_RESPONSE"
"""Environment variable that holds a session's token, so that no list of processes shows it."""
LAST_BY_ARGUMENT = (1, 2, 497, 0)
"""The last version of the plugin that took the token as an argument only."""
SHELL = "/bin/sh"
NO_SHELL = frozenset({"collector"})
"""Services whose image has none."""
FORWARDING = "AWS-StartPortForwardingSession"
PORTS = {"ui": 8080, "grafana": 3000, "frontend": 7233}
"""Where no outputs name them."""
AGENT = "ExecuteCommandAgent"
INSTALL_HINT = (
    "install it as the AWS Systems Manager User Guide says (Install the Session Manager plugin); "
    "`auroral doctor` looks for it"
)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a running task."""

    service: str
    """Key of the fleet."""
    cluster: str
    """Name."""
    task_arn: str
    container: str
    runtime_id: str

    @property
    def task_id(self) -> str:
        """The last part of its ARN."""
        return self.task_arn.rsplit("/", 1)[-1]

    @property
    def ssm(self) -> str:
        """As Session Manager names it."""
        return f"ecs:{self.cluster}_{self.task_id}_{self.runtime_id}"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session that AWS opened. Its token lets whoever has it in."""

    id: str
    url: str
    token: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"Session({self.id!r})"

    def response(self) -> str:
        """The text that the plugin reads."""
        return json.dumps({"SessionId": self.id, "TokenValue": self.token, "StreamUrl": self.url})


def service_of(fleet: Fleet, key: str) -> FleetService:
    """The service of this name. Raises `UsageError`."""
    found = fleet.services.get(key)
    if found is None:
        known = list(fleet.services)
        raise UsageError(
            f"there is no service {key} in cluster {fleet.cluster}{did_you_mean(key, known)}",
            hint=f"it has {', '.join(known)}",
        )
    return found


def choose(
    service: FleetService,
    cluster: str,
    descriptions: Sequence[Mapping[str, Any]],
    *,
    task: str | None = None,
    container: str | None = None,
) -> Target:
    """The newest running task, or the one whose id begins with `task`, and its container.

    `descriptions` are those of DescribeTasks. Raises `UsageError` where `task` or `container` names none, or several,
    and `TargetError` where nothing can be entered.
    """
    running = [one for one in descriptions if one.get("lastStatus") == "RUNNING"]
    running.sort(key=_started_s, reverse=True)
    if not running:
        found = ", ".join(sorted({str(one.get("lastStatus", "")).lower() for one in descriptions})) or "no task"
        raise TargetError(
            f"{service.key} has no running task: found {found}",
            hint="`auroral cluster status` says why; `auroral cluster up` starts the services",
        )
    chosen = running[0] if task is None else _named(service, running, task)
    wanted = container or service.container
    containers = chosen.get("containers") or ()
    ours = next((one for one in containers if one.get("name") == wanted), None)
    if ours is None:
        names = ", ".join(str(one.get("name")) for one in containers)
        raise UsageError(f"task {_id(chosen)} has no container {wanted}", hint=f"it has {names}")
    _enterable(service, chosen, ours)
    return Target(
        service=service.key,
        cluster=cluster,
        task_arn=str(chosen["taskArn"]),
        container=wanted,
        runtime_id=str(ours["runtimeId"]),
    )


def exec_call(target: Target, command: str) -> Call:
    """The call that opens a session for a command. ECS knows interactive ones only (ECS API, `ExecuteCommand`)."""
    arguments = {
        "cluster": target.cluster,
        "task": target.task_arn,
        "container": target.container,
        "command": command,
        "interactive": True,
    }
    return Call(service="ecs", operation="execute_command", arguments=arguments)


def forward_call(target: Target, remote_port: int, local_port: int) -> Call:
    """The call that opens a session for a port; local port 0 is a free one."""
    arguments = {
        "Target": target.ssm,
        "DocumentName": FORWARDING,
        "Parameters": {"portNumber": [str(remote_port)], "localPortNumber": [str(local_port)]},
    }
    return Call(service="ssm", operation="start_session", arguments=arguments)


def session_of(answer: Mapping[str, Any]) -> Session:
    """The session in the answer of either call."""
    told = answer.get("session") or answer
    values = {name[:1].lower() + name[1:]: value for name, value in told.items()}
    return Session(id=str(values["sessionId"]), url=str(values["streamUrl"]), token=str(values["tokenValue"]))


def plugin_arguments(request: Mapping[str, Any], *, region: str, profile: str | None, endpoint: str) -> list[str]:
    """What the plugin is called with; the session itself is in its environment, as `RESPONSE`."""
    return [RESPONSE, region, "StartSession", profile or "", json.dumps(request), endpoint]


def endpoint_of(region: str, environ: Mapping[str, str]) -> str:
    """Where the plugin resumes a session; empty: its SDK knows."""
    given = environ.get("AWS_ENDPOINT_URL_SSM") or environ.get("AWS_ENDPOINT_URL")
    if given:
        return given
    if region.startswith(("us-iso", "eu-iso", "eusc-")):
        return ""
    return f"https://ssm.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def check_version(text: str) -> str:
    """The plugin's version. Raises `UsageError` where it would show the session's token in the list of processes."""
    version = "".join(text.split())
    if not re.fullmatch(r"\d+(\.\d+){0,3}", version):
        raise UsageError(
            f"{PLUGIN} --version: expected a version, found {version[:60] or 'nothing'}", hint=INSTALL_HINT
        )
    parts = tuple(int(part) for part in version.split("."))
    if parts + (0,) * (4 - len(parts)) <= LAST_BY_ARGUMENT:
        last = ".".join(map(str, LAST_BY_ARGUMENT))
        raise UsageError(
            f"{PLUGIN} {version} takes a session's token as an argument, where every user of this machine sees it: "
            f"expected a version after {last}",
            hint=INSTALL_HINT,
        )
    return version


def remote_command(command: Sequence[str]) -> str:
    """The command as ECS takes it: one text, which the agent splits as a shell does.

    One word with blanks in it is a line for a shell already.
    """
    return command[0] if len(command) == 1 else shlex.join(command)


def marked_command(command: Sequence[str], nonce: str) -> str:
    """The command with marks around its output, the last of which has its exit status: ECS Exec returns none.

    Several arguments are a program and its arguments; one is a line for a shell.
    """
    run = '"$@"' if len(command) > 1 else f'{SHELL} -c "$1"'
    script = f'printf "{begin_mark(nonce)}\\n"; {run}; printf "\\n{exit_mark(nonce)}%s\\n" "$?"'
    return shlex.join([SHELL, "-c", script, "sh", *command])


def begin_mark(nonce: str) -> str:
    """What comes before the command's output."""
    return f"auroral-begin-{nonce}"


def exit_mark(nonce: str) -> str:
    """What comes after it, and before its status."""
    return f"auroral-exit-{nonce}="


def remote_port_of(service: FleetService, given: int | None) -> int:
    """The port of the container: gRPC, else HTTP. Raises `UsageError` where none is known."""
    if given is not None:
        return given
    for name in ("grpc", "http"):
        if name in service.ports:
            return service.ports[name]
    if service.key in PORTS:
        return PORTS[service.key]
    raise UsageError(
        f"{service.key} has no port that is known: expected --remote-port",
        hint="ui, grafana and frontend need none",
    )


def is_web(service: FleetService, remote_port: int) -> bool:
    """Whether a browser can open it."""
    return service.ports.get("http") == remote_port or (service.key in ("ui", "grafana") and not service.ports)


EXEC_STEPS = (
    "check, in this order: the caller may ecs:ExecuteCommand, kms:GenerateDataKey and ssm:StartSession; the task role "
    "may the four ssmmessages actions; the VPC has an endpoint for ssmmessages that the task reaches on 443; the task "
    "definition has initProcessEnabled, and the service execute command: `auroral infra check` looks at the last four"
)


def explained(failure: Failure, target: Target) -> AuroralError | None:
    """What it means that a session was refused; None where nothing more can be said than AWS said."""
    where = f"task {target.task_id} of {target.service}"
    if failure.code in ("TargetNotConnectedException", "TargetNotConnected"):
        return TargetError(f"the agent in {where} is not connected: {failure.words}", hint=EXEC_STEPS)
    if failure.code == "InvalidParameterException" and "execute command" in failure.words.lower():
        return TargetError(
            f"{where} cannot be entered: {failure.words}",
            hint=f"a task that is new needs a minute for its agent; one that was started without execute command has "
            f"to be replaced: auroral cluster roll {target.service} --force. Else {EXEC_STEPS}",
        )
    if failure.kind == "denied":
        action = "ecs:ExecuteCommand" if failure.call.startswith("ecs:") else "ssm:StartSession"
        return TargetError(
            f"the caller may not enter {where}: {failure.code}: {failure.words}",
            hint=f"its policy needs {action} on the cluster and its tasks"
            + (
                ", and the session document AWS-StartPortForwardingSession"
                if action.startswith("ssm")
                else ", and kms:GenerateDataKey on the key of the cluster's sessions"
            ),
        )
    return None


def _named(service: FleetService, running: Sequence[Mapping[str, Any]], task: str) -> Mapping[str, Any]:
    wanted = task.rsplit("/", 1)[-1]
    found = [one for one in running if _id(one).startswith(wanted)]
    if len(found) == 1:
        return found[0]
    those = ", ".join(_id(one) for one in (found or running))
    if not found:
        raise UsageError(f"{service.key} has no running task {wanted}", hint=f"it has {those}")
    raise UsageError(f"--task {wanted} names {len(found)} tasks of {service.key}", hint=f"they are {those}")


def _enterable(service: FleetService, task: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    """Raises `TargetError` where ECS itself says that no session can be opened."""
    where = f"task {_id(task)} of {service.key}"
    if task.get("enableExecuteCommand") is False:
        raise TargetError(
            f"{where} was started without execute command",
            hint=f"its service has it since the last apply? auroral cluster roll {service.key} --force",
        )
    for agent in container.get("managedAgents") or ():
        if agent.get("name") == AGENT and agent.get("lastStatus") != "RUNNING":
            reason = f": {agent['reason']}" if agent.get("reason") else ""
            raise TargetError(
                f"the agent in {where} is {str(agent.get('lastStatus', 'unknown')).lower()}{reason}",
                hint="it starts within a minute of its task" if agent.get("lastStatus") == "PENDING" else EXEC_STEPS,
            )
    if not container.get("runtimeId"):
        raise TargetError(f"{where} has no runtime id yet", hint="it starts: try again in a few seconds")


def _started_s(task: Mapping[str, Any]) -> float:
    at = task.get("startedAt") or task.get("createdAt")
    return 0.0 if at is None else float(at.timestamp() if hasattr(at, "timestamp") else at)


def _id(task: Mapping[str, Any]) -> str:
    return str(task.get("taskArn", "")).rsplit("/", 1)[-1]
