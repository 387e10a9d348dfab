"""Terraform as the tests run it: providers from a mirror where there is one, nothing written beside the sources.

A provider of several hundred megabytes is hashed and started anew for every run of a test. `attached` starts it once
and lets Terraform attach to it (21 runs of module network: 18 s instead of 76 s on the same two busy cores).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MIRROR = "AURORAL_TERRAFORM_MIRROR"
REGISTRY = "registry.terraform.io"
_AWS = f"{REGISTRY}/hashicorp/aws"
_ATTACHES_S = 60.0
_GOGC = "400"
"""Percent by which a heap grows between two collections: a plan of the platform takes 7.3 s of CPU and 590 MB, not
10.7 s and 280 MB as with Go's 100. Without any collection it takes 2 GB and is no faster."""
_RUN = re.compile(r'^run "([^"]+)"', re.MULTILINE)


def find_mirror(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> Path | None:
    """The folder that holds registry.terraform.io; None: providers come from the registry.

    Where AURORAL_TERRAFORM_MIRROR does not name it: Terraform's implied local mirrors, then folders of /opt.
    """
    environ = os.environ if environ is None else environ
    if given := environ.get(MIRROR):
        if not (Path(given) / REGISTRY).is_dir():
            raise FileNotFoundError(f"{MIRROR}={given}: expected a folder that holds {REGISTRY}")
        return Path(given)
    home = Path(environ.get("HOME") or Path.home())
    data = [environ.get("XDG_DATA_HOME") or str(home / ".local/share")]
    data += (environ.get("XDG_DATA_DIRS") or f"{root}usr/local/share:{root}usr/share").split(":")
    places = [home / ".terraform.d/plugins", *(Path(one) / "terraform/plugins" for one in data if one)]
    places += sorted((root / "opt").glob("*")) if (root / "opt").is_dir() else []
    return next((place for place in places if (place / REGISTRY).is_dir()), None)


def cli_configuration(folder: Path, mirror: Path | None) -> Path:
    """Write Terraform's CLI configuration into a folder: a mirror alone, or the registry with a cache."""
    lines = ["disable_checkpoint = true"]
    if mirror is not None:
        lines += ["provider_installation {", f'  filesystem_mirror {{ path = "{mirror}" }}', "}"]
    else:
        cache = Path.home() / ".cache/auroral/terraform-plugins"
        cache.mkdir(parents=True, exist_ok=True)
        lines += [f'plugin_cache_dir = "{cache}"', "plugin_cache_may_break_dependency_lock_file = true"]
    path = folder / "terraform.tfrc"
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Workshop:
    """A copy of infra/ in a temporary folder, and the environment to run Terraform there."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def infra(self) -> Path:
        """The copy of infra/."""
        return self.folder / "infra"

    def with_environ(self, **more: str) -> Workshop:
        """The same copy, with more in the environment."""
        return Workshop(self.folder, {**self.environ, **more})

    def root(self, name: str) -> Path:
        """Folder of a module (`network`) or a stack (`stacks/platform`)."""
        return self.infra / name if name.startswith("stacks/") else self.infra / "modules" / name

    def terraform(
        self, root: Path, *arguments: str, check: bool = True, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Terraform in a folder of the copy; its data stands outside, apart for each folder."""
        data = self.folder / "data" / str(root.relative_to(self.folder)).replace("/", "-")
        ended = subprocess.run(
            ["terraform", *arguments],
            cwd=root,
            env={**self.environ, "TF_DATA_DIR": str(data), **environ},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and ended.returncode != 0:
            raise AssertionError(f"terraform {' '.join(arguments)} in {root.name}:\n{ended.stdout}\n{ended.stderr}")
        return ended


def make_workshop(folder: Path, infra: Path = INFRA) -> Workshop:
    """Copy infra/ and configure Terraform. Each module and stack finds its tests in its own folder `tests`."""
    if shutil.which("terraform") is None:
        raise FileNotFoundError("the tests of infra/ need terraform >= 1.11 on PATH: python -m tests.needs")
    ignore = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")
    shutil.copytree(infra, folder / "infra", ignore=ignore)
    for tests in sorted((folder / "infra/tests").iterdir()):
        for root in (folder / "infra/modules" / tests.name, folder / "infra/stacks" / tests.name):
            if root.is_dir():
                (root / "tests").symlink_to(Path("../../tests") / tests.name)
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "AURORAL_TEST_SESSION")
    environ = {name: os.environ[name] for name in kept if name in os.environ}
    environ["TF_CLI_CONFIG_FILE"] = str(cli_configuration(folder, find_mirror()))
    environ |= {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", "GOGC": _GOGC}
    return Workshop(folder, environ)


def provider_binary(workshop: Workshop) -> Path:
    """The AWS provider's program, which `terraform init` links into a folder's data."""
    scratch = workshop.folder / "provider"
    scratch.mkdir(exist_ok=True)
    versions = next((workshop.infra / "modules").glob("*/versions.tf"))
    shutil.copy(versions, scratch / "versions.tf")
    workshop.terraform(scratch, "init", "-backend=false")
    found = (workshop.folder / "data/provider/providers" / _AWS).glob("*/*/terraform-provider-aws*")
    return next(iter(sorted(found))).resolve()


@contextlib.contextmanager
def attached(workshop: Workshop, binary: Path | None = None) -> Iterator[Workshop]:
    """Start the AWS provider and yield a workshop whose Terraform attaches to it.

    One process is configured by whoever attached last: real applies that overlap need one each; mocks configure none.
    """
    program = binary or provider_binary(workshop)
    log = workshop.folder / f"provider-{uuid.uuid4().hex[:8]}.log"
    # A debugged provider traces every call into its output: megabytes that nobody reads.
    quiet = {"TF_LOG": "OFF", "TF_LOG_PROVIDER": "OFF", "TF_LOG_SDK": "OFF", "TF_LOG_SDK_PROTO": "OFF"}
    with (
        log.open("w") as out,
        subprocess.Popen(
            [str(program), "-debug"], env={**workshop.environ, **quiet}, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield workshop.with_environ(TF_REATTACH_PROVIDERS=_address(process, log))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _ATTACHES_S
    while process.poll() is None and time.monotonic() < end:
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.*)'\n", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the AWS provider offered no address:\n{log.read_text()}")


@dataclass
class RunResult:
    """One run block as Terraform tested it."""

    status: str = "not run"
    messages: list[str] = field(default_factory=list)


def declared_runs(infra: Path = INFRA) -> list[tuple[str, str, str]]:
    """Every run block of infra/tests: (module, file, run)."""
    files = sorted((infra / "tests").glob("*/*.tftest.hcl"))
    return [(file.parent.name, file.name, run) for file in files for run in _RUN.findall(file.read_text())]


def root_of(module: str, infra: Path = INFRA) -> str:
    """The name for `Workshop.root` of what the tests in infra/tests/<module> are of."""
    if (infra / "modules" / module).is_dir():
        return module
    assert (infra / "stacks" / module).is_dir(), f"infra/tests/{module}: no module and no stack of this name"
    return f"stacks/{module}"


def run_tests(workshop: Workshop, name: str) -> dict[tuple[str, str], RunResult]:
    """Run `terraform test` for a module or stack: (file, run) → result. Errors of a whole file stand at its runs."""
    root = workshop.root(name)
    ready = workshop.terraform(root, "init", "-backend=false", "-no-color", check=False)
    if ready.returncode != 0:  # also where a file of tests cannot be read
        return {("", ""): RunResult(status="error", messages=[ready.stdout + ready.stderr])}
    ended = workshop.terraform(root, "test", "-json", check=False)
    return parse_test_events(ended.stdout.splitlines(), ended.stderr)


def parse_test_events(lines: Sequence[str], stderr: str = "") -> dict[tuple[str, str], RunResult]:
    """Results of `terraform test -json`, by (file, run)."""
    results: dict[tuple[str, str], RunResult] = {}
    whole: list[tuple[str | None, str]] = []
    for line in lines:
        event: dict[str, Any] = json.loads(line)
        file = Path(event["@testfile"]).name if "@testfile" in event else None
        run = event.get("@testrun")
        if event["type"] == "test_abstract":
            for path, runs in event["test_abstract"].items():
                results |= {(Path(path).name, one): RunResult() for one in runs}
        elif event["type"] == "test_run" and event["test_run"]["progress"] == "complete":
            results[(str(file), run)].status = event["test_run"]["status"]
        elif event["type"] == "diagnostic" and event["diagnostic"]["severity"] == "error":
            if file is not None and run is not None:
                results[(file, run)].messages.append(_told(event["diagnostic"]))
            else:
                whole.append((file, _told(event["diagnostic"])))
    if stderr.strip():
        whole.append((None, stderr.strip()))
    for file, message in whole:
        results.setdefault((file or "", ""), RunResult(status="error")).messages.append(message)
        for key in (key for key in results if key[0] == file or file is None):
            results[key].messages.append(message)
    return results


def _told(diagnostic: Mapping[str, Any]) -> str:
    where = diagnostic.get("range")
    place = f"{where['filename']}:{where['start']['line']}: " if where else ""
    return f"{place}{diagnostic['summary']}: {diagnostic['detail']}"
