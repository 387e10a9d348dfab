"""Where Terraform works: a copy of modules and stack in the deployment's own directory.

The directory keeps everything of one stack of one deployment: `*.tfvars` and `*.tfvars.json` (read in the order of
their names), `backend.hcl`, the copy, Terraform's data, the last plan, and the state of a stack without a backend. The
sources stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from auroral.errors import OutputError, UsageError

BACKEND_FILE = "backend.hcl"
PLAN_FILE = "plan.tfplan"
PLAN_JSON = "plan.json"
LOCAL_STATE = "local-state"
"""A file that is there where the directory was once told to keep the state."""
_BACKEND = re.compile(r'^\s*backend\s+"(\w+)"', re.MULTILINE)
_OVERRIDE = "auroral_backend_override.tf"
_KEPT = (".terraform.lock.hcl", _OVERRIDE)


class WorkingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """One stack of one deployment, ready for Terraform."""

    stack: str
    directory: Path
    root: Path
    """Where Terraform runs."""
    var_files: tuple[Path, ...]
    backend_arguments: tuple[str, ...]
    """For `terraform init`."""

    @property
    def data(self) -> Path:
        """TF_DATA_DIR."""
        return self.directory / "terraform"

    @property
    def plan(self) -> Path:
        """The last plan."""
        return self.directory / PLAN_FILE

    @property
    def plan_json(self) -> Path:
        """The same as JSON."""
        return self.directory / PLAN_JSON


def find_infra(given: str | None, start: Path) -> Path:
    """The folder that holds modules/ and stacks/. Raises `UsageError` where there is none."""
    if given is not None:
        if not (Path(given) / "stacks").is_dir():
            raise UsageError(f"--infra {given}: expected a folder that holds stacks/ and modules/")
        return Path(given).resolve()
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "infra/stacks").is_dir():
            return folder / "infra"
    beside = Path(__file__).parents[3] / "infra"
    if (beside / "stacks").is_dir():
        return beside
    raise UsageError(
        f"expected a folder infra/ with stacks/ in {start} or above it, found none",
        hint="run it in a checkout of auroral, or name the folder: --infra",
    )


def prepare(
    infra: Path,
    stack: str,
    directory: Path,
    *,
    profile: str | None = None,
    var_files: Sequence[str] = (),
    backend_config: Sequence[str] = (),
    local_state: bool = False,
) -> WorkingCopy:
    """Copy the sources and gather the variables. Raises `UsageError` or `OutputError`."""
    stacks = sorted(path.name for path in (infra / "stacks").iterdir() if path.is_dir())
    if stack not in stacks:
        raise UsageError(f"--stack {stack}: expected one of {', '.join(stacks)}")
    marker = directory / LOCAL_STATE
    if local_state:
        marker.touch()
    local_state = marker.exists()
    layers = [*_profile(infra, profile), *(_named(one) for one in var_files), *_own(directory)]
    copy = directory.resolve() / "source"
    try:
        _copy(infra / "modules", copy / "modules")
        _copy(infra / "stacks" / stack, copy / "stacks" / stack)
    except OSError as error:
        raise OutputError(f"{directory} cannot be written: {error.strerror or error}") from error
    root = copy / "stacks" / stack
    return WorkingCopy(
        stack=stack,
        directory=directory.resolve(),
        root=root,
        var_files=tuple(layers),
        backend_arguments=_backend(root, directory.resolve(), backend_config, local_state=local_state),
    )


def _profile(infra: Path, profile: str | None) -> list[Path]:
    if profile is None:
        return []
    path = infra / "profiles" / f"{profile}.tfvars"
    if not path.is_file():
        there = sorted(one.stem for one in (infra / "profiles").glob("*.tfvars"))
        raise UsageError(
            f"--profile {profile}: expected one of {', '.join(there)}",
            hint="for a plan of your own: auroral capacity plan --tfvars FILE, then --var-file FILE; "
            "for a profile of AWS's configuration: --aws-profile",
        )
    return [path.resolve()]


def _named(path: str) -> Path:
    if not Path(path).is_file():
        raise UsageError(f"--var-file {path}: expected a file of Terraform's variables, there is none")
    return Path(path).resolve()


def _own(directory: Path) -> list[Path]:
    found = [*directory.glob("*.tfvars"), *directory.glob("*.tfvars.json")]
    return sorted(path.resolve() for path in found)


def _copy(source: Path, target: Path) -> None:
    """Make the target as the source is, but for what Terraform itself keeps there.

    File by file, and only where they differ: another command may be at work in the same directory.
    """
    wanted = {path.relative_to(source): path for path in sorted(source.rglob("*")) if _is_source(path, source)}
    for path in sorted(target.rglob("*")):
        if path.is_file() and path.relative_to(target) not in wanted and path.name not in _KEPT:
            path.unlink()
    for relative, path in wanted.items():
        content, copy = path.read_bytes(), target / relative
        if not copy.is_file() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
    target.mkdir(parents=True, exist_ok=True)


def _is_source(path: Path, root: Path) -> bool:
    inner = path.relative_to(root).parts
    if not path.is_file() or ".terraform" in inner or "tests" in inner[:-1]:
        return False
    return ".tfstate" not in path.name and path.suffix != ".tfplan"


def _backend(root: Path, directory: Path, given: Sequence[str], *, local_state: bool) -> tuple[str, ...]:
    """Arguments of init; a stack without a backend, or one told so, keeps its state in the directory."""
    sources = [path for path in root.glob("*.tf") if path.name != _OVERRIDE]
    has_one = any(_BACKEND.search(path.read_text(encoding="utf-8")) for path in sources)
    if not has_one or local_state:
        if given:
            raise UsageError(
                f"--backend-config is for a stack with a backend: {root.name} "
                + ("is told to keep its state here" if local_state else "has none")
            )
        state = str(directory / "terraform.tfstate").replace("\\", "\\\\").replace('"', '\\"')
        text = f'terraform {{\n  backend "local" {{\n    path = "{state}"\n  }}\n}}\n'
        (root / _OVERRIDE).write_text(text)
        return ()
    (root / _OVERRIDE).unlink(missing_ok=True)
    files = [str(directory / BACKEND_FILE)] if (directory / BACKEND_FILE).is_file() else []
    if not files and not given:
        raise UsageError(
            f"nothing says where the state of the stack {root.name} is: expected {directory / BACKEND_FILE}",
            hint="write it from the bootstrap stack's output `backend` and a key, or give --backend-config; to try "
            "things out, --local-state keeps the state in that directory",
        )
    return tuple(f"-backend-config={_absolute(one)}" for one in [*files, *given])


def _absolute(one: str) -> str:
    """A file by its whole path, since Terraform runs elsewhere; `key=value` as it is."""
    return str(Path(one).resolve()) if Path(one).is_file() else one
