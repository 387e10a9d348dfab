"""A client of a double's control endpoint; it blocks, and needs nothing but the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

import msgspec

from auroral.errors import TargetError
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.statistics import Snapshot

TIMEOUT_S = 30.0


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a principal signs its tokens with."""

    arn: str
    access_key_id: str
    secret_access_key: str


class Control:
    """Steers a running double. Each call raises `TargetError` where the double refuses or is not there."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def settings(self) -> DoubleSettings:
        """What it enforces now."""
        return msgspec.convert(self._call("GET", "/settings"), DoubleSettings)

    def change(self, **settings: float) -> DoubleSettings:
        """Change some settings, by the names of `DoubleSettings`."""
        return msgspec.convert(self._call("PATCH", "/settings", settings), DoubleSettings)

    def statistics(self, *, openings: bool = True) -> Snapshot:
        """All counters; every opening with its time, unless that is not wanted."""
        return msgspec.convert(self._call("GET", "/statistics" + ("" if openings else "?openings=0")), Snapshot)

    def reset_statistics(self) -> None:
        """Counters to nought."""
        self._call("POST", "/statistics/reset")

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so long; 0 ends it."""
        self._call("POST", "/refuse", {"seconds": seconds})

    def stall(self, seconds: float) -> None:
        """Let no byte flow for so long; 0 ends it."""
        self._call("POST", "/stall", {"seconds": seconds})

    def cut(self, *, count: int | None = None, idle_only: bool = False, role: str | None = None) -> int:
        """Cut sessions, the oldest first, all where no count is given; return how many."""
        return int(self._call("POST", "/cut", {"count": count, "idle_only": idle_only, "role": role})["cut"])

    def expire(self) -> int:
        """End all sessions as if their lifetime were over; return how many."""
        return int(self._call("POST", "/expire")["expired"])

    def cut_next_commits(self, count: int) -> None:
        """So many of the next commits of changed rows happen without their client being told."""
        self._call("POST", "/cut-commits", {"count": count})

    def add_principal(self, arn: str, actions: Iterable[str]) -> Credentials:
        """Credentials for an ARN that IAM allows these actions: `DbConnect`, `DbConnectAdmin`."""
        return msgspec.convert(self._call("POST", "/principals", {"arn": arn, "actions": list(actions)}), Credentials)

    def databases(self) -> list[str]:
        """The databases that can be connected to."""
        return msgspec.convert(self._call("GET", "/databases"), list[str])

    def create_database(self, name: str) -> None:
        """Another database. DSQL has one only: this is for tests that must not meet."""
        self._call("POST", "/databases", {"name": name})

    def drop_database(self, name: str) -> None:
        """Drop a database with all sessions in it."""
        self._call("DELETE", "/databases", {"name": name})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise TargetError(f"the double refused {method} {path}: {said}") from error
        except OSError as error:
            raise TargetError(
                f"no answer from the double's control endpoint {self._url}: {error}", hint="is the double running?"
            ) from error
