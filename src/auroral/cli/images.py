"""`auroral images`: its commands, their options and help."""

from __future__ import annotations

from typing import Any

import click

from auroral.cli.command import WIDTH, Command, Group
from auroral.cli.process import Process
from auroral.errors import ExitCode

images = Group("images", help="Build the container images, and bring them into ECR.")


def _common() -> list[click.Parameter]:
    return [
        click.Option(
            ["--platform"],
            metavar="LIST",
            default="linux/arm64",
            show_default=True,
            help="linux/arm64, linux/amd64, or both with a comma.",
        ),
        click.Option(["--tag"], metavar="TAG", help="Of what is built.  [default: version and commit]"),
        click.Option(
            ["--build-arg"],
            metavar="NAME=VALUE",
            multiple=True,
            help="For the Dockerfiles that take it, such as a base by digest; repeatable.",
        ),
        click.Option(["--builder"], metavar="NAME", help="Of buildx.  [default: the current one]"),
        click.Option(["--dry-run"], is_flag=True, help="Print what docker would be told, and change nothing."),
    ]


@click.pass_obj
def _build(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.images_commands import build

    return build(process, **params)


@click.pass_obj
def _push(process: Process, /, **params: Any) -> ExitCode:
    from auroral.cli.images_commands import push

    return push(process, **params)


images.add_command(
    Command(
        "build",
        callback=_build,
        short_help="Build images here.",
        help="Build IMAGEs (server, benchmark, grafana; none named: all) with buildx from this checkout. They stay in "
        "the builder's cache, so that a push is quick, or go into the engine with --load.",
        epilog="Exit codes: 0 built, 2 wrong usage, or docker or a builder is wanting, 3 a build failed, "
        "4 interrupted.",
        params=[
            click.Argument(["image"], nargs=-1, metavar="[IMAGE]..."),
            *_common(),
            click.Option(["--load"], is_flag=True, help="Into the engine, as auroral/IMAGE:TAG; for one platform."),
        ],
        context_settings={"max_content_width": WIDTH},
    )
)

images.add_command(
    Command(
        "push",
        callback=_push,
        short_help="Bring all images into ECR, and write their digests.",
        help="Build and push the server's, Grafana's and the benchmark's image, copy the UI's and the collector's from "
        "where they are published (images/mirrored.toml), and write all five by digest as Terraform's variable images. "
        "Tags cannot be moved: what is in ECR under a tag already is taken as it is.",
        epilog="Exit codes: 0 all are in ECR, 2 wrong usage, or docker or a builder is wanting, 3 a build, a registry "
        "or AWS failed, or repositories are missing, 4 interrupted.",
        params=[
            click.Option(["--project"], metavar="NAME", default="auroral", show_default=True, help="Of the stacks."),
            click.Option(["--region"], metavar="REGION", help="Where.  [default: AWS_REGION, AWS_DEFAULT_REGION]"),
            click.Option(["--profile"], metavar="NAME", help="Of AWS's configuration.  [AWS_PROFILE]"),
            click.Option(
                ["--tfvars"], metavar="FILE", help="Write the variable images there.  [default: print it on stdout]"
            ),
            click.Option(
                ["--only"],
                metavar="IMAGE",
                multiple=True,
                help="This image alone; repeatable. The others stay as FILE has them.",
            ),
            click.Option(["--rebuild"], is_flag=True, help="Build again, under a new tag, what is in ECR already."),
            *_common(),
        ],
        context_settings={"max_content_width": WIDTH},
    )
)
