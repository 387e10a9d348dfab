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
    credential = values.get("X-Amz-Credential", "").split("/")
    if host.rstrip("/") != endpoint.host or values.get("X-Amz-Algorithm") != _ALGORITHM or len(credential) != 5:
        return refusals.access_denied("The password is not an authentication token for this cluster.")
    access_key, date, region, service, _ = credential
    principal = principals.get(access_key)
    if principal is None:
        return refusals.access_denied("The security token included in the request is invalid.")
    if (region, service) != (endpoint.region, "dsql"):
        return refusals.access_denied(
            f"Credential should be scoped to a valid region and service: {endpoint.region}/dsql, not {region}/{service}."
        )
    expected = _signature(values, endpoint.host, date, region, principal.secret_key)
    if not hmac.compare_digest(expected, values.get("X-Amz-Signature", "")):
        return refusals.access_denied("The request signature we calculated does not match the signature you provided.")
    late = _lateness(values, date, now_s)
    if late:
        return refusals.access_denied(late)
    action = values.get("Action", "")
    if action != (CONNECT_ADMIN if user == ADMIN else CONNECT):
        return refusals.access_denied(f"Wrong user to action mapping. user: {user}, action: {action}")
    if action not in principal.actions:
        return refusals.access_denied(f"User: {principal.arn} is not authorized to perform: dsql:{action}")
    return principal


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


def _lateness(values: Mapping[str, str], date: str, now_s: float) -> str:
    """Why a token's time is not now; empty where it is."""
    try:
        signed = datetime.strptime(values.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime_s = int(values.get("X-Amz-Expires", ""))
    except ValueError:
        return "The token has no date or no lifetime."
    if signed.strftime("%Y%m%d") != date:
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
