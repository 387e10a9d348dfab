"""IAM tokens: is the signature right, is it in time, is the action the principal's? Pure: time is an argument.

A token is a presigned request (AWS Signature Version 4) for `https://HOST/?Action=DbConnect…` without its scheme.
Nothing here comes from an AWS library, so that tests can check it against one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from auroral.local.double import refusals
from auroral.local.double.refusals import Refusal

ADMIN = "admin"
CONNECT = "DbConnect"
CONNECT_ADMIN = "DbConnectAdmin"
LONGEST_LIFETIME_S = 7 * 24 * 3600
"""The longest that AWS lets a token live (troubleshooting page)."""
CLOCK_SKEW_S = 300
"""How far ahead a token's date may be; AWS's usual allowance."""
_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who signs tokens: credentials, an ARN and the actions that IAM would allow it."""

    arn: str
    actions: frozenset[str] = frozenset({CONNECT})
    access_key: str = field(default_factory=lambda: "AKIA" + secrets.token_hex(8).upper())
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What tokens must be for."""

    host: str
    region: str


def check(
    token: str, *, user: str, endpoint: Endpoint, principals: Mapping[str, Principal], now_s: float
) -> Principal | Refusal:
    """The principal that a token speaks for, or why it does not let in as `user`.

    `principals` are by access key; `now_s` is since the epoch. The role's mapping is not looked at.
    """
    host, _, query = token.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    principal = principals.get(values.get("X-Amz-Credential", "").partition("/")[0])
    denied = (
        _not_for(values, host.rstrip("/"), endpoint)
        or ("" if principal else "The security token included in the request is invalid.")
        or (_not_signed_by(principal, values, endpoint) if principal else "")
        or _lateness(values, now_s)
        or (_not_allowed(principal, user, values.get("Action", "")) if principal else "")
    )
    return refusals.access_denied(denied) if denied or principal is None else principal


def sign(principal: Principal, *, action: str, endpoint: Endpoint, now_s: float, lifetime_s: int = 900) -> str:
    """A token as an AWS library would make it."""
    at = datetime.fromtimestamp(now_s, UTC)
    date = at.strftime("%Y%m%d")
    values = {
        "Action": action,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{principal.access_key}/{date}/{endpoint.region}/dsql/aws4_request",
        "X-Amz-Date": at.strftime("%Y%m%dT%H%M%SZ"),
        "X-Amz-Expires": str(lifetime_s),
        "X-Amz-SignedHeaders": "host",
    }
    signature = _signature(values, endpoint.host, date, endpoint.region, principal.secret_key)
    return f"{endpoint.host}/?{_canonical(values)}&X-Amz-Signature={signature}"


# Each of these says why a token does not let in; nothing where it does.


def _not_for(values: Mapping[str, str], host: str, endpoint: Endpoint) -> str:
    scope = values.get("X-Amz-Credential", "").split("/")
    if host != endpoint.host or values.get("X-Amz-Algorithm") != _ALGORITHM or len(scope) != 5:
        return "The password is not an authentication token for this cluster."
    if scope[2:4] != [endpoint.region, "dsql"]:
        return f"Credential should be scoped to {endpoint.region}/dsql, not {scope[2]}/{scope[3]}."
    return ""


def _not_signed_by(principal: Principal, values: Mapping[str, str], endpoint: Endpoint) -> str:
    date = values["X-Amz-Credential"].split("/")[1]
    expected = _signature(values, endpoint.host, date, endpoint.region, principal.secret_key)
    if hmac.compare_digest(expected.encode(), values.get("X-Amz-Signature", "").encode()):
        return ""
    return "The request signature we calculated does not match the signature you provided."


def _not_allowed(principal: Principal, user: str, action: str) -> str:
    if action != (CONNECT_ADMIN if user == ADMIN else CONNECT):
        return f"Wrong user to action mapping. user: {user}, action: {action}"
    if action not in principal.actions:
        return f"User: {principal.arn} is not authorized to perform: dsql:{action}"
    return ""


def _lateness(values: Mapping[str, str], now_s: float) -> str:
    try:
        signed = datetime.strptime(values.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime_s = int(values.get("X-Amz-Expires", ""))
    except ValueError:
        return "The token has no date or no lifetime."
    if signed.strftime("%Y%m%d") != values["X-Amz-Credential"].split("/")[1]:
        return "The date of the credential scope is not that of the token."
    if not 0 < lifetime_s <= LONGEST_LIFETIME_S:
        return f"X-Amz-Expires must be from 1 to {LONGEST_LIFETIME_S} seconds, not {lifetime_s}."
    now = datetime.fromtimestamp(now_s, UTC)
    ends_s = signed.timestamp() + lifetime_s
    if now_s > ends_s:
        ended = datetime.fromtimestamp(ends_s, UTC)
        return f"Signature expired: {ended:%Y%m%dT%H%M%SZ} is now earlier than {now:%Y%m%dT%H%M%SZ}"
    if signed.timestamp() > now_s + CLOCK_SKEW_S:
        return f"Signature not yet current: {signed:%Y%m%dT%H%M%SZ} is still later than {now:%Y%m%dT%H%M%SZ}"
    return ""


def _signature(values: Mapping[str, str], host: str, date: str, region: str, secret: str) -> str:
    signed = {key: value for key, value in values.items() if key != "X-Amz-Signature"}
    request = f"GET\n/\n{_canonical(signed)}\nhost:{host}\n\nhost\n{_EMPTY_HASH}"
    scope = f"{date}/{region}/dsql/aws4_request"
    to_sign = f"{_ALGORITHM}\n{values.get('X-Amz-Date', '')}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, "dsql", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _canonical(values: Mapping[str, str]) -> str:
    return "&".join(f"{_encode(key)}={_encode(value)}" for key, value in sorted(values.items()))


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
