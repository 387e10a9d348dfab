"""What all sessions of one double share. Pure."""

from __future__ import annotations

from auroral.local.double.dialect import Dialect
from auroral.local.double.settings import DoubleSettings
from auroral.local.double.statistics import Statistics
from auroral.local.double.transaction import Conflicts


class Shared:
    """Settings, counters, the judged statements, the draws of conflicts, and how many commits to cut."""

    def __init__(self, settings: DoubleSettings, *, documented_locks: bool = True) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self.dialect = Dialect(documented_locks=documented_locks)
        self.conflicts = Conflicts(settings.conflict_rate, settings.conflict_seed)
        self.cut_commits = 0
        """So many commits of changed rows still happen without their client being told."""

    def change(self, settings: DoubleSettings) -> None:
        """Take new settings. Another rate or seed of conflicts begins its draws anew."""
        old, self.settings = self.settings, settings
        if (old.conflict_rate, old.conflict_seed) != (settings.conflict_rate, settings.conflict_seed):
            self.conflicts = Conflicts(settings.conflict_rate, settings.conflict_seed)
