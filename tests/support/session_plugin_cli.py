"""The command `auroral` as a process of its own, with a double of AWS's side of sessions behind its door.

python -m tests.support.session_plugin_cli DIRECTORY PORT ARGUMENT…
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from auroral import aws_account
from auroral.cli.main import entry_point
from tests.support.session_plugin import SessionAccount, a_task


def main() -> None:
    directory, port, *arguments = sys.argv[1:]
    account = SessionAccount(Path(directory), [a_task("history", "a"), a_task("ui", "b")], port=int(port))

    def door(**_: Any) -> SessionAccount:
        return account

    aws_account.AwsAccount = door  # type: ignore[misc, assignment]
    sys.argv = ["auroral", *arguments]
    try:
        entry_point()
    finally:
        (Path(directory) / "ended.txt").write_text(f"{len(account.named('terminate_session'))}")


if __name__ == "__main__":
    main()
