"""The server as the image has it: the same binary, the same files, a plain process."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from auroral.local.binaries import SERVER, obtain_binaries

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"
TEMPLATE = IMAGES / "server" / "config" / "auroral.yaml"
DYNAMIC = IMAGES / "server" / "dynamicconfig" / "dsql.yaml"

DSQL = {
    "DSQL_ENDPOINT": "abc.dsql.eu-west-1.on.aws",
    "TEMPORAL_OPENSEARCH_HOST": "search.example",
    "AWS_REGION": "eu-west-1",
}
POSTGRES = {"TEMPORAL_PERSISTENCE": "postgres", "TEMPORAL_VISIBILITY": "postgres"}


@dataclass(frozen=True)
class Finished:
    """A run of auroral-server that ended."""

    status: int
    out: str
    err: str

    @property
    def configuration(self) -> dict[str, Any]:
        """The rendered configuration that it printed."""
        assert self.status == 0, self.err
        parsed = yaml.safe_load(self.out)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True)
class AuroralServer:
    """auroral-server with nothing in its environment but what a test gives it, and the image's files."""

    path: Path
    files: Mapping[str, str] = field(
        default_factory=lambda: {
            "TEMPORAL_SERVER_CONFIG_FILE_PATH": str(TEMPLATE),
            "DYNAMIC_CONFIG_FILE_PATH": str(DYNAMIC),
        }
    )

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of one process."""
        mark = {name: value for name, value in os.environ.items() if name.startswith("AURORAL_TEST")}
        return {**mark, **self.files, **variables}

    def __call__(self, *arguments: str, **variables: str) -> Finished:
        """Run a command to its end."""
        done = subprocess.run(
            [self.path, *arguments],
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def auroral_server() -> AuroralServer:
    """Build auroral-server, or find what was built from the same sources."""
    built = asyncio.run(obtain_binaries([SERVER], report=_silent()))
    return AuroralServer(built[SERVER])


def _silent() -> Callable[[str], None]:
    return lambda _: None
