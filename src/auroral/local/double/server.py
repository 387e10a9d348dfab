"""The double as a whole: PostgreSQL, the proxy before it and the control endpoint beside it."""

from __future__ import annotations

import asyncio
import secrets
import string
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from auroral.errors import TargetError, UsageError
from auroral.local.double import token as tokens
from auroral.local.double.control import ControlServer
from auroral.local.double.entrance import Entrance
from auroral.local.double.manager import Manager
from auroral.local.double.proxy import Proxy
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.shared import Shared
from auroral.local.double.statistics import Snapshot
from auroral.local.double.tls import server_context
from auroral.local.postgres import Postgres
from auroral.local.startable import Startable

REGION = "us-east-1"
_HOST = "127.0.0.1"
_ACCOUNT = "123456789012"
_ID_ALPHABET = string.ascii_lowercase + "234567"
_ID_LENGTH = 26
"""As a real cluster's identifier: 26 characters of base 32."""
# The double's own connections, and PostgreSQL's reserve for the superuser.
_SPARE_CONNECTIONS = 20


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running double is and how to get in: the one line that `python -m auroral.local.double` prints."""

    host: str
    """The address to dial."""
    port: int
    endpoint: str
    """The name that TLS and tokens are for; it resolves nowhere."""
    region: str
    ca_file: str
    control_url: str
    access_key_id: str
    """Of a principal that may be `admin` and any mapped role; the next two belong to it."""
    secret_access_key: str
    principal_arn: str
    postgres_url: str
    """Past the proxy, as the superuser."""
    postgres_socket: str
    """The directory of PostgreSQL's unix socket: no password there."""
    pid: int


class DsqlDouble(Startable):
    """A double of one Aurora DSQL cluster. `async with` starts it and ends it.

    `directory` holds PostgreSQL's data and the certificates; a temporary one where none is given. `postgres` is a
    running server to use instead of one of its own. Raises `TargetError`.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int = 0,
        control_port: int = 0,
        settings: DoubleSettings | None = None,
        durable: bool = False,
        documented_locks: bool = True,
        most_sessions: int = 400,
        postgres: Postgres | None = None,
    ) -> None:
        self.settings = settings or DoubleSettings()
        self.endpoint = tokens.Endpoint("", REGION)
        self.port = port
        self.admin = tokens.Principal(
            f"arn:aws:iam::{_ACCOUNT}:role/auroral-double-admin",
            frozenset({tokens.CONNECT, tokens.CONNECT_ADMIN}),
        )
        self.principals: dict[str, tokens.Principal] = {self.admin.access_key: self.admin}
        self._control_port = control_port
        self._durable = durable
        self._most_sessions = most_sessions
        self._shared = Shared(self.settings, documented_locks=documented_locks)
        self._temporary = tempfile.TemporaryDirectory(prefix="auroral-double-") if directory is None else None
        self._directory = Path(self._temporary.name) if self._temporary is not None else directory
        self._given_postgres = postgres
        self._postgres: Postgres | None = None
        self._manager: Manager | None = None
        self._proxy: Proxy | None = None
        self._control: ControlServer | None = None

    @property
    def directory(self) -> Path:
        """Where its files are."""
        assert self._directory is not None
        return self._directory

    @property
    def ca_file(self) -> Path:
        """The certificate authority to trust."""
        return self.directory / "ca.pem"

    @property
    def postgres(self) -> Postgres:
        """The server behind the proxy."""
        assert self._postgres is not None
        return self._postgres

    @property
    def proxy(self) -> Proxy:
        """The proxy."""
        assert self._proxy is not None
        return self._proxy

    @property
    def manager(self) -> Manager:
        """Its own connections to PostgreSQL."""
        assert self._manager is not None
        return self._manager

    async def stop(self) -> None:
        """End all of it. Harmless where it has ended."""
        control, self._control = self._control, None
        if control is not None:
            await control.close()
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            await proxy.close()
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.close()
        postgres, self._postgres = self._postgres, None
        if postgres is not None and postgres is not self._given_postgres:
            await postgres.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def announcement(self) -> Announcement:
        """Where it is and how to get in."""
        import os

        assert self._control is not None
        return Announcement(
            host=_HOST,
            port=self.port,
            endpoint=self.endpoint.host,
            region=self.endpoint.region,
            ca_file=str(self.ca_file),
            control_url=self._control.url,
            access_key_id=self.admin.access_key,
            secret_access_key=self.admin.secret_key,
            principal_arn=self.admin.arn,
            postgres_url=self.postgres.tcp_url(),
            postgres_socket=str(self.postgres.socket_directory),
            pid=os.getpid(),
        )

    def add_principal(self, arn: str, actions: Iterable[str]) -> tokens.Principal:
        """Credentials for an ARN with these actions, `DbConnect` or `DbConnectAdmin`. Raises `UsageError`."""
        wanted = frozenset(one.removeprefix("dsql:") for one in actions)
        unknown = wanted - {tokens.CONNECT, tokens.CONNECT_ADMIN}
        if unknown:
            raise UsageError(
                f"unknown actions: {', '.join(sorted(unknown))}", hint="there are DbConnect and DbConnectAdmin"
            )
        principal = tokens.Principal(arn, wanted)
        self.principals[principal.access_key] = principal
        return principal

    def token(self, principal: tokens.Principal, *, admin: bool = False, lifetime_s: int = 900) -> str:
        """A token as the AWS SDK would make it for this cluster."""
        action = tokens.CONNECT_ADMIN if admin else tokens.CONNECT
        return tokens.sign(principal, action=action, endpoint=self.endpoint, now_s=time.time(), lifetime_s=lifetime_s)

    def change(self, settings: DoubleSettings) -> None:
        """Enforce something else from now on."""
        self.settings = settings
        self.proxy.change(settings)

    def snapshot(self) -> Snapshot:
        """All counters."""
        return self._shared.statistics.snapshot(time.time())

    def reset_statistics(self) -> None:
        """Counters to nought."""
        self._shared.statistics.reset()

    def cut_next_commits(self, count: int) -> None:
        """So many of the next commits happen without their client being told."""
        self._shared.cut_commits = count

    async def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._temporary is not None:
            # PostgreSQL's unprivileged user must come through, where root starts it.
            self.directory.chmod(0o711)
        self.endpoint = tokens.Endpoint(f"{self._cluster_id()}.dsql.{REGION}.on.aws", REGION)
        postgres = self._given_postgres or Postgres(
            self.directory / "postgres",
            durable=self._durable,
            settings={"max_connections": str(self._most_sessions + _SPARE_CONNECTIONS)},
        )
        self._postgres = postgres
        if postgres is not self._given_postgres:
            await asyncio.gather(postgres.start(), asyncio.to_thread(self._write_certificates))
        else:
            await asyncio.to_thread(self._write_certificates)
        self._manager = Manager(postgres)
        await self._manager.prepare("postgres")
        entrance = Entrance(
            shared=self._shared,
            manager=self._manager,
            context=server_context(str(self.directory / "server.pem")),
            endpoint=self.endpoint,
            principals=self.principals,
            socket_path=postgres.socket_path,
        )
        self._proxy = Proxy(entrance)
        self.port = await self._proxy.listen(_HOST, self.port)
        self._control = ControlServer(self)
        await self._control.listen(_HOST, self._control_port)

    def _cluster_id(self) -> str:
        """The identifier of this directory's cluster, made once."""
        kept = self.directory / "cluster-id"
        try:
            return kept.read_text().strip()
        except FileNotFoundError:
            made = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
            kept.write_text(made)
            return made
        except OSError as error:
            raise TargetError(f"cannot read {kept}: {error.strerror}", hint="give another --directory") from error

    def _write_certificates(self) -> None:
        import trustme

        authority = trustme.CA(organization_name="auroral", organization_unit_name="double of Aurora DSQL")
        certificate = authority.issue_cert(self.endpoint.host, "localhost", _HOST)
        authority.cert_pem.write_to_path(self.ca_file)
        chain = self.directory / "server.pem"
        chain.touch(mode=0o600)
        certificate.private_key_and_cert_chain_pem.write_to_path(chain)
