"""The checkout that images are built from: where it is, its recipes, its commit. Acts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from auroral.errors import OutputError, TargetError, UsageError
from auroral.images.names import BUILT, Commit
from auroral.images.recipe import Mirrored, Recipe, mirrored, recipe

_MARK = "images/server/Dockerfile"
_MIRRORED = "images/mirrored.toml"


def find_root(start: Path) -> Path:
    """The folder that holds images/ and what goes into them. Raises `UsageError` where there is none."""
    start = start.resolve()
    for folder in (start, *start.parents, Path(__file__).parents[3]):
        if (folder / _MARK).is_file():
            return folder
    raise UsageError(
        f"expected {_MARK} in {start} or above it, found none",
        hint="images are built from a checkout of auroral: run it there",
    )


def read_recipes(root: Path, names: Iterable[str]) -> dict[str, Recipe]:
    """How each of these is built. Raises `OutputError`."""
    found = {}
    for name in names:
        if name in BUILT:
            dockerfile = root / "images" / name / "Dockerfile"
            found[name] = recipe(name, _text(dockerfile), _text(dockerfile.with_name("Dockerfile.dockerignore")))
    return found


def read_mirrored(root: Path) -> dict[str, Mirrored]:
    """What is mirrored. Raises `OutputError` or `UsageError`."""
    return mirrored(_text(root / _MIRRORED), _MIRRORED)


def read_commit(root: Path, recipes: Iterable[Recipe], environ: Mapping[str, str]) -> Commit | None:
    """The commit, and whether what goes into these images differs from it. None outside of git.

    Raises `TargetError` where git fails.
    """
    head = _git(root, environ, "rev-parse", "--verify", "HEAD")
    if head is None or head.returncode != 0:
        return None
    paths = sorted({path for one in recipes for path in one.sources})
    if not paths:
        return Commit(hash=head.stdout.strip())
    status = _git(root, environ, "status", "--porcelain", "--untracked-files=normal", "--", *paths)
    if status is None or status.returncode != 0:
        words = status.stderr.strip() if status is not None else "git is gone"
        raise TargetError(f"git does not say whether {root} is as committed: {words}", hint="or give --tag")
    return Commit(hash=head.stdout.strip(), dirty=bool(status.stdout.strip()))


def _git(root: Path, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
