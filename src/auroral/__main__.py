"""`python -m auroral`."""

from __future__ import annotations

from auroral.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
