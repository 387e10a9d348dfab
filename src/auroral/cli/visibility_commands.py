"""What the commands of `auroral visibility` do: the package compares and acts, these print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from auroral.cli.process import Process
from auroral.cli.where import Asked, Site, deployment_of, in_cluster, place_in, refuse_for_cluster, refuse_here, there
from auroral.deployment import Deployment
from auroral.errors import ExitCode
from auroral.json_document import json_text
from auroral.visibility.access import check_arns, mapped, role_name
from auroral.visibility.plan import Found, Plan, installed, make_plan
from auroral.visibility.store import VisibilityStore, opened
from auroral.visibility.target import VisibilityTarget, resolve
from auroral.visibility.template import Template, template_for

SCHEMA_ID = "auroral.visibility/1"
_TASK = "visibility"
_PASSWORD = "TEMPORAL_OPENSEARCH_PASSWORD"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    target: VisibilityTarget
    wanted: Template
    arns: tuple[str, ...]
    shards_asked: bool

    def plan(self, found: Found) -> Plan:
        return make_plan(self.wanted, found, self.arns, shards_asked=self.shards_asked)


def apply(
    process: Process,
    flags: Mapping[str, Any],
    where: Asked,
    words: Sequence[str],
    *,
    server_arn: Sequence[str],
    no_roles: bool,
    ca_file: str | None,
    as_json: bool,
    dry_run: bool,
    shards: int | None,
) -> ExitCode:
    """Send what ends the differences; send nothing where one of them needs a new index."""
    arns = None if no_roles else server_arn

    def here(deployment: Deployment | None) -> ExitCode:
        asked = _asked(process, flags, deployment, arns=arns, ca_file=ca_file, shards=shards)
        return _apply(process, asked, as_json=as_json, dry_run=dry_run)

    return _run_where(process, flags, where, words, arns=arns, ca_file=ca_file, as_json=as_json, here=here)


def _apply(process: Process, asked: _Asked, *, as_json: bool, dry_run: bool) -> ExitCode:
    with opened(asked.target, password=process.environ.get(_PASSWORD, "")) as store:
        found = _read(store, asked, roles=bool(asked.arns))
        plan = asked.plan(found)
        sent = not plan.refusals and not dry_run
        if sent:
            for step in plan.steps:
                process.err(step.what)
                store.carry_out(step)
        left = plan
        if sent and plan.steps:
            found = _read(store, asked, roles=bool(asked.arns))
            left = asked.plan(found)
    if as_json:
        process.document(_document(asked, found, left, {"dry_run": dry_run, "steps": plan.steps, "sent": sent}))
    elif dry_run and not plan.refusals:
        process.out(_dry(plan) or f"index {asked.target.index} is as it should be: nothing to send")
    elif sent and not left.differences:
        done = "done" if plan.steps else "nothing to do"
        process.out(f"{done}: index {asked.target.index} is {_version(asked.wanted)}")
    for note in left.notes:
        process.err(f"note: {note}")
    return _judge(process, plan, left, sent=sent)


def _judge(process: Process, plan: Plan, left: Plan, *, sent: bool) -> ExitCode:
    """Say what could not be done, each hint once."""
    hints: list[str] = []
    for difference in plan.refusals:
        process.err(f"error: {difference.what}")
        if difference.hint not in hints:
            hints.append(difference.hint)
    if plan.refusals:
        process.err("\n".join([*(f"  hint: {hint}" for hint in hints), "nothing was changed"]))
        return ExitCode.FAILED
    if not sent:
        return ExitCode.OK
    for difference in left.differences:
        process.err(f"error: still so after all was sent: {difference.what}")
    return ExitCode.FAILED if left.differences else ExitCode.OK


def status(
    process: Process,
    flags: Mapping[str, Any],
    where: Asked,
    words: Sequence[str],
    *,
    server_arn: Sequence[str],
    no_roles: bool,
    ca_file: str | None,
    as_json: bool,
) -> ExitCode:
    """Print what is there, and what differs."""
    arns = None if no_roles else server_arn

    def here(deployment: Deployment | None) -> ExitCode:
        refuse_here(where)
        asked = _asked(process, flags, deployment, arns=arns, ca_file=ca_file)
        return _status(process, asked, roles=not no_roles, as_json=as_json)

    return _run_where(process, flags, where, words, arns=arns, ca_file=ca_file, as_json=as_json, here=here)


def _status(process: Process, asked: _Asked, *, roles: bool, as_json: bool) -> ExitCode:
    with opened(asked.target, password=process.environ.get(_PASSWORD, "")) as store:
        found = _read(store, asked, roles=roles)
    plan = asked.plan(found)
    if as_json:
        process.document(_document(asked, found, plan, {}))
    else:
        process.out(status_text(asked.target, asked.wanted, found, plan))
    if found.health == "red":
        process.err(f"error: index {asked.target.index} is red: a primary shard has no node")
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED if plan.differences else ExitCode.OK


def _run_where(
    process: Process,
    flags: Mapping[str, Any],
    where: Asked,
    words: Sequence[str],
    *,
    arns: Sequence[str] | None,
    ca_file: str | None,
    as_json: bool,
    here: Callable[[Deployment | None], ExitCode],
) -> ExitCode:
    """Here, or as the deployment's task `visibility`; `words` are its command line, but for the servers' roles."""
    deployment = deployment_of(process, where, flags)
    place = place_in(deployment, _TASK)

    def site() -> Site:
        target, origins = resolve(flags=flags, environ=process.environ, deployment=deployment, ca_file=ca_file)
        return Site(host=target.host, port=target.port, named_by=origins["endpoint"])

    if not in_cluster(process, where, key=_TASK, place=place, deployment=deployment, site=site):
        return here(deployment)
    assert place is not None
    others = [f"--{name}" for name in flags if name not in ("index", "region", "profile")]
    refuse_for_cluster([*others, *(("--ca-file",) if ca_file else ())], "the domain")
    servers = _servers(arns, deployment)
    check_arns(servers)
    roles = [part for arn in servers for part in ("--server-arn", arn)]
    index = ["--index", str(flags["index"])] if flags.get("index") else []
    run = there(process, where, flags, key=_TASK, place=place, deployment=deployment)
    return run([*words, *index, *roles], process.document if as_json else process.out)


def _servers(arns: Sequence[str] | None, deployment: Deployment | None) -> tuple[str, ...]:
    """The servers' roles: those given, else the deployment's. `arns`: None leaves the roles out."""
    if arns is None:
        return ()
    return tuple(arns) or (deployment.server_role_arns if deployment is not None else ())


def status_text(target: VisibilityTarget, wanted: Template, found: Found, plan: Plan) -> str:
    """What `status` prints."""
    lines = [f"server    {found.distribution} at {target.url}"]
    if found.concrete:
        record = installed(found.mappings)
        version = "no version recorded"
        if record is not None:
            version = f"template {record['template']} of Temporal {record.get('temporal')}"
        lines.append(
            f"index     {target.index}: {found.health or 'health unknown'}, {found.documents:,} documents, {version}"
        )
        there = found.mappings.get("properties") or {}
        known = sum(name in there for name in wanted.properties)
        beyond = len(there) - known
        more = f", and {beyond} search attributes of its own" if beyond else ""
        lines.append(f"fields    {known} of {len(wanted.properties)}{more}")
    else:
        lines.append(f"index     {target.index} is not there")
    lines.append(f"template  {wanted.name}{'' if found.template else ' is not there'}")
    role = role_name(target.index)
    if not found.security.available:
        lines.append(f"role      {role}: not read, {found.security.reason}")
    elif found.security.role is None:
        lines.append(f"role      {role} is not there")
    else:
        lines.append(f"role      {role} → {', '.join(mapped(found.security.mapping)) or 'nobody'}")
    lines += [f"note      {note}" for note in plan.notes]
    if plan.differences:
        lines += ["", "differences:"]
        for difference in plan.differences:
            lines.append(f"  {difference.what}" + ("" if difference.in_place else "  (not in place)"))
        lines += ["", _advice(plan)]
    else:
        lines += ["", f"as it should be: {_version(wanted)}"]
    return "\n".join(lines)


def _advice(plan: Plan) -> str:
    if plan.refusals:
        return f"what to do: {plan.refusals[0].hint}"
    return "what to do: auroral visibility apply"


def _asked(
    process: Process,
    flags: Mapping[str, Any],
    deployment: Deployment | None,
    *,
    arns: Sequence[str] | None,
    ca_file: str | None,
    shards: int | None = None,
) -> _Asked:
    """What the command line, the environment and the outputs ask for. `arns`: None leaves the roles out."""
    target, _ = resolve(flags=flags, environ=process.environ, deployment=deployment, ca_file=ca_file)
    servers = _servers(arns, deployment)
    check_arns(servers)
    return _Asked(
        target=target,
        wanted=template_for(target.index, shards=shards),
        arns=servers,
        shards_asked=shards is not None,
    )


def _read(store: VisibilityStore, asked: _Asked, *, roles: bool) -> Found:
    return store.read(asked.wanted.name, roles=roles)


def _document(asked: _Asked, found: Found, plan: Plan, more: Mapping[str, Any]) -> str:
    document = {
        "schema": SCHEMA_ID,
        "endpoint": asked.target.url,
        "index": asked.target.index,
        "ok": not plan.differences,
        "wanted": asked.wanted.meta["auroral"],
        "installed": installed(found.mappings),
        "server": found.distribution,
        "indexes": found.concrete,
        "health": found.health or None,
        "documents": found.documents,
        "role": {
            "name": role_name(asked.target.index),
            "read": found.security.available,
            "reason": found.security.reason or None,
            "there": found.security.role is not None,
            "mapped": mapped(found.security.mapping),
            "wanted": asked.arns,
        },
        "differences": plan.differences,
        "notes": plan.notes,
        **more,
    }
    return json_text(document)


def _dry(plan: Plan) -> str:
    """The requests, each with its body."""
    return "\n\n".join(f"{step.method} {step.path}\n{json_text(step.body)}" for step in plan.steps)


def _version(wanted: Template) -> str:
    return f"template {wanted.source.template} of Temporal {wanted.source.version}"
