"""`auroral visibility`, as a user types it, against a real OpenSearch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from auroral import __version__
from auroral.errors import ExitCode
from auroral.visibility.template import template_for
from tests.cli.conftest import Cli, Ended
from tests.support.opensearch.front import Front
from tests.support.opensearch.node import Node
from tests.visibility.conftest import MASTER, SERVER, Become

Run = Callable[..., Ended]
SOURCE = template_for("x").source
VERSION = f"template {SOURCE.template} of Temporal {SOURCE.version}"


@pytest.fixture
def run(cli: Cli, index: str, as_principal: Become) -> Run:
    """`run(front, "status", …)` as the master, on this test's own index."""
    as_principal(MASTER)

    def call(front: Front, command: str, *arguments: str, environ: dict[str, str] | None = None) -> Ended:
        where = ("--endpoint", front.url, "--region", front.region, "--ca-file", front.ca_file, "--index", index)
        return cli("visibility", command, *where, *arguments, environ=environ)

    return call


def test_from_nothing_to_an_index(run: Run, domain: Front, index: str) -> None:
    before = run(domain, "status")
    assert before.code == ExitCode.FAILED
    assert f"index {index} is missing" in before.out
    assert "what to do: auroral visibility apply" in before.out
    made = run(domain, "apply")
    assert (made.code, made.out) == (ExitCode.OK, f"done: index {index} is {VERSION}\n")
    assert made.err.splitlines() == [f"create template {index}_template", f"create index {index}"]
    after = run(domain, "status")
    assert (after.code, after.err) == (ExitCode.OK, "")
    assert f"0 documents, {VERSION}" in after.out
    assert after.out.endswith(f"as it should be: {VERSION}\n")
    again = run(domain, "apply")
    assert (again.code, again.err) == (ExitCode.OK, "")
    assert again.out.startswith("nothing to do")


def test_a_dry_run_sends_nothing(run: Run, domain: Front, index: str) -> None:
    shown = run(domain, "apply", "--dry-run", "--shards", "3")
    assert shown.code == ExitCode.OK
    assert f"PUT /_template/{index}_template" in shown.out
    assert '"number_of_shards": "3"' in shown.out
    assert not any(line.startswith("PUT") for line in domain.requests)
    assert run(domain, "status").code == ExitCode.FAILED


def test_shards_are_those_asked_for_and_cannot_change(run: Run, domain: Front) -> None:
    assert run(domain, "apply", "--shards", "3").code == ExitCode.OK
    later = run(domain, "status")
    assert later.code == ExitCode.OK
    assert "the index has 3 primary shards; Temporal's template has 1" in later.out
    assert run(domain, "apply").code == ExitCode.OK
    assert sum(line.startswith("PUT") for line in domain.requests) == 2
    refused = run(domain, "apply", "--shards", "2")
    assert refused.code == ExitCode.FAILED
    assert "error: setting number_of_shards is 3, not 2" in refused.err
    assert "nothing was changed" in refused.err


def test_what_needs_a_new_index_changes_nothing(run: Run, domain: Front, plain_node: Node, index: str) -> None:
    assert plain_node.request("PUT", f"/{index}", {"mappings": {"properties": {"RunId": {"type": "text"}}}})[0] == 200
    ended = run(domain, "apply")
    assert ended.code == ExitCode.FAILED
    assert "error: field RunId has type text, not keyword\n" in ended.err
    assert ended.err.count("hint: a field's type cannot change: make a new index") == 1
    assert "is missing" not in ended.err
    assert not any(line.startswith("PUT") for line in domain.requests)


def test_json_of_both_commands(run: Run, domain: Front, index: str) -> None:
    made = run(domain, "apply", "--json")
    document = json.loads(made.out)
    assert document["schema"] == "auroral.visibility/1"
    assert document["ok"] is True
    assert document["installed"] == {
        "version": __version__,
        "temporal": SOURCE.version,
        "template": SOURCE.template,
    }
    assert [step["path"] for step in document["steps"]] == [f"/_template/{index}_template", f"/{index}"]
    status = json.loads(run(domain, "status", "--json").out)
    assert (status["health"], status["documents"], status["differences"]) == ("green", 0, [])
    assert status["role"]["read"] is False


def test_the_deployment_says_where_and_for_whom(
    cli: Cli, guarded: Front, index: str, as_principal: Become, tmp_path: Path
) -> None:
    as_principal(MASTER)
    outputs = tmp_path / "outputs.json"
    values = {
        "opensearch_endpoint": guarded.url,
        "opensearch_index": index,
        "region": guarded.region,
        "task_role_arns": {"history": SERVER.arn, "ui": "arn:aws:iam::123456789012:role/ui"},
    }
    outputs.write_text(json.dumps({name: {"value": value} for name, value in values.items()}))
    given = ("--outputs", str(outputs), "--ca-file", guarded.ca_file)
    made = cli("visibility", "apply", *given)
    assert made.code == ExitCode.OK, made.err
    assert f"map role {index}_server to {SERVER.arn}" in made.err
    seen = cli("visibility", "status", *given)
    assert (seen.code, seen.err) == (ExitCode.OK, "")
    assert f"role      {index}_server → {SERVER.arn}\n" in seen.out


def test_roles_that_the_domain_has_not(run: Run, domain: Front) -> None:
    refused = run(domain, "apply", "--server-arn", SERVER.arn)
    assert refused.code == ExitCode.FAILED
    assert "the security plugin is not there" in refused.err
    assert "--no-roles" in refused.err
    assert run(domain, "apply", "--server-arn", SERVER.arn, "--no-roles").code == ExitCode.OK


def test_whoever_is_not_let_in_is_told(run: Run, guarded: Front, as_principal: Become) -> None:
    as_principal(SERVER)
    ended = run(guarded, "status")
    assert ended.code == ExitCode.UNREACHABLE
    assert "(403)" in ended.err
    assert "hint: the caller needs es:ESHttp*" in ended.err


def test_a_red_index_is_unhealthy(run: Run, domain: Front, index: str) -> None:
    assert run(domain, "apply").code == ExitCode.OK
    domain.failures["GET", f"/_cluster/health/{index}"] = (200, b'{"status": "red"}')
    assert run(domain, "status").code == ExitCode.UNREACHABLE


def test_the_servers_variables_are_enough(cli: Cli, domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    environ = {
        "TEMPORAL_OPENSEARCH_HOST": "localhost",
        "TEMPORAL_OPENSEARCH_PORT": domain.url.rsplit(":", 1)[1],
        "TEMPORAL_OPENSEARCH_INDEX": index,
        "AWS_REGION": domain.region,
    }
    assert cli("visibility", "apply", "--ca-file", domain.ca_file, environ=environ).code == ExitCode.OK


def test_a_local_one_needs_no_signature(cli: Cli, plain_node: Node, index: str) -> None:
    given = ("--endpoint", plain_node.url, "--no-signing", "--index", index)
    assert cli("visibility", "apply", *given).code == ExitCode.OK
    assert cli("visibility", "status", *given).code == ExitCode.OK
