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
from auroral.errors import ExitCode
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


def _everything(lines: Sequence[Sequence[str]]) -> click.Group:
    """A tree that has these commands with their options."""
    root = click.Group("auroral")
    for line in lines:
        words = [word for word in line[: next((n for n, one in enumerate(line) if one.startswith("-")), len(line))]]
        group = root
        for word in words[:-1]:
            inner = group.commands.setdefault(word, click.Group(word))
            assert isinstance(inner, click.Group)
            group = inner
        command = group.commands.setdefault(words[-1], click.Command(words[-1]))
        known = {name for option in command.params for name in option.opts}
        command.params += [
            click.Option([one]) for one in dict.fromkeys(line) if one.startswith("--") and one not in known
        ]
    return root


LINES = commands(steps(Settings(project="smoke-ab", region=REGION, account_id="", directory="/d")))


def test_it_does_not_start_before_all_its_commands_are_there(cli: Cli) -> None:
    missing = missing_commands(LINES)
    assert missing, "every command is there now: test a whole start here, as test_a_whole_run does below"
    ended = cli("infra", "smoke-aws", "--region", REGION, "--yes")
    assert ended.code == 2
    assert "needs commands that this auroral does not have" in ended.err
    assert all(f"\n  {one}\n" in ended.err for one in missing)
    assert "Traceback" not in ended.err
    assert not Path("results").exists()


def test_what_is_there_is_not_missing() -> None:
    here = [one for one in LINES if one[0] in ("infra", "schema")]
    assert here
    assert missing_commands(here) == []
    assert missing_commands(LINES, _everything(LINES)) == []


def test_a_missing_command_or_option_is_named() -> None:
    lines = [("infra", "apply", "--nonsense", "1"), ("infra", "fly"), ("fly", "away", "--far"), ("version",)]
    assert missing_commands(lines) == [
        "auroral infra apply --nonsense", "auroral infra fly", "auroral fly away", "auroral version",
    ]  # fmt: skip


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """An auroral that has every command, as it will."""
    monkeypatch.setattr("auroral.cli.main.root", _everything(LINES))


@pytest.mark.usefixtures("complete")
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


@pytest.mark.usefixtures("complete", "aws")
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
    from auroral.errors import UsageError

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
