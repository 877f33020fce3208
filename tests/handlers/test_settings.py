from __future__ import annotations

import pytest

from formbridge import settings
from formbridge.settings import SettingsError


def test_settings_are_read_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TEXT": "x", "NUMBER": "20", "FLAG": "false", "WORDS": "a  b"}.items():
        monkeypatch.setenv(name, value)
    assert settings.text("TEXT") == settings.optional_text("TEXT") == "x"
    assert settings.whole_number("NUMBER") == 20
    assert settings.flag("FLAG") is False
    assert settings.words("WORDS") == ["a", "b"]


@pytest.mark.parametrize("value", [None, ""])
def test_what_may_be_left_out_is_told_from_what_may_not(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("NAME", raising=False)
    if value is not None:
        monkeypatch.setenv("NAME", value)
    assert settings.optional_text("NAME") is None
    assert settings.words("NAME") == []
    for read in (settings.text, settings.whole_number, settings.flag):
        with pytest.raises(SettingsError, match=r"^NAME: the environment variable is not set$"):
            read("NAME")


def test_what_is_not_of_its_type_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "True")
    with pytest.raises(SettingsError, match=r"^NAME: must be true or false, got 'True'$"):
        settings.flag("NAME")
    with pytest.raises(SettingsError, match=r"^NAME: must be a whole number, got 'True'$"):
        settings.whole_number("NAME")
