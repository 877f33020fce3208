from __future__ import annotations

import pytest

from formbridge.runtime import environment
from formbridge.runtime.environment import EnvironmentVariableError


def test_settings_are_read_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TEXT": "x", "NUMBER": "20", "FLAG": "false", "WORDS": "a  b"}.items():
        monkeypatch.setenv(name, value)
    assert environment.string("TEXT") == environment.optional_string("TEXT") == "x"
    assert environment.integer("NUMBER") == 20
    assert environment.boolean("FLAG") is False
    assert environment.strings("WORDS") == ["a", "b"]


@pytest.mark.parametrize("value", [None, ""])
def test_what_may_be_left_out_is_told_from_what_may_not(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("NAME", raising=False)
    if value is not None:
        monkeypatch.setenv("NAME", value)
    assert environment.optional_string("NAME") is None
    assert environment.strings("NAME") == []
    for read in (environment.string, environment.integer, environment.boolean):
        with pytest.raises(EnvironmentVariableError, match=r"^NAME: the environment variable is not set$"):
            read("NAME")


def test_what_is_not_of_its_type_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "True")
    with pytest.raises(EnvironmentVariableError, match=r"^NAME: must be true or false, got 'True'$"):
        environment.boolean("NAME")
    with pytest.raises(EnvironmentVariableError, match=r"^NAME: must be an integer, got 'True'$"):
        environment.integer("NAME")
