"""The key of a gateway's keyed hashes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pulumi

from components import _user_hash_key
from components._user_hash_key import create_user_hash_key
from tests.support.components.harness import Recording, kept_value, run

if TYPE_CHECKING:
    import pytest


def declare() -> Recording:
    def program() -> None:
        parent = pulumi.ComponentResource("formbridge:index:Test", "gateway")
        parameter = create_user_hash_key("gateway", parent, {"Stack": "test"})
        pulumi.export("value", parameter.value)

    return run(program)


def test_the_key_is_stored_encrypted_and_stays_what_it_is() -> None:
    recording = declare()
    inputs = recording.inputs("gateway-user-hash-key")

    assert (inputs["type"], inputs["tags"]) == ("SecureString", {"Stack": "test"})
    assert recording.exports["value"] == inputs["value"] == kept_value("gateway-user-hash-key", "value")


def test_the_first_value_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    token_hex = _user_hash_key.secrets.token_hex

    def make(size: int) -> str:
        made.append(token_hex(size))
        return made[-1]

    monkeypatch.setattr(_user_hash_key.secrets, "token_hex", make)
    declare()
    declare()

    assert len(set(made)) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made)
