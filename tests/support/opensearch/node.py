"""Start and end an OpenSearch node: one process, a free port, a directory of its own.

With `security` its fine-grained access control is that of a domain of Amazon's: whoever stands in front of it tells by
two headers who calls (`x-proxy-user`, `x-proxy-roles`), and `MASTER_ARN` may do everything.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml
from cryptography.hazmat.primitives import serialization

from tests.support.opensearch import obtain

MASTER_ARN = "arn:aws:iam::123456789012:role/master"
START_TIMEOUT_S = 120.0
_PLUGINS = ("org.opensearch.transport.Netty4Plugin", "org.opensearch.index.mapper.MapperExtrasPlugin")
_SECURITY_PLUGIN = "org.opensearch.security.OpenSearchSecurityPlugin"
_SECURITY_FOLDER = "opensearch-security"
_OPTIONS = ("-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@dataclass(frozen=True)
class Node:
    """A node that runs."""

    address: str
    """host:port, plain HTTP."""
    log_path: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.address}"

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, object]:
        """Ask it directly: status and document."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _document(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _document(error.read())


def caller(arn: str) -> dict[str, str]:
    """The headers by which a node with `security` knows a caller, as a domain's front tells it."""
    roles = {"x-proxy-roles": arn} if ":role/" in arn else {}
    return {"x-proxy-user": arn, **roles, "x-forwarded-for": "127.0.0.1"}


@contextlib.contextmanager
def running_node(directory: Path, *, security: bool = False) -> Iterator[Node]:
    """Start one and end it: some six seconds, with `security` ten."""
    folder = obtain.folder()
    assert obtain.is_there(), "OpenSearch is not there: python -m tests.needs"
    configuration, home = directory / "config", directory / "home"
    home.mkdir(parents=True)
    configuration.mkdir(mode=0o700)
    settings: dict[str, object] = {
        "cluster.name": "test",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": 0,
        "transport.port": 0,
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    class_path = [folder / "classes", folder / "jars" / "*"]
    plugins = list(_PLUGINS)
    if security:
        settings |= _secured(configuration, folder / "security" / "config")
        class_path.append(folder / "security" / "*")
        plugins.append(_SECURITY_PLUGIN)
    (configuration / "opensearch.yml").write_text(yaml.safe_dump(settings))
    log_path = directory / "node.log"
    command = ["java", *_OPTIONS, f"-Dlog4j2.configurationFile={obtain.SOURCES / 'log4j2.properties'}"]
    command += ["-cp", ":".join(map(str, class_path)), "TestNode", str(home), str(configuration), *plugins]
    with (
        log_path.open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=directory) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # The security plugin prints lines of its own before it.
            lines = (line.decode().strip() for line in process.stdout)
            address = next((line for line in lines if line.startswith("127.0.0.1:")), "")
            assert address, log_path.read_text()[-4000:]
            node = Node(address, log_path)
            _await(node, caller(MASTER_ARN) if security else {})
            yield node
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            shutil.rmtree(home, ignore_errors=True)


def _await(node: Node, headers: Mapping[str, str]) -> None:
    """Wait until it serves: the security plugin makes its own index first."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while node.request("GET", "/_cluster/health", headers=headers)[0] != 200:
        assert time.monotonic() < deadline_s, node.log_path.read_text()[-4000:]
        time.sleep(0.2)


def _secured(configuration: Path, shipped: Path) -> dict[str, object]:
    """Write what the plugin needs; return its settings."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", common_name="node", key_type=trustme.KeyType.RSA)
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    authority.cert_pem.write_to_path(str(configuration / "ca.pem"))
    (configuration / "node.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    (configuration / "node.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    own = configuration / _SECURITY_FOLDER
    shutil.copytree(shipped, own)
    front = {
        "http_enabled": True,
        "transport_enabled": True,
        "order": 0,
        "http_authenticator": {
            "type": "proxy",
            "challenge": False,
            "config": {"user_header": "x-proxy-user", "roles_header": "x-proxy-roles"},
        },
        "authentication_backend": {"type": "noop"},
    }
    xff = {"enabled": True, "internalProxies": r"127\.0\.0\.1", "remoteIpHeader": "x-forwarded-for"}
    dynamic = {"http": {"anonymous_auth_enabled": False, "xff": xff}, "authc": {"front": front}}
    mappings = {name: {"backend_roles": [MASTER_ARN]} for name in ("all_access", "security_manager")}
    for name, kind, content in (
        ("config.yml", "config", {"config": {"dynamic": dynamic}}),
        ("roles_mapping.yml", "rolesmapping", mappings),
        ("internal_users.yml", "internalusers", {}),
    ):
        (own / name).write_text(yaml.safe_dump({"_meta": {"type": kind, "config_version": 2}, **content}))
    tls = "plugins.security.ssl.transport."
    return {
        f"{tls}pemcert_filepath": "node.pem",
        f"{tls}pemkey_filepath": "node.key",
        f"{tls}pemtrustedcas_filepath": "ca.pem",
        f"{tls}enforce_hostname_verification": False,
        "plugins.security.ssl.http.enabled": False,
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.authcz.admin_dn": ["CN=nobody"],
        "plugins.security.nodes_dn": ["CN=node*"],
        "plugins.security.restapi.roles_enabled": ["all_access", "security_manager"],
        "plugins.security.audit.type": "noop",
    }


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
