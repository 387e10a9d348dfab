"""A file of Terraform's variables that one command owns: looked at before the work, written whole after it. Acts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from auroral import tfvars_text
from auroral.errors import OutputError, UsageError


class TfvarsFile:
    """The file of one command, which holds one variable."""

    def __init__(self, path: str, variable: str) -> None:
        """Looks at what is there. Raises `UsageError` where it is not ours to overwrite, and `OutputError`."""
        self.path = Path(path)
        self._variable = variable
        if self.path.suffix != ".tfvars":
            raise UsageError(
                f"--tfvars {path}: expected a name that ends with .tfvars",
                hint="for example .auroral/platform/NAME.tfvars",
            )
        if not self.path.parent.is_dir():
            raise OutputError(
                f"--tfvars {path}: there is no folder {self.path.parent}", hint="make it, or name another"
            )
        if not os.access(self.path.parent, os.W_OK):
            raise OutputError(f"--tfvars {path}: {self.path.parent} cannot be written to")
        self._text = self._read()
        others = [name for name in tfvars_text.names(self._text, path) if name != variable]
        if others:
            raise UsageError(
                f"--tfvars {path} also sets {', '.join(others)}, which would be lost",
                hint=f"name a file for {variable} alone: auroral infra reads every *.tfvars of its directory",
            )

    def texts(self) -> dict[str, str]:
        """What it holds now, of a variable that is a map."""
        return tfvars_text.table(self._text, self._variable, str(self.path))

    def write(self, writer: str, value: str | Mapping[str, str]) -> bool:
        """Put it in place, whole or not at all; whether it changed. Raises `OutputError`."""
        text = tfvars_text.render(writer, {self._variable: value})
        if text == self._text:
            return False
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(name, 0o644)
                os.replace(name, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error
        return True

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
