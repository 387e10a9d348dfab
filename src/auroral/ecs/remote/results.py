"""Results of remote runs: listed in object storage, fetched from there or from a generator's log. Acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from auroral import aws
from auroral.aws_account import Account, AwsError
from auroral.bench import log_document
from auroral.bench.object_place import DOCUMENT, Place, by_run, in_order
from auroral.bench.result import Result, decode
from auroral.ecs.one_shot.request import LogStream
from auroral.ecs.one_shot.tasks import Log
from auroral.errors import OutputError, TargetError

_CHUNK_BYTES = 1024 * 1024


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One run in object storage."""

    run_id: str
    at: str
    """When its document was written: UTC, ISO 8601."""
    files: int
    size: int
    """Bytes of all its files."""


def stored(account: Account, place: Place, run_id: str = "") -> list[Stored]:
    """The whole runs, the newest first; with a run's id that one alone. Raises `AwsError`."""
    objects: list[tuple[str, int]] = []
    times: dict[str, str] = {}
    for one in _objects(account, place.bucket, place.key(run_id) if run_id else place.prefix):
        objects.append((str(one["Key"]), int(one["Size"])))
        times[str(one["Key"])] = one["LastModified"].isoformat(timespec="seconds")
    runs = [run for run in by_run(place, objects).values() if run.whole(place)]
    found = [
        Stored(
            run_id=run.run_id,
            at=times[place.key(run.run_id, DOCUMENT)],
            files=len(run.sizes),
            size=sum(run.sizes.values()),
        )
        for run in runs
    ]
    return sorted(found, key=lambda one: (one.at, one.run_id), reverse=True)


def result(account: Account, place: Place, run_id: str) -> Result:
    """The document of a run. Raises `AwsError`, and `TargetError` for what is none."""
    key = place.key(run_id, DOCUMENT)
    data = b"".join(_content(account, place.bucket, key))
    try:
        return decode(data)
    except ValueError as error:
        raise TargetError(
            f"s3://{place.bucket}/{key}: expected {error}", hint="was it written by another version of auroral?"
        ) from error


def require_free(directory: Path) -> None:
    """See that a run can be put there. Raises `OutputError`."""
    if (directory / DOCUMENT).exists():
        raise OutputError(
            f"expected a new directory for the results, but {directory} holds a run already",
            hint="name another directory with --output",
        )


def fetch(account: Account, place: Place, run_id: str, directory: Path, *, document_only: bool = False) -> list[str]:
    """Fetch a run's files, its document last; their names.

    Raises `AwsError`, `TargetError` where the run is not there or not whole, and `OutputError`.
    """
    require_free(directory)
    prefix = place.key(run_id)
    names = [str(one["Key"]).removeprefix(prefix) for one in _objects(account, place.bucket, prefix)]
    if DOCUMENT not in names:
        there = "its document is not there" if names else "nothing is there"
        raise TargetError(
            f"s3://{place.bucket}/{prefix}: expected a run, but {there}",
            hint="`auroral bench remote results` lists whole runs; a generator that could not send its results writes "
            "the document into its log: --task",
        )
    chosen = [DOCUMENT] if document_only else in_order(name for name in names if name and not name.endswith("/"))
    for name in chosen:
        _write(directory, name, _content(account, place.bucket, f"{prefix}{name}"))
    return chosen


def from_log(account: Account, stream: LogStream, run_id: str = "") -> tuple[str, bytes]:
    """Run id and document out of a generator's log. Raises `AwsError`, and `TargetError` where it has none."""
    where = f"the log {stream.group}, stream {stream.stream}"
    lines = Log(account, stream).lines()
    found = [one for one in log_document.decode(lines) if run_id in ("", one.run_id)]
    for one in found:
        if one.document is not None:
            return one.run_id, one.document
    if found:
        raise TargetError(f"{where} has the result of {found[0].run_id} in part: {found[0].problem}")
    if not lines:
        raise TargetError(
            f"{where} has no lines", hint="the stream ends with the task's id; logs are kept as long as the stack says"
        )
    of = f" of {run_id}" if run_id else ""
    raise TargetError(
        f"{where} has no result document{of}",
        hint="a generator writes it there only where it could not send its results to object storage",
    )


def write_document(directory: Path, document: bytes) -> None:
    """Write a document as it came. Raises `OutputError`."""
    require_free(directory)
    _write(directory, DOCUMENT, iter((document,)))


def _objects(account: Account, bucket: str, prefix: str) -> Iterator[Any]:
    following: dict[str, str] = {}
    while True:
        answer = account.call("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, **following)
        yield from answer.get("Contents") or ()
        if not answer.get("IsTruncated"):
            return
        following = {"ContinuationToken": str(answer["NextContinuationToken"])}


def _content(account: Account, bucket: str, key: str) -> Iterator[bytes]:
    body = account.call("s3", "get_object", Bucket=bucket, Key=key)["Body"]
    try:
        while chunk := body.read(_CHUNK_BYTES):
            yield chunk
    except AwsError:
        raise
    except aws.failures() as error:
        raise TargetError(
            f"s3://{bucket}/{key}: the transfer broke off: {aws.words(error)}", hint="try again"
        ) from error
    finally:
        body.close()


def _write(directory: Path, name: str, content: Iterator[bytes]) -> None:
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or any(part in ("..", ".") for part in parts):
        raise TargetError(f"the run has a file named {name}: expected one inside its directory")
    path = directory.joinpath(*parts)
    temporary = path.with_name(f".{path.name}.part")
    _writing(path, lambda: path.parent.mkdir(parents=True, exist_ok=True))
    try:
        with _opened(temporary) as out:
            for chunk in content:
                _writing(path, lambda chunk=chunk: out.write(chunk))  # type: ignore[misc]
        _writing(path, lambda: temporary.replace(path))
    finally:
        temporary.unlink(missing_ok=True)


def _opened(path: Path) -> Any:
    try:
        return path.open("wb")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _writing(path: Path, write: Callable[[], object]) -> None:
    """Only what the disk says is an `OutputError`: what the network says comes through."""
    try:
        write()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
