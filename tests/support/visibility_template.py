"""Bring Temporal's index template into the package: `python -m tests.support.visibility_template`.

It comes from the Go module that `server/go.mod` pins, as Go's own cache has it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.go import go

FOLDER = Path(__file__).parents[2] / "src" / "auroral" / "visibility" / "temporal"
MODULE = "go.temporal.io/server"
TEMPLATE = "index_template_v7.json"
_EMBEDDED = re.compile(rf"elasticsearch/visibility/versioned/v(\d+)/{re.escape(TEMPLATE)}")


def module_folder() -> tuple[Path, str]:
    """Where the pinned module lies, and its version without the `v`; Go downloads it where it is not there."""
    assert go("mod", "download", MODULE).status == 0
    found = go("list", "-m", "-f", "{{.Dir}}|{{.Version}}", MODULE)
    assert found.status == 0, found.output
    folder, version = found.output.splitlines()[-1].split("|")
    return Path(folder), version.removeprefix("v")


def wanted() -> dict[str, bytes]:
    """The package's files, as the pinned module has them: the template that Temporal's own schema tool sets up."""
    module, version = module_folder()
    embedded = _EMBEDDED.search((module / "schema" / "embed.go").read_text())
    assert embedded is not None
    path = f"schema/{embedded[0]}"
    source = {"module": MODULE, "version": version, "path": path, "template": int(embedded[1])}
    return {
        TEMPLATE: (module / path).read_bytes(),
        "LICENSE": (module / "LICENSE").read_bytes(),
        "source.json": (json.dumps(source, indent=2) + "\n").encode(),
    }


def main() -> None:
    """Write them."""
    for name, content in wanted().items():
        (FOLDER / name).write_bytes(content)
        print(f"src/auroral/visibility/temporal/{name}")


if __name__ == "__main__":
    main()
