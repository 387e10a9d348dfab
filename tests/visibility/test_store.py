"""Against a real OpenSearch, with every signature recomputed; and with its security plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auroral.errors import OutputError, TargetError, UsageError
from auroral.visibility.access import role_name
from auroral.visibility.plan import Plan, make_plan
from auroral.visibility.store import VisibilityStore, opened
from auroral.visibility.target import VisibilityTarget
from auroral.visibility.template import template_for
from tests.support.opensearch.front import Front, Principal
from tests.support.opensearch.node import Node, caller
from tests.visibility.conftest import MASTER, SERVER, STRANGER, Become


def target_of(front: Front, index: str, **other: str) -> VisibilityTarget:
    port = int(front.url.rsplit(":", 1)[1])
    given = {"region": front.region, "ca_file": front.ca_file, **other}
    return VisibilityTarget(host="localhost", port=port, index=index, **given)  # type: ignore[arg-type]


@contextmanager
def store_of(front: Front, index: str) -> Iterator[VisibilityStore]:
    with opened(target_of(front, index)) as store:
        yield store


def apply(front: Front, index: str, arns: tuple[str, ...] = ()) -> Plan:
    wanted = template_for(index)
    with store_of(front, index) as store:
        plan = make_plan(wanted, store.read(wanted.name, roles=bool(arns)), arns)
        for step in plan.steps:
            store.carry_out(step)
    return plan


def look(front: Front, index: str, arns: tuple[str, ...] = ()) -> Plan:
    wanted = template_for(index)
    with store_of(front, index) as store:
        return make_plan(wanted, store.read(wanted.name, roles=bool(arns)), arns)


def test_what_was_made_is_as_it_should_be(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    plan = apply(domain, index)
    assert [step.what for step in plan.steps] == [f"create template {index}_template", f"create index {index}"]
    again = look(domain, index)
    assert (again.differences, again.steps) == ((), ())
    assert domain.refused == []


def test_sent_twice_is_done_once(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    plan = apply(domain, index)
    with store_of(domain, index) as store:
        for step in plan.steps:
            store.carry_out(step)
    assert look(domain, index).differences == ()


def test_an_older_index_gets_what_it_lacks(domain: Front, plain_node: Node, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    body = template_for(index).index_body
    mappings = body["mappings"]
    fields = {name: field for name, field in mappings["properties"].items() if "ExternalPayload" not in name}
    older = {
        "dynamic": "false",
        "properties": {**fields, "OrderTotal": {"type": "scaled_float", "scaling_factor": 10000}},
    }
    assert plain_node.request("PUT", f"/{index}", {"settings": body["settings"], "mappings": older})[0] == 200
    assert plain_node.request("PUT", f"/{index}/_doc/1?refresh=true", {"RunId": "r"})[0] == 201
    told = [one.what for one in look(domain, index).differences]
    assert "field TemporalExternalPayloadCount is missing" in told
    assert any("records no version, not template" in one for one in told)
    apply(domain, index)
    assert look(domain, index).differences == ()
    status, document = plain_node.request("GET", f"/{index}")
    assert status == 200
    properties = document[index]["mappings"]["properties"]  # type: ignore[index]
    assert properties["OrderTotal"] == {"type": "scaled_float", "scaling_factor": 10000.0}
    with store_of(domain, index) as store:
        assert store.read(f"{index}_template", roles=False).documents == 1


def test_what_needs_a_new_index_is_told(domain: Front, plain_node: Node, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    mappings = {"properties": {"WorkflowId": {"type": "text"}, "CloseTime": {"type": "date"}}}
    assert plain_node.request("PUT", f"/{index}", {"mappings": mappings})[0] == 200
    refused = [one.what for one in look(domain, index).refusals]
    assert "field WorkflowId has type text, not keyword" in refused
    assert "field CloseTime has type date, not date_nanos" in refused
    assert "setting sort.field is not set, not CloseTime,StartTime,RunId" in refused


def test_settings_of_an_open_index_are_brought_back(
    domain: Front, plain_node: Node, index: str, as_principal: Become
) -> None:
    as_principal(MASTER)
    apply(domain, index)
    changed = {"index": {"auto_expand_replicas": "false", "number_of_replicas": "2", "search.idle.after": "30s"}}
    assert plain_node.request("PUT", f"/{index}/_settings", changed)[0] == 200
    told = {one.what.split(" is ")[0] for one in look(domain, index).differences}
    assert told == {"setting auto_expand_replicas", "setting number_of_replicas", "setting search.idle.after"}
    apply(domain, index)
    assert look(domain, index).differences == ()


@pytest.mark.parametrize(
    ("principal", "region", "words"),
    [
        (Principal(MASTER.arn, MASTER.access_key, "another-secret", MASTER.token), "eu-west-1", "does not match"),
        (Principal(MASTER.arn, MASTER.access_key, MASTER.secret_key), "eu-west-1", "security token"),
        (Principal("arn:aws:iam::1:role/x", "AKIAUNKNOWN", "x"), "eu-west-1", "security token"),
        (MASTER, "us-east-1", "valid region"),
    ],
)
def test_a_wrong_signature_is_refused_and_told(
    domain: Front, as_principal: Become, principal: Principal, region: str, words: str
) -> None:
    as_principal(principal)
    with opened(target_of(domain, "t", region=region)) as store, pytest.raises(TargetError, match=words) as caught:
        store.read("t", roles=False)
    assert "(403)" in str(caught.value)
    assert principal.secret_key not in str(caught.value)
    assert domain.requests == []


def test_without_credentials_nothing_is_sent(domain: Front, index: str) -> None:
    with pytest.raises(UsageError, match="no AWS credentials"), opened(target_of(domain, index)):
        pass
    with pytest.raises(UsageError, match="profile nobody"), opened(target_of(domain, index, profile="nobody")):
        pass


def test_credentials_that_cannot_be_renewed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, soon = tmp_path / "credentials", datetime.now(UTC) + timedelta(minutes=1)
    answer = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": soon.isoformat()}
    valid = f"mkdir {tmp_path}/once || mkdir {tmp_path}/twice"
    script.write_text(f"#!/bin/sh\nif {valid}; then echo '{json.dumps(answer)}'; else exit 1; fi\n")
    script.chmod(0o755)
    (tmp_path / "config").write_text(f"[profile short]\ncredential_process = {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    target = VisibilityTarget(host="localhost", port=1, region="eu-west-1", profile="short")
    with pytest.raises(UsageError, match="sign requests with any more"), opened(target) as store:
        store.read("t", roles=False)


def test_certificates_are_checked(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    system = VisibilityTarget(host="localhost", port=target_of(domain, index).port, region="eu-west-1")
    with opened(system) as store, pytest.raises(TargetError, match="not one that we trust"):
        store.read("t", roles=False)
    by_address = VisibilityTarget(host="127.0.0.1", port=system.port, region="eu-west-1", ca_file=domain.ca_file)
    with opened(by_address) as store, pytest.raises(TargetError, match="not one that we trust"):
        store.read("t", roles=False)
    with pytest.raises(OutputError, match="cannot be read"), opened(target_of(domain, index, ca_file="/no/such.pem")):
        pass
    with pytest.raises(OutputError, match="no certificate"), opened(target_of(domain, index, ca_file=__file__)):
        pass


def test_what_is_no_opensearch_is_told(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    for answer in (b'{"hello": 1}', b"<html>", b"[]", b"null"):
        domain.failures["GET", "/"] = (200, answer)
        with store_of(domain, index) as store, pytest.raises(TargetError, match="answers, but not"):
            store.read("t", roles=False)


def test_a_domain_that_fails_is_told_with_its_reason(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    domain.failures["GET", f"/{index}"] = (500, b'{"error": {"type": "boom_exception", "reason": "no master"}}')
    with store_of(domain, index) as store, pytest.raises(TargetError, match=r"\(500\): boom_exception: no master"):
        store.read("t", roles=False)


def test_roles_without_the_plugin_are_refused(domain: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    plan = look(domain, index, (SERVER.arn,))
    assert [one.what for one in plan.refusals] == ["role mappings cannot be made: the security plugin is not there"]


def test_the_role_is_made_mapped_and_left_alone(guarded: Front, index: str, as_principal: Become) -> None:
    as_principal(MASTER)
    arns = (SERVER.arn, "arn:aws:iam::123456789012:user/nightly")
    plan = apply(guarded, index, arns)
    assert [step.what.split(" ")[0] for step in plan.steps] == ["create", "create", "create", "map"]
    assert look(guarded, index, arns).differences == ()
    apply(guarded, index, ("arn:aws:iam::123456789012:role/matching",))
    name = role_name(index)
    with store_of(guarded, index) as store:
        mapping = store.read("t", roles=True).security.mapping
    assert mapping is not None
    assert mapping["backend_roles"] == [SERVER.arn, "arn:aws:iam::123456789012:role/matching"]
    assert mapping["users"] == ["arn:aws:iam::123456789012:user/nightly"]
    assert guarded.requests.count(f"PUT /_plugins/_security/api/roles/{name}") == 1
    assert guarded.refused == []


def test_the_role_lets_a_server_do_its_work_and_no_more(
    guarded: Front, secured_node: Node, index: str, as_principal: Become
) -> None:
    as_principal(MASTER)
    apply(guarded, index, (SERVER.arn,))
    server, stranger = caller(SERVER.arn), caller(STRANGER.arn)
    document = {"WorkflowId": "w", "RunId": "r", "StartTime": "2026-11-01T00:00:00.000000001Z"}
    versioned = "version_type=external&version=7&refresh=true"

    def ask(method: str, path: str, body: object = None) -> int:
        return secured_node.request(method, path, body, server)[0]

    assert ask("PUT", f"/{index}/_doc/w~r?{versioned}", document) == 201
    assert ask("GET", f"/{index}/_doc/w~r") == 200
    assert (
        ask("POST", f"/{index}/_search", {"query": {"term": {"WorkflowId": "w"}}, "sort": [{"StartTime": "desc"}]})
        == 200
    )
    assert ask("POST", f"/{index}/_count", {"query": {"match_all": {}}}) == 200
    assert ask("GET", f"/{index}/_mapping") == 200
    assert ask("PUT", f"/{index}/_mapping", {"properties": {"Tier": {"type": "keyword"}}}) == 200
    assert ask("GET", f"/_cluster/health/{index}?wait_for_status=yellow&timeout=5s") == 200
    assert _bulk(secured_node, index, server) == [201, 200]
    assert ask("DELETE", f"/{index}/_doc/w~r?version_type=external&version=8") == 200

    assert ask("DELETE", f"/{index}") == 403
    assert ask("PUT", f"/{index}_other", {}) == 403
    assert ask("PUT", f"/{index}/_settings", {"index": {"number_of_replicas": 0}}) == 403
    assert ask("POST", f"/{index}_other/_search", {}) == 403
    assert ask("GET", "/_plugins/_security/api/roles") in (401, 403)
    assert ask("PUT", "/_template/x", template_for("x").body) == 403
    assert secured_node.request("GET", f"/{index}/_doc/w~r", headers=stranger)[0] == 403


def _bulk(node: Node, index: str, headers: dict[str, str]) -> list[int]:
    import json
    import urllib.request

    lines = [
        {"index": {"_index": index, "_id": "b", "version": 1, "version_type": "external"}},
        {"WorkflowId": "b"},
        {"delete": {"_index": index, "_id": "b", "version": 2, "version_type": "external"}},
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    sent = {"content-type": "application/x-ndjson", **headers}
    request = urllib.request.Request(f"{node.url}/_bulk", data=data, method="POST", headers=sent)
    with urllib.request.urlopen(request, timeout=30) as answer:
        items = json.loads(answer.read())["items"]
    return [next(iter(item.values()))["status"] for item in items]


def test_whoever_may_not_is_told_so(guarded: Front, index: str, as_principal: Become) -> None:
    as_principal(STRANGER)
    wanted = template_for(index)
    with store_of(guarded, index) as store, pytest.raises(TargetError, match=r"\(403\).*no permissions") as caught:
        store.read(wanted.name, roles=False)
    assert "all_access" in caught.value.hint
