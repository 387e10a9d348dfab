"""TCP and TLS apart, and what keeps them from each other."""

from __future__ import annotations

import socket
import time

import pytest

from auroral.dsql.errors import AuthoritiesError, TlsError, UnreachableError
from auroral.dsql.handshake import handshake
from tests.dsql.running import Cluster


async def test_both_take_time_and_no_session_begins(cluster: Cluster) -> None:
    taken = await handshake(cluster.target, timeout_s=5)
    assert taken.tcp_s > 0
    assert taken.tls_s > 0
    assert cluster.control.statistics().opened == 0


async def test_who_is_not_the_cluster(cluster: Cluster) -> None:
    with pytest.raises(TlsError, match="certificate verify failed"):
        await handshake(cluster.but(tls_ca_file=None), timeout_s=5)
    with pytest.raises(TlsError, match="certificate verify failed"):
        await handshake(cluster.but(endpoint="another.dsql.us-east-1.on.aws"), timeout_s=5)
    with pytest.raises(AuthoritiesError, match="cannot be read"):
        await handshake(cluster.but(tls_ca_file="/none"), timeout_s=5)


async def test_who_does_not_answer(cluster: Cluster) -> None:
    with pytest.raises(UnreachableError, match="Connection refused"):
        await handshake(cluster.but(port=1), timeout_s=5)
    with pytest.raises(UnreachableError, match=r"none\.invalid"):
        await handshake(cluster.but(host_address=None, endpoint="none.invalid"), timeout_s=5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        with pytest.raises(UnreachableError, match=r"no handshake after 0\.2 s"):
            await handshake(cluster.but(port=silent.getsockname()[1]), timeout_s=0.2)
        assert time.monotonic() - began_s < 2
