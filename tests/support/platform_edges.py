"""Who may call whom, as the stack platform's own table says: Terraform evaluates it, without any provider."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec

from tests.support.terraform import INFRA

STACK = INFRA / "stacks/platform"
_NAMES = ("temporal_roles", "grpc_ports", "membership_ports", "metrics_port")
_VARIABLES = """
variable "egress_mode" { default = "endpoints" }
variable "dsql" { default = { distributed_limiter = true } }
"""
RING = ("history", "matching", "frontend", "worker")
NOTE = "<!-- generated: make docs -->\n"


class Edge(msgspec.Struct, frozen=True, rename={"source": "from"}):
    """One line of the table."""

    source: str
    to: str
    port: int
    description: str


def edges() -> list[Edge]:
    """The table, in its order, in endpoints mode and with the distributed limiter. Raises where Terraform cannot."""
    names = (STACK / "names.tf").read_text()
    kept = [match[0] for name in _NAMES if (match := re.search(rf"^  {name} +=.*$", names, re.MULTILINE))]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in STACK.glob("edges*.tf"):
            shutil.copy(path, root)
        (root / "names.tf").write_text("\n".join(["locals {", *kept, "}", _VARIABLES]))
        (root / "terraform.tfrc").touch()
        ended = subprocess.run(
            ["terraform", "console"],
            input="jsonencode(local.edge_list)\n",
            cwd=root,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": folder,
                "TF_CLI_CONFIG_FILE": f"{folder}/terraform.tfrc",
            }
            | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    if ended.returncode != 0 or ended.stderr.strip():
        raise AssertionError(f"terraform console: {ended.stdout}\n{ended.stderr}")
    return msgspec.json.decode(json.loads(ended.stdout), type=list[Edge])


def page(table: list[Edge]) -> str:
    """The page of docs/reference: two drawings and every line."""
    return "\n".join(
        [
            NOTE,
            "# Who may call whom\n",
            "From the table in `infra/stacks/platform/edges*.tf`, of which Terraform makes two rules a line: egress at "
            "the caller, ingress at the called. What no line names is closed. Shown for `egress_mode = endpoints` and "
            "the distributed limiter; without it no one calls DynamoDB, and in `nat` mode the instances also reach the "
            "internet on 443, for images.\n",
            "## Temporal and its clients\n",
            _drawing(_inner(table)),
            "\nThe four roles also reach each other on their membership ports. Each task also reaches `ssmmessages`, "
            "`logs` and `kms` on 443, for ECS Exec.\n",
            "## Stores and AWS\n",
            _drawing(_outer(table)),
            "\n## Every line\n",
            _rows(table),
            "",
        ]
    )


def _is_membership(edge: Edge) -> bool:
    return edge.description.startswith("Membership")


def _is_exec(edge: Edge) -> bool:
    return edge.description.startswith("ECS Exec")


def _inner(table: list[Edge]) -> dict[tuple[str, str], set[int]]:
    """Calls between tasks, scraping apart."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for edge in table:
        if ":" not in edge.to and edge.source != "collector" and edge.to not in ("dsql-endpoint", "opensearch"):
            if not _is_membership(edge):
                found[edge.source, edge.to].add(edge.port)
        elif edge.source == "collector" and ":" not in edge.to:
            found["collector", "every task with metrics"].add(edge.port)
    return found


def _outer(table: list[Edge]) -> dict[tuple[str, str], set[int]]:
    """Calls that leave the tasks, the four roles as one and both pools of instances as one."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for edge in table:
        if (":" in edge.to or edge.to in ("dsql-endpoint", "opensearch")) and not _is_exec(edge):
            source = "the four roles" if edge.source in RING else re.sub("^instances-.*", "instances", edge.source)
            found[source, edge.to].add(edge.port)
    return found


def _drawing(calls: dict[tuple[str, str], set[int]]) -> str:
    names = list(dict.fromkeys(name for pair in calls for name in pair))
    lines = [f'    {_id(name)}["{name}"]' for name in names]
    lines += [
        f'    {_id(source)} -->|"{", ".join(map(str, sorted(ports)))}"| {_id(target)}'
        for (source, target), ports in calls.items()
    ]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```"])


def _id(name: str) -> str:
    return "n_" + re.sub("[^a-z0-9]", "_", name)


def _rows(table: list[Edge]) -> str:
    grouped: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    for edge in table:
        grouped[edge.to, edge.port, edge.description].append(edge.source)
    lines = ["| from | to | port | why |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {', '.join(dict.fromkeys(sources))} | {to} | {port} | {why} |"
        for (to, port, why), sources in grouped.items()
    ]
    return "\n".join(lines)
