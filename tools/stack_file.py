"""The file `Pulumi.STACK.yaml` with a stack's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, cast

import yaml

from .console import UsageError

PROJECT_FILE: Final = Path("Pulumi.yaml")


class StackFile:
    """A stack's settings in the current folder.

    Args:
        stack: Name of the stack.

    Raises:
        UsageError: The current folder holds no Pulumi project, or a file is malformed.
    """

    def __init__(self, stack: str) -> None:
        self.path: Final = Path(f"Pulumi.{stack}.yaml")
        if not PROJECT_FILE.is_file():
            raise UsageError(f"{PROJECT_FILE}: not found; run this command in the folder of the Pulumi project")
        self._project = _read(PROJECT_FILE.read_text(), PROJECT_FILE)
        self._text = self.path.read_text() if self.path.is_file() else ""
        self._settings = self._read_settings(self._text)

    @property
    def project(self) -> str:
        """Name of the project, which is also the namespace of its settings."""
        return str(self._project.get("name"))

    @property
    def is_initialized(self) -> bool:
        """Whether `pulumi stack init` has written the key of the secrets into the file."""
        return "encryptedkey" in _read(self._text, self.path)

    @property
    def region(self) -> str | None:
        """The value of `aws:region`. None: the stack has none."""
        return cast("str | None", self._settings.get("aws:region"))

    def get(self, key: str) -> Any:
        """Return a setting of the project, or else its default in `Pulumi.yaml`. None: it has no default."""
        declared: Any = self._project.get("config", {}).get(key, {})
        value = self._settings.get(f"{self.project}:{key}", declared.get("default"))
        # `pulumi config set` writes each value as a string.
        is_quoted = isinstance(value, str) and declared.get("type") in ("boolean", "integer")
        return yaml.safe_load(value) if is_quoted else value

    def find(self, full_key: str) -> Any:
        """Return the value of a key with its namespace. None: the file has none."""
        return self._settings.get(full_key)

    def set(self, full_key: str, value: str) -> None:
        """Write one setting into the file. Other settings and comments stay.

        Args:
            full_key: The key with its namespace, such as `aws:region`.
            value: The value as YAML.

        Raises:
            UsageError: The file has a form in which one line cannot be replaced.
        """
        setting = f"{full_key}: {value}"
        text, count = re.subn(rf"(?m)^( +){re.escape(full_key)}:.*$", rf"\1{setting}", self._text, count=1)
        if not count:
            text, count = re.subn(r"(?m)^config:[ \t]*\n(?=( +))", rf"config:\n\1{setting}\n", self._text, count=1)
        if not count and not re.search(r"(?m)^config:", self._text):
            text = f"{self._text}config:\n  {setting}\n"
        expected = {**self._settings, full_key: yaml.safe_load(value)}
        try:
            is_right = self._read_settings(text) == expected
        except UsageError:
            is_right = False
        if not is_right:
            raise UsageError(f"{self.path}: cannot change it in place; set {full_key} to {value} by hand")
        self.path.write_text(text)
        self._text, self._settings = text, expected

    def _read_settings(self, text: str) -> dict[str, Any]:
        settings: object = _read(text, self.path).get("config") or {}
        if not isinstance(settings, dict):
            raise UsageError(f"{self.path}: config: must be an object")
        return cast("dict[str, Any]", settings)


def _read(text: str, path: Path) -> dict[str, Any]:
    try:
        document: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: must be YAML ({' '.join(str(error).split())})") from None
    if not isinstance(document or {}, dict):
        raise UsageError(f"{path}: must be an object")
    return cast("dict[str, Any]", document or {})
