"""Properties 24, 28 and 29: logs, the limiter's table, and the visibility store. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from auroral.infra.findings import Finding, broken, judged, unknown
from auroral.infra.model import UNKNOWN, Platform, Resource

_TLS = ("Policy-Min-TLS-1-2-2019-07", "Policy-Min-TLS-1-2-PFS-2023-10")
"""TLSSecurityPolicy of DomainEndpointOptions, from 1.2 on: OpenSearch Service API reference, November 2026."""


def logs_kept_and_encrypted(platform: Platform) -> Iterator[Finding]:
    """24: logs end some day, and are encrypted with a key of the deployment."""
    for group in platform.of_type("aws_cloudwatch_log_group"):
        problems = []
        days = group.get("retention_in_days")
        if days is not UNKNOWN and not days:
            problems.append("retention_in_days is not set: expected a number of days")
        key = group.get("kms_key_id")  # a plan that creates the key does not know it, only that there is one
        if key is not UNKNOWN and not key:
            problems.append("kms_key_id is not set: expected a key")
        yield judged(group, problems)


def limiter_table(platform: Platform) -> Iterator[Finding]:
    """28: the distributed limiter finds the table that it writes: `pk`, `ttl_epoch`, on demand."""
    name = platform.at("dsql", "limiter", "table")
    tables = [
        one
        for one in platform.of_type("aws_dynamodb_table")
        if one.get("name") == name or (not isinstance(name, str) and "limiter" in str(one.get("name")))
    ]
    if not tables and platform.at("dsql", "limiter", "mode") == "distributed":
        if isinstance(name, str):
            yield broken("limiter's table", f"{name} is not here, and the distributed limiter is on: expected it")
        else:
            yield unknown("limiter's table", "its name")
    for table in tables:
        yield judged(table, _shape(table))


def _shape(table: Resource) -> Iterator[str]:
    expected = {
        ("hash_key",): "pk",
        ("billing_mode",): "PAY_PER_REQUEST",
        ("ttl", 0, "attribute_name"): "ttl_epoch",
        ("ttl", 0, "enabled"): True,
    }
    for path, wanted in expected.items():
        if table.get(*path) != wanted:
            yield f"{'.'.join(str(step) for step in path if step != 0)} {table.get(*path)}: expected {wanted}"
    if table.get("range_key"):
        yield f"range_key {table.get('range_key')}: expected none"
    kinds = {one.get("name"): one.get("type") for one in table.items("attribute")}
    if kinds.get("pk") != "S":
        yield f"attribute pk has type {kinds.get('pk')}: expected S"


def search_guarded(platform: Platform) -> Iterator[Finding]:
    """29: the visibility store outlives a zone, is encrypted, and speaks TLS 1.2."""
    for domain in platform.of_type("aws_opensearch_domain"):
        problems = []
        expected = {
            ("cluster_config", 0, "zone_awareness_enabled"): True,
            ("cluster_config", 0, "zone_awareness_config", 0, "availability_zone_count"): 3,
            ("encrypt_at_rest", 0, "enabled"): True,
            ("node_to_node_encryption", 0, "enabled"): True,
            ("domain_endpoint_options", 0, "enforce_https"): True,
        }
        for path, wanted in expected.items():
            found = domain.get(*path)
            if found != wanted:
                problems.append(f"{'.'.join(str(one) for one in path if one != 0)} {found}: expected {wanted}")
        nodes = domain.get("cluster_config", 0, "instance_count")
        if isinstance(nodes, int) and (nodes < 3 or nodes % 3):
            problems.append(f"cluster_config.instance_count {nodes}: expected a multiple of the three zones")
        policy = domain.get("domain_endpoint_options", 0, "tls_security_policy")
        if policy not in _TLS:
            problems.append(f"tls_security_policy {policy}: expected {' or '.join(_TLS)}")
        yield judged(domain, problems)
