"""What the commands of `auroral infra` do: prepare the working copy, run Terraform, check, say how it went."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auroral.cli.confirm import confirm
from auroral.cli.process import Process
from auroral.errors import ExitCode, OutputError, UsageError
from auroral.infra.check import Judgement, judge
from auroral.infra.model import Platform, parse
from auroral.infra.properties import PROPERTIES
from auroral.infra.terraform import Terraform
from auroral.infra.waivers import Waiver, parse_waivers
from auroral.infra.working_copy import WorkingCopy, find_infra, prepare
from auroral.json_document import json_text
from auroral.report.infra_check import conclusion, render

WAIVERS_FILE = "waivers.toml"
UNASKED = "--yes goes on without asking"


def init(process: Process, *, upgrade: bool, **common: Any) -> ExitCode:
    """Fetch providers and connect the backend."""
    terraform = _terraform(process, **common)
    terraform.init(upgrade=upgrade)
    process.err(f"ready: {terraform.copy.directory}")
    return ExitCode.OK


def plan(process: Process, *, waivers: str | None, json: bool, **common: Any) -> ExitCode:
    """Plan and check."""
    terraform = _ready(process, **common)
    terraform.plan()
    judgement = _judge(terraform.copy, _read(terraform.copy.plan_json), waivers)
    _tell(process, judgement, as_json=json)
    process.err(f"the plan is {terraform.copy.plan}: auroral infra apply plans anew, and asks")
    return ExitCode.OK if judgement.passed else ExitCode.FAILED


def apply(process: Process, *, waivers: str | None, yes: bool, **common: Any) -> ExitCode:
    """Plan, check, apply, check the state."""
    terraform = _ready(process, **common)
    planned = terraform.plan().changes
    platform = _read(terraform.copy.plan_json)
    judgement = _judge(terraform.copy, platform, waivers)
    if not judgement.passed:
        process.out(render(judgement))
        process.err("nothing was applied: mend what is broken, or waive it with a reason (docs/infra-check.md)")
        return ExitCode.FAILED
    for line in conclusion(judgement):
        process.err(line)
    if planned and not yes:
        confirm(
            process,
            f"Apply {planned} changes?",
            word="yes",
            otherwise=f"{planned} changes would be applied",
            hint=UNASKED,
        )
    terraform.apply(planned)
    applied = _judge(terraform.copy, parse(terraform.show(), "the state"), waivers)
    _tell(process, applied, as_json=False)
    if not applied.passed:
        process.err("it is applied, and the state breaks what the plan did not know: mend it and apply again")
    return ExitCode.OK if applied.passed else ExitCode.FAILED


def destroy(process: Process, *, yes: bool, **common: Any) -> ExitCode:
    """Plan the end, confirm it by the stack's name, carry it out."""
    terraform = _ready(process, **common)
    planned = terraform.plan(destroy=True).changes
    if not planned:
        process.err("there is nothing to destroy")
        return ExitCode.OK
    if not yes:
        resources = f"{planned} resources of {terraform.copy.stack}"
        confirm(
            process,
            f"Destroy {resources}?",
            word=terraform.copy.stack,
            otherwise=f"{resources} would be destroyed",
            hint=UNASKED,
        )
    terraform.apply(planned)
    process.out(f"destroyed: {planned} resources of {terraform.copy.stack}")
    return ExitCode.OK


def output(process: Process, **common: Any) -> ExitCode:
    """Print the outputs."""
    process.document(_ready(process, **common).outputs())
    return ExitCode.OK


def outputs_of(process: Process, *, stack: str, directory: str, profile: str | None) -> str:
    """The outputs of a stack that was applied in this directory, as JSON; `profile` is of AWS's configuration."""
    return _ready(
        process,
        stack=stack,
        directory=directory,
        infra=None,
        profile=None,
        var_file=(),
        backend_config=(),
        local_state=False,
        aws_profile=profile,
    ).outputs()


def unlock(process: Process, *, lock_id: str, **common: Any) -> ExitCode:
    """Remove a lock."""
    _ready(process, **common).unlock(lock_id)
    process.err(f"the lock {lock_id} is gone")
    return ExitCode.OK


def check(
    process: Process,
    *,
    file: str | None,
    state: bool,
    waivers: str | None,
    json: bool,
    strict: bool,
    list_: bool,
    **common: Any,
) -> ExitCode:
    """Check a file, the last plan, or the state."""
    if list_:
        process.out("\n".join(f"{one.number:>2} {one.name}: {one.why}" for one in PROPERTIES))
        return ExitCode.OK
    if file is not None and state:
        raise UsageError(f"expected FILE or --state, got {file} and --state", hint="leave one of them out")
    directory = _directory(common["directory"], common["stack"])
    if file is not None:
        platform = _file(process, Path(file), common)
        judgement = _judge(directory, platform, waivers)
    elif state:
        terraform = _ready(process, **common)
        judgement = _judge(directory, parse(terraform.show(), "the state"), waivers)
        if not judgement.resources:
            raise UsageError("the state holds nothing: expected an applied stack", hint="auroral infra apply")
    else:
        judgement = _judge(directory, _read(directory / "plan.json"), waivers)
    _tell(process, judgement, as_json=json)
    failed = not judgement.passed or (strict and bool(judgement.open))
    return ExitCode.FAILED if failed else ExitCode.OK


def _file(process: Process, path: Path, common: dict[str, Any]) -> Platform:
    """A file of JSON, or a plan of Terraform's own, which Terraform has to show."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from error
    if data.startswith(b"PK"):  # Terraform keeps a plan as a ZIP archive
        return parse(_ready(process, **common).show(path.resolve()), str(path))
    return parse(data, str(path))


def _directory(given: str | None, stack: str) -> Path:
    return Path(given) if given is not None else Path(".auroral") / stack


def _terraform(
    process: Process,
    *,
    stack: str,
    directory: str | None,
    infra: str | None,
    profile: str | None,
    var_file: Sequence[str],
    backend_config: Sequence[str],
    local_state: bool,
    aws_profile: str | None,
) -> Terraform:
    chosen = _directory(directory, stack)
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{chosen} cannot be made: {error.strerror}") from error
    copy = prepare(
        find_infra(infra, Path.cwd()),
        stack,
        chosen,
        profile=profile,
        var_files=var_file,
        backend_config=backend_config,
        local_state=local_state,
    )
    return Terraform(copy, process.environ, process.err, aws_profile=aws_profile)


def _ready(process: Process, **common: Any) -> Terraform:
    """Terraform, initialized: the first command of a directory does it by itself."""
    terraform = _terraform(process, **common)
    if not terraform.initialized:
        process.err("preparing Terraform (the first time here, or the backend is another)")
        terraform.init()
    return terraform


def _read(path: Path) -> Platform:
    try:
        return parse(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise UsageError(
            f"expected a plan in {path.parent}, there is none", hint="auroral infra plan, or name a FILE, or --state"
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from error


def _judge(where: WorkingCopy | Path, platform: Platform, waivers: str | None) -> Judgement:
    directory = where if isinstance(where, Path) else where.directory
    return judge(platform, waivers=_waivers(directory, waivers), today=datetime.date.today())


def _waivers(directory: Path, given: str | None) -> tuple[Waiver, ...]:
    path = Path(given) if given is not None else directory / WAIVERS_FILE
    if given is None and not path.exists():
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_waivers(text, PROPERTIES, str(path))


def _tell(process: Process, judgement: Judgement, *, as_json: bool) -> None:
    if as_json:
        process.document(json_text(judgement))
    else:
        process.out(render(judgement))
