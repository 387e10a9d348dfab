"""ARNs and ids, from a seed: the same run gives the same names."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Names:
    """Of one account, region and cluster."""

    region: str
    account: str
    cluster: str
    random: random.Random
    _addresses: int = field(default=0)

    @property
    def cluster_arn(self) -> str:
        """Of the cluster."""
        return self.arn("cluster")

    def arn(self, kind: str, name: str = "") -> str:
        """`…:service/CLUSTER/NAME`."""
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{self.cluster}" + (f"/{name}" if name else "")

    def hex(self, digits: int) -> str:
        """Of a task, a container instance, a runtime."""
        return f"{self.random.getrandbits(digits * 4):0{digits}x}"

    def uuid(self) -> str:
        """Of an event, an attachment."""
        text = self.hex(32)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def deployment(self) -> str:
        """`ecs-svc/` and 19 digits."""
        return f"ecs-svc/{self.random.randrange(10**18, 9 * 10**18)}"

    def address(self, zone: int) -> str:
        """A private IPv4 address in the subnet of a zone."""
        self._addresses += 1
        return f"10.0.{zone * 32 + self._addresses // 250}.{4 + self._addresses % 250}"
