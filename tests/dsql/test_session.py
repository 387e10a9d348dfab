"""One session at the double: every way in which it is refused, lost or kept waiting."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from auroral.dsql import errors
from auroral.dsql.session import Session, authorities
from auroral.errors import ExitCode
from auroral.local.double import token as tokens
from tests.dsql.running import Cluster


async def refused(cluster: Cluster, kind: type[errors.DsqlError], *, timeout_s: float = 10.0, **changed: Any) -> str:
    """What opening a session says."""
    with pytest.raises(kind) as caught:
        await Session.open(cluster.but(**changed), timeout_s=timeout_s)
    assert type(caught.value) is kind
    return str(caught.value)


async def test_statements_and_transactions(cluster: Cluster) -> None:
    await cluster.make_membership()
    async with await Session.open(cluster.target, application="auroral test") as session:
        assert session.opening.token_s > 0
        assert session.opening.session_s > 0
        assert await session.rows("SELECT 1, %s::text", ("x",)) == [(1, "x")]
        name = (await session.rows("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"))[0][0]
        assert name.startswith("auroral test")
        cluster.add_hosts(0, 0)
        async with session.transaction():
            assert await session.execute("DELETE FROM cluster_membership") == 2
        cluster.add_hosts(0)
        with pytest.raises(errors.MissingObjectError):
            await _fail(session)
        assert len(cluster.hosts()) == 1
        assert await session.rows("SELECT 1") == [(1,)]


async def _fail(session: Session) -> None:
    async with session.transaction():
        await session.execute("DELETE FROM cluster_membership")
        await session.execute("SELECT FROM nothing")


async def test_the_limits_of_connections_are_told_apart(cluster: Cluster) -> None:
    cluster.control.change(max_connections=0)
    assert "(53300)" in await refused(cluster, errors.TooManyConnectionsError)
    cluster.control.change(max_connections=10, connect_burst=0, connect_rate_per_s=0)
    assert "(53400)" in await refused(cluster, errors.TooFastError)


async def test_credentials_and_roles(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    said = await refused(cluster, errors.AccessDeniedError, user="temporal_operator")
    assert "auroral schema roles makes temporal_operator" in said
    await cluster.make_operator(may_probe=False, may_clean=False)
    said = await refused(cluster, errors.AccessDeniedError, user="temporal_operator")  # the other principal's
    assert "AWS IAM GRANT" in said
    said = await refused(cluster, errors.AccessDeniedError, region="eu-west-1")
    assert "signed for eu-west-1" in said
    assert "--region" in said

    nobody = cluster.control.add_principal("arn:aws:iam::123456789012:role/nobody", [])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", nobody.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", nobody.secret_access_key)
    assert "allow dsql:DbConnectAdmin" in await refused(cluster, errors.AccessDeniedError)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another one")
    assert "not valid" in await refused(cluster, errors.AccessDeniedError)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = await refused(cluster, errors.CredentialsError)
    assert "no token" in said
    assert errors.CredentialsError.exit_code == ExitCode.USAGE
    assert "(nope)" in await refused(cluster, errors.CredentialsError, profile="nope")


async def test_an_expired_token(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from dsql_core.token_manager import TokenManager  # type: ignore[import-untyped]

    one = cluster.announcement
    principal = tokens.Principal(one.principal_arn, frozenset(), one.access_key_id, one.secret_access_key)
    endpoint = tokens.Endpoint(one.endpoint, one.region)
    old = tokens.sign(principal, action=tokens.CONNECT_ADMIN, endpoint=endpoint, now_s=time.time() - 1_000)
    monkeypatch.setattr(TokenManager, "get_token", lambda _: old)
    said = await refused(cluster, errors.AccessDeniedError)
    assert "Signature expired" in said
    assert "set its clock" in said
    assert one.access_key_id not in said


async def test_tls_is_always_verified(cluster: Cluster, tmp_path: Any) -> None:
    said = await refused(cluster, errors.TlsError, tls_ca_file=None)  # the system's know nothing of the double
    assert "the system's authorities" in said
    assert "cannot be read" in await refused(cluster, errors.AuthoritiesError, tls_ca_file=str(tmp_path / "none.pem"))
    await refused(cluster, errors.TlsError, endpoint="another.dsql.us-east-1.on.aws")


async def test_what_is_not_there(cluster: Cluster) -> None:
    said = await refused(cluster, errors.UnreachableError, port=1)
    assert "Connection refused" in said
    assert "\n" not in said.partition("\n  hint: ")[0]
    said = await refused(cluster, errors.UnreachableError, host_address=None, endpoint="none.invalid")
    assert "none.invalid" in said
    assert "one database: postgres" in await refused(cluster, errors.MissingObjectError, database="other")
    cluster.control.refuse(60)
    await refused(cluster, errors.UnreachableError)


async def test_the_address_may_be_a_name(cluster: Cluster) -> None:
    async with await Session.open(cluster.but(host_address="localhost")) as session:
        assert await session.rows("SELECT 1") == [(1,)]
    said = await refused(cluster, errors.UnreachableError, host_address="none.invalid")
    assert "dialled at none.invalid" in said


async def test_nothing_waits_for_ever(cluster: Cluster) -> None:
    async with await Session.open(cluster.target) as session:
        cluster.control.stall(60)
        began_s = time.monotonic()
        with pytest.raises(errors.NoAnswerError, match=r"no answer after 0\.3 s"):
            await session.rows("SELECT 1", timeout_s=0.3)
        assert session.lost
        await refused(cluster, errors.UnreachableError, timeout_s=0.5)
        assert time.monotonic() - began_s < 5


async def test_a_cancelled_statement_ends_at_once(cluster: Cluster) -> None:
    """An interrupted command does not wait for a stalled cluster, and opens no connection to cancel there."""
    async with await Session.open(cluster.target) as session:
        cluster.control.stall(60)
        began_s = time.monotonic()
        task = asyncio.ensure_future(session.rows("SELECT 1"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began_s < 2
        assert session.lost
    cluster.control.stall(0)
    assert cluster.control.statistics().opened == 1


async def test_a_lost_connection(cluster: Cluster) -> None:
    async with await Session.open(cluster.target) as session:
        cluster.control.cut()
        with pytest.raises(errors.LostConnectionError):
            await session.rows("SELECT 1")
        assert session.lost
        with pytest.raises(errors.LostConnectionError):
            await session.rows("SELECT 1")
        await session.roll_back()
    async with await Session.open(cluster.target) as session:
        cluster.control.expire()
        with pytest.raises(errors.LostConnectionError):
            await session.rows("SELECT 1")


async def test_no_token_is_told(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with await Session.open(cluster.target) as session:
            assert "X-Amz" not in repr(session) + repr(session.target) + repr(session.opening)
        with pytest.raises(errors.AccessDeniedError) as caught:
            await Session.open(cluster.but(user="nobody"))
    told = [str(caught.value), repr(caught.value), str(caught.value.__cause__)]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("boto", "urllib3"))]
    assert not [text for text in told + ours if "X-Amz-Signature" in text or "X-Amz-Credential" in text]


def test_authorities(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    assert authorities(cluster.target) == cluster.announcement.ca_file
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert authorities(cluster.but(tls_ca_file=None)) == str(bundle)
