"""The configuration that each role gets, rendered by the server's own loader."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .conftest import DSQL, DYNAMIC, POSTGRES, ROOT, TEMPLATE, AuroralServer

PORTS = {
    "frontend": (7233, 6933),
    "history": (7234, 6934),
    "matching": (7235, 6935),
    "worker": (7239, 6939),
}


def rendered(server: AuroralServer, **variables: str) -> dict[str, Any]:
    """The configuration for DSQL and OpenSearch with these variables."""
    return server("render", **{**DSQL, **variables}).configuration


@pytest.mark.parametrize("role", PORTS)
def test_each_role_knows_every_port(auroral_server: AuroralServer, role: str) -> None:
    services = rendered(auroral_server, TEMPORAL_SERVICES=role)["services"]
    assert {name: (one["rpc"]["grpcPort"], one["rpc"]["membershipPort"]) for name, one in services.items()} == PORTS
    assert {one["rpc"]["bindOnIP"] for one in services.values()} == {"0.0.0.0"}
    assert services["frontend"]["rpc"]["httpPort"] == 7243


@pytest.mark.parametrize("role", PORTS)
def test_each_port_can_be_another(auroral_server: AuroralServer, role: str) -> None:
    variables = {f"{role.upper()}_GRPC_PORT": "17001", f"{role.upper()}_MEMBERSHIP_PORT": "17002"}
    rpc = rendered(auroral_server, TEMPORAL_SERVICES=role, **variables)["services"][role]["rpc"]
    assert (rpc["grpcPort"], rpc["membershipPort"]) == (17001, 17002)


def test_what_is_off_stays_off(auroral_server: AuroralServer) -> None:
    configuration = rendered(auroral_server)
    assert configuration["archival"]["history"]["state"] == "disabled"
    assert configuration["archival"]["visibility"]["state"] == "disabled"
    assert configuration["dcRedirectionPolicy"]["policy"] == "noop"
    assert configuration["global"]["pprof"]["port"] == 0
    assert configuration["clusterMetadata"]["enableGlobalNamespace"] is False
    assert configuration["publicClient"]["hostPort"] == ""


def test_metrics_and_log(auroral_server: AuroralServer) -> None:
    configuration = rendered(auroral_server, LOG_LEVEL="warn")
    assert configuration["global"]["metrics"]["prometheus"]["listenAddress"] == "0.0.0.0:9090"
    assert configuration["log"] | {"stdout": True, "level": "warn", "format": "json"} == configuration["log"]
    assert rendered(auroral_server, PROMETHEUS_ENDPOINT="off")["global"]["metrics"] is None


def test_tls(auroral_server: AuroralServer) -> None:
    tls = rendered(
        auroral_server,
        TEMPORAL_TLS_REQUIRE_CLIENT_AUTH="true",
        TEMPORAL_TLS_SERVER_CERT="/tls/cert.pem",
        TEMPORAL_TLS_SERVER_KEY="/tls/key.pem",
        TEMPORAL_TLS_SERVER_CA_CERT="/tls/ca.pem",
        TEMPORAL_TLS_INTERNODE_SERVER_NAME="roles.internal",
        TEMPORAL_TLS_FRONTEND_CERT_DATA="Y2VydA==",
        TEMPORAL_TLS_FRONTEND_KEY_DATA="c2VjcmV0",
        TEMPORAL_TLS_FRONTEND_SERVER_NAME="frontend.internal",
        TEMPORAL_TLS_CLIENT1_CA_CERT="/tls/clients.pem",
        TEMPORAL_TLS_CLIENT2_CA_CERT="/tls/more.pem",
        TEMPORAL_TLS_REFRESH_INTERVAL="1h",
    )["global"]["tls"]
    internode, frontend = tls["internode"], tls["frontend"]
    assert internode["server"]["certFile"] == "/tls/cert.pem"
    assert internode["server"]["clientCaFiles"] == internode["client"]["rootCaFiles"] == ["/tls/ca.pem"]
    assert internode["server"]["requireClientAuth"] is frontend["server"]["requireClientAuth"] is True
    assert internode["client"]["serverName"] == "roles.internal"
    assert frontend["server"]["clientCaFiles"] == ["/tls/clients.pem", "/tls/more.pem"]
    assert frontend["server"]["certData"] == "Y2VydA=="
    assert frontend["client"]["serverName"] == "frontend.internal"
    assert tls["refreshInterval"] == "1h0m0s"


def test_authorization(auroral_server: AuroralServer) -> None:
    configuration = rendered(
        auroral_server,
        TEMPORAL_AUTH_AUTHORIZER="default",
        TEMPORAL_AUTH_CLAIM_MAPPER="default",
        TEMPORAL_JWT_KEY_SOURCE1="https://issuer.example/keys",
        TEMPORAL_JWT_PERMISSIONS_CLAIM="temporal_permissions",
        USE_INTERNAL_FRONTEND="true",
        PUBLIC_FRONTEND_ADDRESS="frontend:7233",
    )
    authorization = configuration["global"]["authorization"]
    assert (authorization["authorizer"], authorization["claimMapper"]) == ("default", "default")
    assert authorization["jwtKeyProvider"]["keySourceURIs"] == ["https://issuer.example/keys"]
    assert authorization["permissionsClaimName"] == "temporal_permissions"
    assert configuration["services"]["internal-frontend"]["rpc"]["grpcPort"] == 7236
    assert configuration["publicClient"]["hostPort"] == "", (
        "Temporal takes no public client beside an internal frontend"
    )


def test_opensearch(auroral_server: AuroralServer) -> None:
    store = rendered(auroral_server)["persistence"]["datastores"]["visibility"]["elasticsearch"]
    signing = store["aws-request-signing"]
    assert (signing["enabled"], signing["region"], signing["credentialProvider"]) == (
        True,
        "eu-west-1",
        "aws-sdk-default",
    )
    assert (store["url"]["scheme"], store["url"]["host"]) == ("https", "search.example:443")
    assert store["indices"] == {"visibility": "temporal_visibility_v1"}
    plain = rendered(
        auroral_server, TEMPORAL_OPENSEARCH_SIGNING="false", TEMPORAL_OPENSEARCH_USERNAME="u", AWS_REGION=""
    )
    store = plain["persistence"]["datastores"]["visibility"]["elasticsearch"]
    assert (store["aws-request-signing"]["enabled"], store["username"]) == (False, "u")


def test_postgres(auroral_server: AuroralServer) -> None:
    secret = "n0t-to-be-seen"
    done = auroral_server("render", **POSTGRES, POSTGRES_PWD=secret, DB_PORT="5555", DBNAME="t", VISIBILITY_DBNAME="v")
    stores = done.configuration["persistence"]["datastores"]
    assert [stores[name]["sql"]["databaseName"] for name in ("default", "visibility")] == ["t", "v"]
    assert {stores[name]["sql"]["connectAddr"] for name in ("default", "visibility")} == {"127.0.0.1:5555"}
    assert {stores[name]["sql"]["pluginName"] for name in ("default", "visibility")} == {"postgres12_pgx"}
    assert secret not in done.out + done.err


def test_secrets_are_masked(auroral_server: AuroralServer) -> None:
    secrets = {
        "TEMPORAL_OPENSEARCH_PASSWORD": "pass-of-search",
        "TEMPORAL_TLS_SERVER_CERT_DATA": "Y2VydA==",
        "TEMPORAL_TLS_SERVER_KEY_DATA": "a2V5LW9mLXJvbGVz",
        "TEMPORAL_TLS_FRONTEND_CERT_DATA": "Y2VydA==",
        "TEMPORAL_TLS_FRONTEND_KEY_DATA": "a2V5LW9mLWZyb250ZW5k",
    }
    done = auroral_server("render", **DSQL, **secrets)
    assert done.status == 0, done.err
    for name in ("TEMPORAL_OPENSEARCH_PASSWORD", "TEMPORAL_TLS_SERVER_KEY_DATA", "TEMPORAL_TLS_FRONTEND_KEY_DATA"):
        assert secrets[name] not in done.out + done.err


def test_every_problem_is_told_at_once_and_nothing_runs(auroral_server: AuroralServer) -> None:
    for command in ("run", "render", "health"):
        done = auroral_server(command, FRONTEND_GRPC_PORT="http", BIND_ON_IP="here")
        assert done.status == 2
        for name in ("FRONTEND_GRPC_PORT", "BIND_ON_IP", "DSQL_ENDPOINT", "TEMPORAL_OPENSEARCH_HOST", "AWS_REGION"):
            assert f"  {name}: " in done.err
        assert "Traceback" not in done.err
        assert "goroutine" not in done.err


def test_temporals_default_limits_are_refused_with_the_lines_to_set(
    auroral_server: AuroralServer, tmp_path: Any
) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    done = auroral_server("run", **DSQL, DYNAMIC_CONFIG_FILE_PATH=str(empty))
    assert done.status == 2
    lines = yaml.safe_load(done.err.strip().split("\n\n")[-1])
    assert lines["limit.maxIDLength"] == [{"value": 222}]
    shipped = yaml.safe_load(DYNAMIC.read_text())
    assert lines.items() <= shipped.items()


def test_the_reference_has_every_variable_of_the_template() -> None:
    page = (ROOT / "docs" / "reference" / "server-environment.md").read_text()
    names = set(re.findall(r'env "([A-Z0-9_]+)"', TEMPLATE.read_text()))
    assert len(names) > 60
    assert names <= set(re.findall(r"^\| `([A-Z0-9_]+)`", page, re.MULTILINE))


def test_wrong_usage(auroral_server: AuroralServer) -> None:
    for arguments in (["go"], ["run", "history"], ["run", "--service", "x"], ["health", "--timeout", "soon"]):
        done = auroral_server(*arguments, **DSQL)
        assert done.status == 2, arguments
        assert done.err.startswith("auroral-server: ")
    assert auroral_server("run", "--services", "histroy", **DSQL).status == 2


def test_the_start_period(auroral_server: AuroralServer) -> None:
    assert auroral_server("start-period").out == "78\n"
    assert (
        auroral_server("start-period", DSQL_CONNECTION_RATE_LIMIT="2", DSQL_CONNECTION_BURST_LIMIT="10").out == "86\n"
    )
    assert auroral_server("start-period", "--connections", "5000").status == 2


def test_the_version(auroral_server: AuroralServer) -> None:
    assert re.match(r"auroral-server \S+, Temporal 1\.\d+\.\d+, go1\.", auroral_server("version").out)
