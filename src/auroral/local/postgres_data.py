"""Where a PostgreSQL's data lies, and what it begins with.

Root's server runs as an unprivileged user, and its data must lie where that user reaches it. `initdb` runs once per
release: its result is kept in the user's cache and copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from auroral.errors import TargetError
from auroral.local.postgres_programs import Programs

SUPERUSER = "postgres"
_LONGEST_SOCKET_PATH_BYTES = 100
"""A unix socket's path holds 107 bytes; the file's own name takes some."""
_ELSEWHERE_PREFIX = "auroral-postgres-"
_ORIGIN = "auroral.origin"
"""In data that lies elsewhere: the file that points to it."""


def reachable(wanted: Path, programs: Programs) -> Path:
    """The directory itself, or, where the unprivileged user could not get there, one of the same name elsewhere."""
    wanted = wanted.absolute()
    if programs.user_id is None or all(_may_pass(parent, programs) for parent in wanted.parents):
        wanted.mkdir(exist_ok=True)
        return wanted
    sweep()
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:16]
    elsewhere = _elsewhere() / f"{_ELSEWHERE_PREFIX}{name}"
    pointer = wanted.parent / "data.elsewhere"
    if not pointer.exists() and elsewhere.exists():
        shutil.rmtree(elsewhere)  # of an earlier directory of that name, which has gone
    elsewhere.mkdir(exist_ok=True)
    pointer.write_text(f"{elsewhere}\n")
    (elsewhere / _ORIGIN).write_text(str(pointer))  # from here on a sweep sees the data, and that it is pointed to
    return elsewhere


def _elsewhere() -> Path:
    return Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir())


def sweep() -> None:
    """Remove data whose directory, which pointed to it, has gone."""
    for one in _elsewhere().glob(f"{_ELSEWHERE_PREFIX}*"):
        with contextlib.suppress(OSError):
            if not Path((one / _ORIGIN).read_text()).exists() and not _runs(one):
                shutil.rmtree(one)


def _runs(data_directory: Path) -> bool:
    """Whether a postmaster may be at work there; its process id may be another's by now."""
    try:
        os.kill(int((data_directory / "postmaster.pid").read_text().splitlines()[0]), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return False
    except OSError:
        return True
    return True


def _may_pass(directory: Path, programs: Programs) -> bool:
    status = directory.stat()
    if status.st_uid == programs.user_id:
        return bool(status.st_mode & 0o100)
    if status.st_gid == programs.group_id:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def template(programs: Programs) -> Path:
    """A directory as `initdb` leaves it, made once per release and kept in the user's cache."""
    key = hashlib.sha256(f"{programs.directory} {programs.version}".encode()).hexdigest()[:12]
    cache = Path(platformdirs.user_cache_dir("auroral")) / "postgres"
    kept = cache / f"{programs.version.split()[0]}-{key}"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="auroral-initdb-", dir=short_temporary_directory()) as made:
        programs.give(Path(made))
        arguments = ["-D", f"{made}/data", "-U", SUPERUSER, "--no-sync", "--encoding=UTF8", "--locale=C"]
        arguments += ["--auth=trust", "--no-instructions"]
        ran = subprocess.run(
            programs.command("initdb", *arguments), capture_output=True, text=True, check=False, cwd="/"
        )
        if ran.returncode != 0:
            raise TargetError(
                f"initdb failed with status {ran.returncode}:\n{ran.stderr.strip() or ran.stdout.strip()}",
                hint=f"the programs are in {programs.directory} ({programs.version})",
            )
        waiting = cache / f".{kept.name}-{secrets.token_hex(4)}"
        shutil.copytree(f"{made}/data", waiting, symlinks=True)
        try:
            waiting.rename(kept)
        except OSError:  # another process was first
            shutil.rmtree(waiting, ignore_errors=True)
    return kept


def short_temporary_directory() -> str:
    """The usual one, or `/tmp` where the path of a unix socket in it would be too long."""
    usual = tempfile.gettempdir()
    return usual if len(usual.encode()) + len("/auroral-pg-12345678") < _LONGEST_SOCKET_PATH_BYTES - 20 else "/tmp"
