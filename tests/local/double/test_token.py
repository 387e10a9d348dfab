"""IAM tokens, made by AWS's own library and checked by ours."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock
from urllib.parse import unquote

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroral.local.double import token as tokens
from auroral.local.double.refusals import Refusal

ENDPOINT = tokens.Endpoint("abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws", "us-east-1")
SERVER = tokens.Principal("arn:aws:iam::123456789012:role/server")
ADMIN = tokens.Principal("arn:aws:iam::123456789012:role/admin", frozenset({tokens.CONNECT_ADMIN}))
PRINCIPALS = {one.access_key: one for one in (SERVER, ADMIN)}
NOW_S = 1_790_000_000.0


def check(token: str, user: str = "server", now_s: float = NOW_S) -> tokens.Principal | Refusal:
    return tokens.check(token, user=user, endpoint=ENDPOINT, principals=PRINCIPALS, now_s=now_s)


def hint(token: str, user: str = "server", now_s: float = NOW_S) -> str:
    refused = check(token, user, now_s)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.message, refused.severity) == (
        "08006", "unable to accept connection, access denied", "FATAL",
    )  # fmt: skip
    return refused.hint


def aws_token(principal: tokens.Principal, *, admin: bool = False, region: str = "us-east-1", **options: int) -> str:
    """As AWS's library signs it, at our time."""
    client = boto3.client(
        "dsql",
        region_name=region,
        aws_access_key_id=principal.access_key,
        aws_secret_access_key=principal.secret_key,
    )
    make = client.generate_db_connect_admin_auth_token if admin else client.generate_db_connect_auth_token
    at = datetime.fromtimestamp(NOW_S, UTC)
    # What botocore asks for the time, by the name its signing module imported.
    with mock.patch("botocore.auth.get_current_datetime", return_value=at.replace(tzinfo=None)):
        return str(make(ENDPOINT.host, region, **options))


def test_a_token_of_awss_library_lets_in() -> None:
    assert check(aws_token(SERVER)) is SERVER
    assert check(aws_token(ADMIN, admin=True), "admin") is ADMIN


def test_our_own_tokens_are_awss() -> None:
    ours = tokens.sign(SERVER, action=tokens.CONNECT, endpoint=ENDPOINT, now_s=NOW_S)
    assert dict(part.split("=") for part in ours.partition("?")[2].split("&")) == dict(
        part.split("=") for part in aws_token(SERVER).partition("?")[2].split("&")
    )


def test_a_token_ends_with_its_lifetime() -> None:
    token = aws_token(SERVER)
    assert check(token, now_s=NOW_S + 900) is SERVER
    assert hint(token, now_s=NOW_S + 901).startswith("Signature expired: ")
    assert check(aws_token(SERVER, ExpiresIn=3600), now_s=NOW_S + 3600) is SERVER
    assert "not yet current" in hint(token, now_s=NOW_S - 301)


def test_a_week_is_the_longest_lifetime() -> None:
    week_s = 7 * 24 * 3600
    assert check(aws_token(SERVER, ExpiresIn=week_s)) is SERVER
    assert "X-Amz-Expires" in hint(aws_token(SERVER, ExpiresIn=week_s + 1))


def test_the_user_decides_on_the_action() -> None:
    assert hint(aws_token(SERVER), "admin") == "Wrong user to action mapping. user: admin, action: DbConnect"
    assert "Wrong user to action mapping" in hint(aws_token(ADMIN, admin=True), "server")
    assert "not authorized to perform: dsql:DbConnectAdmin" in hint(aws_token(SERVER, admin=True), "admin")
    assert "not authorized to perform: dsql:DbConnect" in hint(aws_token(ADMIN), "server")


def test_another_cluster_region_or_signer_is_refused() -> None:
    assert "not an authentication token for this cluster" in hint(aws_token(SERVER).replace("abc", "xyz", 1))
    assert "us-east-1/dsql" in hint(aws_token(SERVER, region="eu-west-1"))
    stranger = tokens.Principal(SERVER.arn)
    assert "security token" in hint(aws_token(stranger))
    forged = tokens.Principal(SERVER.arn, access_key=SERVER.access_key)
    assert "signature" in hint(aws_token(forged))


@pytest.mark.parametrize("token", ["", "secret", "?", ENDPOINT.host + "/?Action=DbConnect"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert hint(token)


@given(st.data())
def test_no_changed_token_lets_in(data: st.DataObject) -> None:
    token = tokens.sign(SERVER, action=tokens.CONNECT, endpoint=ENDPOINT, now_s=NOW_S)
    at = data.draw(st.integers(len(ENDPOINT.host) + 2, len(token) - 1))
    other = data.draw(st.sampled_from("0123456789abcdefXYZ&=%"))
    changed = token[:at] + other + token[at + 1 :]
    if unquote(changed) != unquote(token):  # %2f is %2F
        assert isinstance(check(changed), Refusal)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(check(text), Refusal)
    assert isinstance(check(f"{ENDPOINT.host}/?{text}"), Refusal)
