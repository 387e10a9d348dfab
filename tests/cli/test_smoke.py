"""`auroral infra smoke-aws` and `sweep` as a user runs them: refusals before anything is made; AWS as moto has it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import boto3
import click
import pytest

from auroral.cli.process import Process
from auroral.cli.smoke import missing_commands, smoke, take_down, write_files
from auroral.errors import ExitCode, UsageError
from auroral.infra.smoke import Settings, commands, steps
from auroral.infra.smoke_journal import create
from tests.cli.conftest import Cli
from tests.support.threaded_moto import ACCOUNT, REGION, moto_environment, reset


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    with moto_environment() as made:
        yield made


@pytest.fixture
def aws(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    reset(environ)
    return environ


class Executor:
    """Runs nothing."""

    def __init__(self, status: int = 0) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._status = status

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        output: Path | None,
        timeout_s: float | None,
        interrupted: Callable[[], bool],
    ) -> int:
        self.ran.append(tuple(command))
        return self._status


def _process(environ: dict[str, str]) -> tuple[Process, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Process([], environ, out, err), out, err


LINES = commands(steps(Settings(project="smoke-ab", region=REGION, account_id="", directory="/d")))


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_command_of_it_parses_with_its_flags(line: tuple[str, ...]) -> None:
    from auroral.cli.main import root

    assert missing_commands([line]) == []
    command: click.Command = root
    context, words = click.Context(root), list(line)
    while isinstance(command, click.Group):
        name = words.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None
        command, parent = inner, context
        context = click.Context(command, parent=parent, info_name=name)
    command.make_context(command.name, words, parent=context.parent)


def test_it_does_not_start_where_a_command_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroral.cli.main.root", click.Group("auroral"))
    process, _, _ = _process({})
    folder = tmp_path / "run"
    with pytest.raises(UsageError, match="needs commands that this auroral does not have") as caught:
        smoke(process, region=REGION, project="smoke-ab", cap=25, directory=str(folder), yes=True, executor=Executor())
    assert "\n  auroral cluster up" in str(caught.value)
    assert not folder.exists()


def test_a_missing_command_or_option_is_named() -> None:
    lines = [("infra", "apply", "--nonsense", "1"), ("infra", "fly"), ("fly", "away", "--far"), ("version",)]
    assert missing_commands(lines) == [
        "auroral infra apply --nonsense", "auroral infra fly", "auroral fly away", "auroral version",
    ]  # fmt: skip


def test_a_whole_run(aws: dict[str, str], tmp_path: Path) -> None:
    boto3.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    process, out, err = _process(aws)
    executor = Executor()
    code = smoke(
        process, region=None, project="smoke-ab", cap=25, directory=str(tmp_path / "run"), yes=True, executor=executor
    )
    assert code is ExitCode.OK
    assert len(executor.ran) == len(LINES)
    given = json.loads((tmp_path / "run/bootstrap/smoke.tfvars.json").read_text())
    assert given["account_id"] == ACCOUNT
    assert "ecs.amazonaws.com" not in given["service_linked_roles"]
    assert "opensearchservice.amazonaws.com" in given["service_linked_roles"]
    assert f"account {ACCOUNT} as arn:aws:" in err.getvalue()
    assert "US dollars at most" in err.getvalue()
    assert "all is taken down" in out.getvalue()


def test_what_is_left_is_told_with_the_line_that_takes_it_down(tmp_path: Path) -> None:
    settings = Settings(project="smoke-ab", region=REGION, account_id=ACCOUNT, directory=str(tmp_path))
    with create(settings, lambda: "") as journal:
        write_files(settings)
        journal.add("up", "begun")
    process, _, err = _process({})
    assert take_down(process, str(tmp_path), Executor(1), pause=lambda _: None) is ExitCode.FAILED
    assert "error: still there, and it costs money: up\n" in err.getvalue()
    assert f"auroral infra smoke-aws --teardown-only {tmp_path}" in err.getvalue()
    process, out, _ = _process({})
    executor = Executor()
    assert take_down(process, str(tmp_path), executor) is ExitCode.OK
    assert [one[:2] for one in executor.ran] == [("cluster", "down")]
    assert "all is taken down" in out.getvalue()


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--region", REGION, "--cap", "3"), "3.00 US dollars at most, and it may come to more"),
        (("--region", REGION), "a smoke test costs money, and nobody is here to confirm it"),
        (("--region", REGION, "--project", "A_b", "--yes"), "expected a project of 2 to 17"),
        (("--yes",), "expected a region"),
        (("--region", "xx-nowhere-1", "--yes"), "xx-nowhere-1"),
        (("--teardown-only", "nothing-there"), "cannot be opened"),
        (("--region", REGION, "--cap", "0"), "0.0 is not in the range"),
    ],
)
def test_refused_before_anything_is_made(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from auroral.cli import smoke as module

    monkeypatch.chdir(tmp_path)
    process, _, _ = _process({})
    # click keeps a command's help option as its first caller's context has it: here as auroral's own groups do.
    names = {"help_option_names": ["-h", "--help"]}
    with pytest.raises((UsageError, click.UsageError)) as caught:
        module.smoke_aws.main(list(arguments), standalone_mode=False, obj=process, **names)
    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_sweeping(cli: Cli, aws: dict[str, str]) -> None:
    s3 = boto3.client("s3")
    bucket = f"demo-benchmark-{ACCOUNT}-{REGION}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="run", Body=b"x")
    asked = ("infra", "sweep", "--project", "demo", "--region", REGION, "--what", "results")
    ended = cli(*asked)
    assert ended.code == 2
    assert f"results: {bucket}" in ended.err
    assert "nobody is here to confirm it" in ended.err
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    ended = cli(*asked, "--yes")
    assert (ended.code, ended.out) == (0, f"bucket {bucket}: 1 versions deleted\n")
    s3.delete_bucket(Bucket=bucket)
    ended = cli(*asked, "--yes")
    assert (ended.code, ended.out) == (0, "nothing to remove of project demo in us-east-1\n")


def test_what_is_left(cli: Cli, aws: dict[str, str]) -> None:
    asked = ("infra", "sweep", "--project", "demo", "--what", "left")
    ended = cli(*asked, environ={"AWS_REGION": REGION})
    assert (ended.code, ended.out) == (0, "nothing is left of demo\n")
    topic = boto3.client("sns").create_topic(Name="demo", Tags=[{"Key": "Project", "Value": "demo"}])["TopicArn"]
    ended = cli(*asked, environ={"AWS_REGION": REGION})
    assert (ended.code, ended.out) == (1, f"left:\n  {topic}\n")


def test_an_account_that_does_not_answer(cli: Cli, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ended = cli("infra", "sweep", "--project", "demo", "--region", REGION, "--what", "images", "--yes")
    assert ended.code == 3
    assert "cannot be reached" in ended.err
