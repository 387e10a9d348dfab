"""A double in a process of its own, and how tests get in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from auroral.local.double import token as tokens
from auroral.local.double.client import Control
from auroral.local.double.server import Announcement

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Running:
    """A double in a process of its own, and how to get in."""

    announcement: Announcement
    control: Control

    @property
    def admin(self) -> tokens.Principal:
        one = self.announcement
        return tokens.Principal(one.principal_arn, frozenset(), one.access_key_id, one.secret_access_key)

    def token(self, principal: tokens.Principal | None = None, *, action: str = tokens.CONNECT_ADMIN) -> str:
        endpoint = tokens.Endpoint(self.announcement.endpoint, self.announcement.region)
        return tokens.sign(principal or self.admin, action=action, endpoint=endpoint, now_s=time.time())

    def connect(self, *, user: str = "admin", password: str | None = None, **options: Any) -> Connection:
        one = self.announcement
        chosen: dict[str, Any] = {
            "host": one.endpoint, "hostaddr": one.host, "port": one.port, "user": user, "dbname": "postgres",
            "sslmode": "verify-full", "sslrootcert": one.ca_file, "password": password or self.token(),
        }  # fmt: skip
        return psycopg.connect(autocommit=True, **(chosen | options))
