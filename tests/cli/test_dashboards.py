"""`auroral dashboards` as a user runs it, against a real Prometheus that holds series of the last minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroral.dashboards import build as builder
from auroral.dashboards.found import checkout
from auroral.report.dashboards_check import SCHEMA_ID
from tests.cli.conftest import Cli
from tests.support.contract_file import CONTRACT
from tests.support.past import past
from tests.support.prometheus import prometheus
from tests.support.web import Web

SOURCE = {"type": "grafana-amazonprometheus-datasource", "uid": "auroral-metrics"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("past"), past=past(time.time())) as running:
        yield running.url


def board(*exprs: str, **parts: Any) -> dict[str, Any]:
    panels = [{"title": f"panel {number}", "targets": [{"expr": expr}]} for number, expr in enumerate(exprs)]
    return {"panels": panels, **parts}


def written(folder: Path, boards: dict[str, Any], alerts: dict[str, str] | None = None) -> str:
    for kind in ("dashboards", "rules"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, document in boards.items():
        (folder / "dashboards" / f"{name}.json").write_text(json.dumps(document))
    rules = [{"alert": name, "expr": expr} for name, expr in (alerts or {}).items()]
    (folder / "rules" / "own.yaml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    return str(folder)


# build


def test_a_checkout_is_as_built(cli: Cli) -> None:
    ended = cli("dashboards", "build", "--check")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == f"{len(builder.texts())} files are as built\n"


def test_build_writes_what_differs_and_check_names_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "checkout"
    mark = root / "src/auroral/dashboards/collected.py"
    mark.parent.mkdir(parents=True)
    mark.touch()
    monkeypatch.setattr(Path, "cwd", lambda: root)
    assert checkout(root) == root
    ended = cli("dashboards", "build", "--check")
    assert ended.code == 1
    assert "observability/scrape.yaml: is not there\n" in ended.out
    assert ended.err == "build them: auroral dashboards build\n"
    assert not (root / "observability").exists()
    ended = cli("dashboards", "build")
    assert ended.code == 0
    assert "observability/dashboards/overview.json\n" in ended.out
    assert ended.err.endswith(f" files, {len(ended.out.splitlines())} written\n")
    (root / "observability/dashboards/old.json").touch()
    ended = cli("dashboards", "build")
    assert ended.code == 1
    assert ended.out == "observability/dashboards/old.json: is built by nothing any more: delete it\n"


# check


def test_all_is_well(cli: Cli, url: str, tmp_path: Path) -> None:
    variables = [
        {"name": "cluster", "type": "query", "query": "label_values(up, cluster)", "datasource": SOURCE},
    ]
    shown = board('sum(up{cluster=~"$cluster"})', "rate(dsql_transaction_conflicts[$__rate_interval])")
    shown["templating"] = {"list": variables}
    shown["panels"].append({"title": "aws", "datasource": {"type": "cloudwatch"}, "targets": [{}, {}]})
    folder = written(tmp_path / "o", {"a": shown}, {"Down": "up == 0"})
    ended = cli("dashboards", "check", "--prometheus", url, "--directory", folder)
    assert ended.code == 0
    assert ended.out == (
        "dashboards/a.json: 2 of 3 well\n"
        "  panel 1: without data as yet: dsql_transaction_conflicts comes with a conflict\n"
        "  not asked: 2 of cloudwatch\n"
        "rules/own.yaml: 1 of 1 well\n"
        "\n"
        f"ok: 4 queries to {url}: 2 with data, 1 alerts silent, 1 without data as yet\n"
    )
    assert ended.err == ""


def test_what_has_no_data(cli: Cli, url: str, tmp_path: Path) -> None:
    boards = {"a": board("up", "upp > 1", "up by ("), "b": board("up < 0")}
    folder = written(tmp_path / "o", boards, {"Down": "nothing == 0"})
    ended = cli("dashboards", "check", "--prometheus", url, "--directory", folder, "--since", "10m", terminal=True)
    assert ended.code == 1
    assert ended.out.startswith("dashboards/a.json: 1 of 3 well\n  panel 2: not understood: ")
    assert "\n      up by (\n  panel 1: without data: there is no metric upp\n      upp > 1\n" in ended.out
    assert "dashboards/b.json: 0 of 1 well\n  panel 0: without data: each of its series is there" in ended.out
    assert "rules/own.yaml: 0 of 1 well\n  alert Down: without data: there is no metric nothing\n" in ended.out
    assert ended.out.endswith(f"FAILED: 5 queries to {url}: 1 with data, 4 FAILED\n")
    assert "5 of 5 queries" in ended.err


def test_as_json(cli: Cli, url: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "o", {"a": board("up", "upp")})
    ended = cli("dashboards", "check", "--prometheus", url, "--directory", folder, "--json", "--since", "5m")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert (told["schema"], told["prometheus"], told["since_s"], told["passed"]) == (SCHEMA_ID, url, 300, False)
    assert told["counts"] == {"data": 1, "silent": 0, "awaited": 0, "empty": 0, "missing": 1, "refused": 0}
    assert told["results"][1] == {
        "file": "dashboards/a.json",
        "name": "panel 1",
        "by": "panel",
        "expr": "upp",
        "finding": "missing",
        "why": "there is no metric upp",
    }
    assert told["not_asked"] == []


def test_our_own_dashboards_are_checked_where_none_are_named(cli: Cli, url: str) -> None:
    ended = cli("dashboards", "check", "--prometheus", url)
    assert ended.code == 1, "this Prometheus has next to nothing"
    assert "dashboards/overview.json: " in ended.out
    assert "rules/dsql.yaml: " in ended.out
    assert "of cloudwatch" in ended.out


def test_the_workspace_of_a_deployment(cli: Cli, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def respond(path: str, headers: Any) -> tuple[int, str, str]:
        asked.append((path.partition("?")[0], headers.get("authorization", "")))
        return 200, "application/json", json.dumps({"data": {"result": [{"values": [[1, "1"]]}]}})

    with Web(respond) as web:
        contract = json.loads(CONTRACT.read_text())
        contract["metrics"]["query_url"] = f"{web.url}/workspaces/ws-1/"
        outputs = tmp_path / "outputs.json"
        outputs.write_text(json.dumps({"contract": {"value": contract}}))
        folder = written(tmp_path / "o", {"a": board("up")})
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "x"}
        with pytest.MonkeyPatch.context() as patched:
            for name, value in keys.items():
                patched.setenv(name, value)
            ended = cli("dashboards", "check", "--outputs", str(outputs), "--directory", folder, environ=keys)
            signed = ["dashboards", "check", "--prometheus", web.url, "--sigv4", "--region", "eu-west-1"]
            other = cli(*signed, "--directory", folder, environ=keys)
    assert (ended.code, other.code) == (0, 0), ended.err + other.err
    assert [path for path, _ in asked] == ["/workspaces/ws-1/api/v1/query_range", "/api/v1/query_range"]
    assert f"/{contract['region']}/aps/aws4_request" in asked[0][1]
    assert "/eu-west-1/aps/aws4_request" in asked[1][1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "expected one of --prometheus, --outputs and --stack, found none"),
        (["--prometheus", "http://x", "--stack", "platform"], 2, "found --prometheus and --stack"),
        (["--prometheus", "localhost:9090"], 2, "expected a URL, such as http://localhost:9090"),
        (["--prometheus", "http://x", "--region", "eu-west-1"], 2, "--region and --profile are for signed requests"),
        (["--prometheus", "http://x", "--since", "soon"], 2, "--since soon: expected a duration, such as 1h"),
        (["--prometheus", "http://x", "--since", "10s"], 2, "--since 10s: expected at least 60s"),
        (["--prometheus", "http://x", "--directory", "nowhere"], 2, "--directory nowhere: expected a folder"),
        (["--outputs", "nowhere.json"], 2, "nowhere.json"),
        (["--prometheus", "http://127.0.0.1:1"], 3, "Prometheus at http://127.0.0.1:1 does not answer: "),
    ],
)
def test_what_cannot_be_done(cli: Cli, arguments: list[str], code: int, says: str) -> None:
    ended = cli("dashboards", "check", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
    assert "Traceback" not in ended.err


def test_an_interrupt(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(path: str, headers: Any) -> tuple[int, str, str]:
        return 200, "application/json", json.dumps({"data": {"result": []}})

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    folder = written(tmp_path / "o", {"a": board("up")})
    with Web(respond) as web:
        monkeypatch.setattr("urllib.request.urlopen", interrupted)
        ended = cli("dashboards", "check", "--prometheus", web.url, "--directory", folder)
    assert (ended.code, ended.err.strip()) == (4, "interrupted")
