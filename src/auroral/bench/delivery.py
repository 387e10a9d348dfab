"""Takes a run's directory to object storage. Acts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from auroral.bench.object_place import DOCUMENT, Place, in_order, part_bytes
from auroral.errors import AuroralError, OutputError


class Storage(Protocol):
    """Whoever can call S3: `auroral.aws_account.Account`."""

    def call(self, service: str, operation: str, /, **arguments: Any) -> Mapping[str, Any]:
        """The answer of `boto3.client(service).operation(**arguments)`. Raises `AuroralError`."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent."""

    url: str
    files: int
    size: int
    """Bytes."""


def deliver(storage: Storage, place: Place, run_id: str, directory: Path) -> Delivered:
    """Send every file of a run, its document last. Encryption is the bucket's own.

    Raises what the storage raises at the first file that does not arrive, and `OutputError` for one that cannot be
    read: the document is not there then.
    """
    sizes: dict[str, int] = {}
    names = in_order(_files(directory))
    if DOCUMENT not in names:
        raise OutputError(f"{directory} has no {DOCUMENT}", hint="it could not be written: see the errors before")
    for name in names:
        try:
            with (directory / name).open("rb") as file:
                sizes[name] = os.fstat(file.fileno()).st_size
                _send(storage, place.bucket, place.key(run_id, name), file, sizes[name])
        except OSError as error:
            raise OutputError(f"{directory / name} cannot be read: {error.strerror or error}") from error
    return Delivered(url=f"{place.url}{run_id}/", files=len(sizes), size=sum(sizes.values()))


def _files(directory: Path) -> Iterator[str]:
    """Names relative to the directory; no hidden ones, which are files half written."""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _send(storage: Storage, bucket: str, key: str, file: Any, size: int) -> None:
    step = part_bytes(size)
    if size <= step:
        storage.call("s3", "put_object", Bucket=bucket, Key=key, Body=file.read())
        return
    upload = str(storage.call("s3", "create_multipart_upload", Bucket=bucket, Key=key)["UploadId"])
    try:
        parts = []
        for number, body in enumerate(iter(lambda: file.read(step), b""), start=1):
            answer = storage.call(
                "s3", "upload_part", Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        storage.call(
            "s3",
            "complete_multipart_upload",
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
        )
    except BaseException:
        with suppress(AuroralError):  # what remains is removed by the bucket's lifecycle
            storage.call("s3", "abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
        raise
