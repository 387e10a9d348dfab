"""AWS's library as all of auroral uses it: the extra that brings it, credentials, and its failures in words. Acts."""

from __future__ import annotations

from typing import Any

from auroral.errors import UsageError
from auroral.redact import without_secrets

CREDENTIALS_HINT = "give credentials as any AWS tool takes them: a role, AWS_PROFILE or --profile, AWS_ACCESS_KEY_ID"


def words(error: object) -> str:
    """What AWS's library said, in one line, without secrets and without a full stop."""
    text = without_secrets(str(error))
    if "<html" in text.lower():  # of a proxy, or of a server's own failure: no page belongs in an error
        text = f"{text[: text.lower().index('<html')].rstrip(': ')} an HTML page, not AWS's answer".strip()
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else f"{line[:297]}…"


def without_extra(error: ImportError, what: str) -> UsageError:
    """The error of an installation without the extra `aws`; `what` needs it."""
    return UsageError(
        f"{what} needs the Python package {error.name}, which is not installed",
        hint="install it with: pip install 'auroral[aws]'",
    )


def failures() -> tuple[type[Exception], ...]:
    """What boto3 raises for its user's configuration, for AWS's refusals and for networks.

    `OSError` and `ValueError` are among them: a `credential_process` that is not there or prints no JSON, and an
    `AWS_ENDPOINT_URL` that is no URL, come out of it as they are.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ClientError, ResponseParserError, OSError, ValueError)


def signing_failures() -> tuple[type[Exception], ...]:
    """Those of `failures`, and what renewing credentials raises beside them.

    botocore raises a plain `RuntimeError` for renewed credentials that are over all the same, as those of an
    environment are whose `AWS_CREDENTIAL_EXPIRATION` has passed.
    """
    return (*failures(), RuntimeError)


def credentials(profile: str | None, region: str, *, purpose: str = "") -> Any:
    """Credentials as AWS's own chain finds them, those of a role fetched once. `purpose` is for the error: `to …`.

    `region` is whose STS is asked for those of a role, where the profile names none. They renew themselves where they
    expire. Raises `UsageError`.
    """
    try:
        import boto3
    except ImportError as error:
        raise without_extra(error, "what reaches AWS") from error
    told = f"no AWS credentials{f' of the profile {profile}' if profile else ''}{f' {purpose}' if purpose else ''}"
    try:
        found = boto3.Session(profile_name=profile, region_name=region).get_credentials()
        if found is not None:
            found.get_frozen_credentials()
    except signing_failures() as error:
        raise UsageError(f"{told}: {words(error)}", hint=CREDENTIALS_HINT) from error
    if found is None:
        raise UsageError(told, hint=CREDENTIALS_HINT)
    return found
