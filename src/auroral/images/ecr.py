"""The repositories of a project in ECR. Acts, through an `Account`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from auroral.aws_account import Account, AwsError
from auroral.aws_calls import Kind
from auroral.errors import TargetError
from auroral.images.manifest import INDEXES, MANIFESTS, Image, of_manifest
from auroral.images.names import repository


class Ecr:
    """What ECR has, and the password to push."""

    def __init__(self, account: Account, project: str) -> None:
        self._account = account
        self._project = project

    def uris(self, names: Iterable[str]) -> dict[str, str]:
        """The URI of each image's repository. Raises `TargetError` where some are missing, and `AwsError`."""
        found: dict[str, str] = {}
        missing: list[str] = []
        for name in names:
            wanted = repository(self._project, name)
            try:
                answer = self._account.call("ecr", "describe_repositories", repositoryNames=[wanted])
            except AwsError as error:
                if error.failure.kind is not Kind.MISSING:
                    raise
                missing.append(wanted)
            else:
                found[name] = str(answer["repositories"][0]["repositoryUri"])
        if missing:
            raise TargetError(
                f"ECR of {self._account.region} has no repository {', '.join(missing)}: the bootstrap stack makes them",
                hint="auroral infra apply --stack bootstrap, or name its --project and --region",
            )
        return found

    def find(self, name: str, tag: str) -> Image | None:
        """The image of a tag; None where there is none. Raises `TargetError`."""
        answer = self._account.call(
            "ecr",
            "batch_get_image",
            repositoryName=repository(self._project, name),
            imageIds=[{"imageTag": tag}],
            acceptedMediaTypes=[*INDEXES, *MANIFESTS],
        )
        images = answer.get("images") or []
        if images:
            return of_manifest(str(images[0]["imageId"]["imageDigest"]), str(images[0].get("imageManifest", "")))
        failures = [one for one in answer.get("failures") or [] if one.get("failureCode") != "ImageNotFound"]
        if failures:
            told = failures[0]
            raise TargetError(
                f"ECR does not give {repository(self._project, name)}:{tag}: "
                f"{told.get('failureCode')}: {told.get('failureReason', 'no reason')}"
            )
        return None

    def password(self) -> str:
        """For `docker login` as AWS; good for twelve hours. Raises `TargetError`."""
        data = self._account.call("ecr", "get_authorization_token").get("authorizationData") or [{}]
        try:
            user, _, password = (
                base64.b64decode(data[0].get("authorizationToken", ""), validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        if user != "AWS" or not password:
            raise TargetError("ECR gave a token of another form than expected")
        return password
