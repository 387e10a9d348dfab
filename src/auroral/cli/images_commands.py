"""What the commands of `auroral images` do: look at sources and tools, build, push, write the digests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from auroral import __version__, tfvars_text
from auroral.aws_settings import region_of
from auroral.cli.process import Process
from auroral.errors import ExitCode, UsageError
from auroral.images import lines, tools
from auroral.images.docker import Docker
from auroral.images.names import ALL, BUILT, checked_project, checked_tag, chosen, platforms_of, tag_for
from auroral.images.push import Push, Settings, build_of, complete, dry_lines, wanting
from auroral.images.push import build as build_all
from auroral.images.recipe import build_arguments
from auroral.images.sources import find_root, read_commit, read_mirrored, read_recipes
from auroral.tfvars_file import TfvarsFile


def build(
    process: Process,
    *,
    image: Sequence[str],
    platform: str,
    tag: str | None,
    build_arg: Sequence[str],
    builder: str | None,
    dry_run: bool,
    load: bool,
) -> ExitCode:
    """Build images here."""
    names = chosen(image, BUILT)
    root = find_root(Path.cwd())
    settings = _settings(
        process, root, names, platform=platform, tag=tag, build_arg=build_arg, builder=builder, anew=False
    )
    if load and len(settings.platforms) > 1:
        raise UsageError(
            f"--load takes one platform, got {', '.join(settings.platforms)}",
            hint="an engine keeps images of one platform: name it, or leave --load out",
        )
    keep: lines.Keep = "load" if load else "cache"
    builds = [build_of(settings, name, f"auroral/{name}:{settings.tag}", keep) for name in names]
    if dry_run:
        process.out("\n".join(lines.shell(lines.build(one, metadata_file=None)) for one in builds))
        return ExitCode.OK
    docker = _docker(process, root, builder, build_for=settings.platforms, load=load)
    build_all(settings, builds, docker, process.err)
    where = "loaded into the engine" if load else "in the builder's cache"
    process.out("\n".join(f"{one.reference} is {where}" for one in builds))
    return ExitCode.OK


def push(
    process: Process,
    *,
    project: str,
    region: str | None,
    profile: str | None,
    tfvars: str | None,
    only: Sequence[str],
    rebuild: bool,
    platform: str,
    tag: str | None,
    build_arg: Sequence[str],
    builder: str | None,
    dry_run: bool,
) -> ExitCode:
    """Bring images into ECR."""
    from auroral.aws_account import AwsAccount
    from auroral.images.ecr import Ecr

    checked_project(project)
    if rebuild and tag is not None:
        raise UsageError("expected --rebuild or --tag, got both: a tag is new, or it is not", hint="give a new --tag")
    names = chosen(only, ALL)
    file, before = _file(tfvars, names)
    root = find_root(Path.cwd())
    settings = _settings(
        process, root, names, platform=platform, tag=tag, build_arg=build_arg, builder=builder, anew=rebuild
    )
    environ = process.environ
    where = region or region_of(environ)
    account = AwsAccount(region=where, profile=profile or environ.get("AWS_PROFILE") or None)
    pushing = Push(settings, Ecr(account, project), process.err)
    planned = pushing.plan(names)
    if dry_run:
        for one in planned:
            process.err(one.sentence())
        process.out("\n".join(dry_lines(planned, settings, account.region, account.profile)))
        return ExitCode.OK
    docker = None
    if any(one.action != "take" for one in planned):
        to_build = any(one.action == "build" for one in planned)
        docker = _docker(process, root, builder, build_for=settings.platforms if to_build else ())
    pushed = pushing.carry_out(planned, docker)
    writer = f"auroral images push --project {project} --region {account.region}"
    if file is None:
        process.out(tfvars_text.render(writer, {"images": pushed}))
        return ExitCode.OK
    changed = file.write(writer, complete(ALL, pushed, before))
    process.out("\n".join(pushed.values()))
    process.err(f"{file.path} {'is written' if changed else 'is as it was'}: auroral infra reads it in its directory")
    return ExitCode.OK


def _file(tfvars: str | None, names: Sequence[str]) -> tuple[TfvarsFile | None, dict[str, str]]:
    """The file, and what it has already; refused before any work where it could not be written whole."""
    if tfvars is None:
        return None, {}
    file = TfvarsFile(tfvars, "images")
    before = {name: text for name, text in file.texts().items() if name in ALL}
    if lacking := [name for name in ALL if name not in names and name not in before]:
        raise UsageError(
            f"--only {', '.join(names)}: {tfvars} has nothing of {', '.join(lacking)}, which the variable images needs",
            hint="push all of them once, or leave --tfvars out",
        )
    return file, before


def _settings(
    process: Process,
    root: Path,
    names: Sequence[str],
    *,
    platform: str,
    tag: str | None,
    build_arg: Sequence[str],
    builder: str | None,
    anew: bool,
) -> Settings:
    recipes = read_recipes(root, names)
    commit = read_commit(root, recipes.values(), process.environ)
    to_build = bool(recipes)
    if tag is not None:
        chosen_tag = checked_tag(tag)
    else:
        chosen_tag = tag_for(__version__, commit, datetime.now(UTC), anew=anew) if to_build else ""
    return Settings(
        tag=chosen_tag,
        platforms=platforms_of(platform),
        recipes=recipes,
        mirrored=read_mirrored(root) if any(name not in BUILT for name in names) else {},
        arguments=build_arguments(build_arg, recipes.values()),
        revision=commit.hash if commit is not None and not commit.dirty else None,
        builder=builder,
    )


def _docker(
    process: Process, root: Path, builder: str | None, *, build_for: Sequence[str], load: bool = False
) -> Docker:
    """Docker, once it has what is needed. Raises `UsageError` that names what is wanting."""
    found = tools.look(process.environ, builder=builder, boot=bool(build_for))
    if wants := tools.problems(found, build_for=build_for, load=load):
        raise wanting(wants)
    assert found.docker is not None
    return Docker(found.docker, root, process.environ, process.err, _screen(process))


def _screen(process: Process) -> int | None:
    """A descriptor that docker may draw its progress on."""
    try:
        return process.stderr.fileno()
    except (OSError, AttributeError):
        return None
