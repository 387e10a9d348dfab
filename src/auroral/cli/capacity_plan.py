"""`auroral capacity plan`: options → a request; the plan → text, JSON, Terraform variables, exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auroral.cli.command import Command
from auroral.cli.process import Process
from auroral.errors import ConfigurationError, ExitCode, OutputError, Problem, UsageError

if TYPE_CHECKING:
    from auroral.bench.steps import Workload
    from auroral.capacity.calibrate import Calibration
    from auroral.capacity.document import Plan
    from auroral.capacity.plan import Request
    from auroral.capacity.prices import PriceTable

_SERVICES = ("history", "matching", "frontend", "worker")
_MOST_TASKS = 1_000
_MOST_RATE = 1_000_000.0


@click.pass_obj
def _plan(process: Process, /, **params: Any) -> ExitCode:
    return run(process, **params)


plan = Command(
    "plan",
    callback=_plan,
    short_help="Size a cluster and its budget of connections.",
    help="Say what it takes to run a rate of workflows, and whether it stays inside Aurora DSQL's limits on its worst "
    "day: tasks, instances, connections, warm-up and cost, each number with what it rests on.",
    epilog="Exit codes: 0 the plan keeps every limit, 1 it is over one, 2 wrong usage or configuration.",
    params=[
        click.Option(["--wps"], metavar="RATE", help="Workflows a second, e.g. 150."),
        click.Option(["--preset"], metavar="NAME", help="A known configuration: dev, 100wps, 150wps or 400wps."),
        click.Option(
            ["--workload"],
            metavar="NAME|FILE",
            default="state-transitions",
            show_default=True,
            help="What each workflow does: a built-in workload, or a file as of `auroral bench run`.",
        ),
        click.Option(["--region"], default="eu-west-1", show_default=True, help="Whose prices."),
        click.Option(["--prices"], metavar="FILE", help="TOML whose prices go before the package's."),
        click.Option(
            ["--duty"], metavar="RATIO", default="1", show_default=True, help="Share of the month that the load runs."
        ),
        click.Option(["--instance-type"], metavar="TYPE", help="Of the servers and the benchmark, e.g. m8g.4xlarge."),
        click.Option(
            ["--zones"], type=click.IntRange(1, 6), default=3, show_default=True, help="Availability zones in use."
        ),
        click.Option(
            ["--pool"], metavar="SERVICE=N", multiple=True, help="Connections of each task of a service. Repeatable."
        ),
        click.Option(
            ["--autoscale-max"],
            metavar="SERVICE=N",
            multiple=True,
            help="Tasks that autoscaling may reach.  [default: as planned; frontend a quarter more] Repeatable.",
        ),
        click.Option(
            ["--reservoir"],
            type=click.IntRange(0, 10_000),
            default=0,
            show_default=True,
            help="Connections that each task opens ahead of need.",
        ),
        click.Option(
            ["--lifetime"],
            metavar="DURATION",
            default="55m",
            show_default=True,
            help="How long a connection lives; DSQL ends it after 60m.",
        ),
        click.Option(
            ["--limiter"],
            type=click.Choice(["local", "distributed"]),
            default="local",
            show_default=True,
            help="Token buckets alone, or with a counter in DynamoDB that all tasks share.",
        ),
        click.Option(
            ["--connection-limit"],
            type=click.IntRange(1, 10_000_000),
            metavar="N",
            help="Connections of the DSQL cluster, where AWS raised them.  [default: 10000]",
        ),
        click.Option(
            ["--history-shards"],
            type=click.IntRange(1, 131_072),
            metavar="N",
            help="A power of two, for the life of the cluster.  [default: as the preset's, 4096]",
        ),
        click.Option(
            ["--calibrate"],
            metavar="RESULT",
            multiple=True,
            help="result.json of your own `auroral bench run`, or its directory: sizes go by it. Repeatable.",
        ),
        click.Option(["--calibrated-on"], metavar="PRESET", help="The configuration that these results were taken on."),
        click.Option(
            ["--calibrated-services"],
            metavar="LIST",
            help="Where it differs: history=8x4096:8192:50,… (tasks x CPU units : MiB : connections a task).",
        ),
        click.Option(
            ["--explain"],
            is_flag=True,
            help="Print every sum, where each task goes, the bill's items, and the source of each number.",
        ),
        click.Option(["--json"], metavar="FILE", help="Write the plan as JSON; - for stdout, and nothing else there."),
        click.Option(["--tfvars"], metavar="FILE", help="Write Terraform's variables; - for stdout."),
        click.Option(["--profiles"], metavar="DIRECTORY", help="Write every preset's variables there, and stop."),
    ],
)


def run(process: Process, **params: Any) -> ExitCode:
    """Plan, print, write. The plan is printed whether or not it keeps every limit."""
    from auroral.capacity.plan import plan as make_plan
    from auroral.capacity.presets import presets
    from auroral.report.capacity_plan import text

    if params["profiles"] is not None:
        return _profiles(process, params["profiles"])
    if params["json"] == "-" and params["tfvars"] == "-":
        raise UsageError("--json - and --tfvars - both want stdout", hint="give one of them a file")
    made = make_plan(_request(params), presets(), _prices(params["prices"]))
    if "-" not in (params["json"], params["tfvars"]):
        process.out(text(made, explain=params["explain"]))
    _write(process, made, json=params["json"], tfvars=params["tfvars"])
    return ExitCode.OK if made.feasible else ExitCode.FAILED


def _write(process: Process, made: Plan, *, json: str | None, tfvars: str | None) -> None:
    from auroral.capacity.document import encode
    from auroral.capacity.tfvars import render

    if json is not None:
        _put(process, json, encode(made).decode())
    if tfvars is not None and made.feasible:
        _put(process, tfvars, render(made))
    if not made.feasible and "-" in (json, tfvars):
        process.err("\n".join(f"over a limit: {one.detail}" for one in made.violations))
    if not made.feasible and tfvars is not None:
        process.err("Terraform's variables are not written: the plan is over a limit")


def _profiles(process: Process, directory: str) -> ExitCode:
    from auroral.capacity.presets import presets
    from auroral.capacity.prices import packaged_prices
    from auroral.capacity.profiles import profiles

    made = profiles(presets(), packaged_prices())
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{directory} cannot be made: {error.strerror}", hint="name another directory") from error
    for name, content in made.items():
        _put(process, str(folder / name), content)
    return ExitCode.OK


def _put(process: Process, where: str, content: str) -> None:
    if where == "-":
        process.document(content)
        return
    try:
        Path(where).write_text(content, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{where} cannot be written: {error.strerror}", hint="name another file") from error
    process.err(f"wrote {where}")


def _request(params: dict[str, Any]) -> Request:
    from auroral.capacity.budget import Allowance
    from auroral.capacity.layout import Options
    from auroral.capacity.plan import Request
    from auroral.capacity.presets import presets
    from auroral.capacity.warmup import Lifetime

    problems: list[Problem] = []
    rate_per_s = _rate(params["wps"], problems)
    lifetime_s = _lifetime(params["lifetime"], problems)
    duty = _duty(params["duty"], problems)
    pools = _assignments("pool", params["pool"], 10_000, problems)
    maxima = _assignments("autoscale-max", params["autoscale_max"], _MOST_TASKS, problems)
    shards = params["history_shards"]
    if shards is not None and shards & (shards - 1):
        problems.append(Problem("history-shards", str(shards), "--history-shards", "a power of two, e.g. 4096"))
    if problems:
        raise ConfigurationError(problems)
    if (params["wps"] is None) == (params["preset"] is None):
        raise UsageError(
            "expected a rate or a preset: one of --wps and --preset", hint="auroral capacity plan --wps 150"
        )
    workload = _workload(params["workload"])
    calibration = _calibration(params, workload)
    allowance = Allowance()
    if params["connection_limit"] is not None:
        allowance = Allowance(connections=params["connection_limit"])
    known = presets()
    return Request(
        workload=workload,
        rate_per_s=rate_per_s,
        preset=params["preset"],
        region=params["region"],
        duty=duty,
        calibration=calibration,
        options=Options(
            anchors=known.anchors if calibration is None else (calibration.anchor,),
            beyond_words="" if calibration is None else f"from your measurements ({calibration.anchor.source})",
            instance_type=params["instance_type"],
            zones=params["zones"],
            autoscale_max=maxima,
            pools=pools,
            reservoir=params["reservoir"],
            lifetime=Lifetime(lifetime_s=lifetime_s),
            allowance=allowance,
            distributed=params["limiter"] == "distributed",
            history_shards=shards,
        ),
        arguments=_arguments(params),
    )


def _arguments(params: dict[str, Any]) -> tuple[str, ...]:
    """The command line that makes the same plan: every option that is not its default, files to write apart."""
    defaults = {option.name: option.default for option in plan.params}
    found: list[str] = []
    for option in plan.params:
        assert isinstance(option, click.Option)
        assert option.name is not None
        value = params[option.name]
        if option.name in ("explain", "json", "tfvars", "profiles") or value in (None, (), defaults[option.name]):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            found += [option.opts[0], str(one)]
    return tuple(found)


def _rate(text: str | None, problems: list[Problem]) -> float | None:
    from auroral.units import parse_rate_per_s

    if text is None:
        return None
    expected = "a rate above 0 such as 150, 0.5/s or 6000/min, 1,000,000/s at most"
    try:
        rate_per_s = parse_rate_per_s(text)
    except ValueError:
        rate_per_s = 0.0
    if not 1e-3 <= rate_per_s <= _MOST_RATE:
        problems.append(Problem("wps", text, "--wps", expected))
    return rate_per_s


def _lifetime(text: str, problems: list[Problem]) -> float:
    from auroral.units import parse_duration_s

    try:
        lifetime_s = parse_duration_s(text)
    except ValueError:
        lifetime_s = 0.0
    if not 60 <= lifetime_s < 3_600:
        problems.append(Problem("lifetime", text, "--lifetime", "a duration from 1m to below DSQL's 60m, e.g. 55m"))
    return lifetime_s


def _duty(text: str, problems: list[Problem]) -> float:
    from auroral.units import parse_ratio

    try:
        duty = parse_ratio(text)
    except ValueError:
        duty = -1.0
    if not 0 < duty <= 1:
        problems.append(Problem("duty", text, "--duty", "a share above 0 and up to 1, e.g. 0.3 or 30%"))
    return duty


def _assignments(name: str, texts: tuple[str, ...], most: int, problems: list[Problem]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        for part in text.split(","):
            service, _, number = part.strip().partition("=")
            if service not in _SERVICES or not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= most:
                expected = f"SERVICE=N, a service of {', '.join(_SERVICES)} and 1 to {most:,}"
                problems.append(Problem(name, part, f"--{name}", expected))
            else:
                found[service] = int(number)
    return found


def _workload(source: str) -> Workload:
    from auroral.bench.workload_file import load

    return load(source, read_text=lambda path: path.read_text(encoding="utf-8"))


def _prices(path: str | None) -> PriceTable:
    from auroral.capacity.prices import load_prices, packaged_prices

    if path is None:
        return packaged_prices()
    return load_prices(_read(Path(path), "prices").decode(errors="replace"), origin=path, base=packaged_prices())


def _calibration(params: dict[str, Any], workload: Workload) -> Calibration | None:
    from auroral.capacity.calibrate import calibrate, parse_services
    from auroral.capacity.presets import presets

    paths, on, services = params["calibrate"], params["calibrated_on"], params["calibrated_services"]
    if not paths:
        if on is not None or services is not None:
            raise UsageError("--calibrated-on and --calibrated-services go with --calibrate RESULT")
        return None
    if params["preset"] is not None:
        raise UsageError("--calibrate sizes a rate, and a preset has its sizes", hint="give --wps RATE")
    if on is None:
        raise UsageError(
            "a result does not tell the sizes of the cluster that it was taken on",
            hint="name the nearest preset, --calibrated-on 150wps, and what differs, --calibrated-services history=10",
        )
    base = presets().named(on).anchor()
    given = parse_services(services, base) if services is not None else None
    return calibrate([_result(path) for path in paths], workload=workload, base=base, services=given)


def _result(text: str) -> tuple[str, Any]:
    from auroral.bench.result import decode

    path = Path(text)
    if path.is_dir():
        path = path / "result.json"
    try:
        return text, decode(_read(path, "calibrate"))
    except ValueError as error:
        raise UsageError(f"{text}: expected {error}", hint="give the result.json of auroral bench run") from error


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path} (from --{option}) cannot be read: {error.strerror}") from error
