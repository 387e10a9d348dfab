"""Read and change the visibility store of an OpenSearch: the one module that talks to it.

Requests are signed with AWS credentials (SigV4, service `es`) by opensearch-py, as Temporal's servers sign theirs.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from auroral import aws
from auroral.errors import AuroralError, OutputError, TargetError, UsageError
from auroral.visibility.access import role_name
from auroral.visibility.plan import Found, Security, Step
from auroral.visibility.target import SERVICE, VisibilityTarget
from auroral.visibility.template import flat_settings

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

READ_TIMEOUT_S = 15.0
WRITE_TIMEOUT_S = 90.0
"""Of one request. A new index waits for its shards, on a busy domain for many seconds."""

_CONNECTION = re.compile(r"^(<[^>]*>|HTTPS?Connection\([^)]*\)): ")
"""What urllib3 puts before the reason."""
_SECURITY_API = "/_plugins/_security/api"
_NOT_THERE = 404
_NO_HANDLER = 400
"""What OpenSearch answers a path with that none of its plugins knows."""


class VisibilityStore:
    """One OpenSearch. Every method raises `TargetError` where it cannot be reached or refuses."""

    def __init__(self, client: OpenSearch, target: VisibilityTarget) -> None:
        self._client = client
        self._target = target

    def read(self, template_name: str, *, roles: bool) -> Found:
        """Everything that a plan compares. `roles`: whether the security plugin is asked at all."""
        distribution = self._distribution()
        index = self._target.index
        there = self._get(f"/{index}") or {}
        one = next(iter(there.values())) if len(there) == 1 else {}
        health, documents = "", 0
        if there:
            health = str((self._get(f"/_cluster/health/{index}") or {}).get("status", ""))
            documents = int((self._get(f"/{index}/_count") or {}).get("count", 0))
        templates = self._get(f"/_template/{template_name}") or {}
        return Found(
            distribution=distribution,
            concrete=tuple(sorted(there)),
            mappings=one.get("mappings") or {},
            settings=flat_settings(one.get("settings") or {}),
            template=templates.get(template_name),
            health=health,
            documents=documents,
            security=self._security(role_name(index)) if roles else Security(available=False, reason="not asked for"),
        )

    def carry_out(self, step: Step) -> None:
        """Send one step."""
        try:
            self._send(step.method, step.path, step.body)
        except _Answered as answer:
            # Sent twice where the first answer was lost: the index is there, which is what was wanted.
            if "resource_already_exists_exception" not in answer.reason:
                raise self._refusal(answer, step.what) from answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _distribution(self) -> str:
        answer = self._get("/")
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise TargetError(
                f"{self._target.url} answers, but not as OpenSearch does", hint="is --endpoint that of the domain?"
            )
        return f"{version.get('distribution', 'elasticsearch')} {version['number']}"

    def _security(self, role: str) -> Security:
        """The role and its mapping; not available where there is no plugin, or where we may not ask it."""
        try:
            roles = self._ask("GET", f"{_SECURITY_API}/roles/{role}")
            mappings = self._ask("GET", f"{_SECURITY_API}/rolesmapping/{role}")
        except _Answered as answer:
            if answer.status == _NO_HANDLER and "no handler found" in answer.reason:
                return Security(available=False, reason="the security plugin is not there")
            if answer.status in (401, 403):
                reason = f"the security plugin refuses us ({answer.status}): {answer.reason}"
                return Security(available=False, reason=reason)
            raise self._refusal(answer, f"read role {role}") from answer
        return Security(available=True, role=(roles or {}).get(role), mapping=(mappings or {}).get(role))

    def _get(self, path: str) -> Any:
        try:
            return self._ask("GET", path)
        except _Answered as answer:
            raise self._refusal(answer, f"read {path}") from answer

    def _ask(self, method: str, path: str) -> Any:
        """The answer; None where there is nothing."""
        try:
            return self._request(method, path, None, READ_TIMEOUT_S)
        except _Answered as answer:
            if answer.status == _NOT_THERE:
                return None
            raise

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._request(method, path, body, WRITE_TIMEOUT_S)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> Any:
        from opensearchpy import exceptions

        try:
            return self._client.transport.perform_request(method, path, body=body, timeout=timeout_s)
        except exceptions.ConnectionError as error:
            raise self._unreachable(error) from error
        except exceptions.TransportError as error:
            raise _Answered(int(error.status_code), _reason(error)) from error
        except exceptions.SerializationError as error:
            raise TargetError(
                f"{self._target.url} answers, but not in JSON", hint="is --endpoint that of the domain?"
            ) from error

    def _unreachable(self, error: Any) -> AuroralError:
        from botocore.exceptions import BotoCoreError, ClientError
        from opensearchpy import exceptions

        if isinstance(error.info, (BotoCoreError, ClientError)):  # the signer renews credentials that expire
            return UsageError(
                f"no AWS credentials to sign requests with any more: {aws.words(error.info)}", hint=aws.CREDENTIALS_HINT
            )
        where = self._target.url
        if isinstance(error, exceptions.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error.error):
            return TargetError(
                f"the certificate of {where} is not one that we trust: {_words(error.error)}",
                hint="an endpoint of another name than the certificate's? Name a private authority with --ca-file",
            )
        if isinstance(error, exceptions.ConnectionTimeout):
            return TargetError(f"{where} does not answer in time", hint="is it in a network that is reached from here?")
        return TargetError(
            f"cannot connect to {where}: {_words(_CONNECTION.sub('', str(error.error)))}",
            hint="a domain in a VPC is reached from within it only; run this command as a task of the cluster",
        )

    def _refusal(self, answer: _Answered, doing: str) -> TargetError:
        hint = ""
        if answer.status in (401, 403):
            hint = (
                "the caller needs es:ESHttp* on the domain and, with fine-grained access control, the role all_access"
            )
            if not self._target.signing:
                hint = (
                    "are TEMPORAL_OPENSEARCH_USERNAME and TEMPORAL_OPENSEARCH_PASSWORD right? Domains ask for --signing"
                )
        message = f"{self._target.url} refuses to {doing} ({answer.status}): {answer.reason}"
        return TargetError(message, hint=hint)


class _Answered(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@contextlib.contextmanager
def opened(target: VisibilityTarget, *, password: str = "") -> Iterator[VisibilityStore]:
    """Open a store; nothing is sent before it is read. Raises `UsageError` without credentials, `OutputError`."""
    store = VisibilityStore(_client(target, password), target)
    try:
        yield store
    finally:
        store.close()


def _client(target: VisibilityTarget, password: str) -> OpenSearch:
    try:
        from opensearchpy import OpenSearch, Urllib3HttpConnection
    except ImportError as error:
        raise aws.without_extra(error, "`auroral visibility`") from error

    # It warns of each answer that is an error, such as an index that is not there yet: on stderr, without a handler.
    logging.getLogger("opensearch").addHandler(logging.NullHandler())
    options: dict[str, Any] = {}
    if target.scheme == "https":
        options["ssl_context"] = _tls(target.ca_file)
    if target.signing:
        options["http_auth"] = _signer(target)
    elif target.username:
        options["http_auth"] = (target.username, password)
    return OpenSearch(
        hosts=[target.url], connection_class=Urllib3HttpConnection, max_retries=2, timeout=READ_TIMEOUT_S, **options
    )


def _signer(target: VisibilityTarget) -> Any:
    from opensearchpy import Urllib3AWSV4SignerAuth

    try:
        found = aws.credentials(target.profile, target.region, purpose="to sign requests with")
    except UsageError as error:
        hint = f"{error.hint}; or --no-signing where requests are not signed"
        raise UsageError(error.message, hint=hint) from error
    return Urllib3AWSV4SignerAuth(found, target.region, SERVICE)


def _tls(ca_file: str | None) -> Any:
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise OutputError(
            f"{ca_file} (from --ca-file) has no certificate in PEM", hint="expected a PEM file"
        ) from error
    except OSError as error:
        raise OutputError(f"{ca_file} (from --ca-file) cannot be read: {error.strerror}") from error


def _reason(error: Any) -> str:
    """What the server, or AWS in front of it, says."""
    info = error.info
    if isinstance(info, dict):
        inner = info.get("error", info.get("message", info.get("Message")))
        if isinstance(inner, dict):
            return _words(": ".join(str(inner[name]) for name in ("type", "reason") if inner.get(name)))
        if inner:
            return _words(inner)
    return _words(error.error) or "no reason given"


def _words(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else f"{line[:297]}…"
