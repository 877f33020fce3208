from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local.emulator_client import client, get_signed
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from local.emulator import Emulator


def test_a_client_has_the_credential_of_the_run(emulator: Emulator) -> None:
    stack = make_stack(emulator)
    assert "TableNames" in client("dynamodb", stack).list_tables()
    for wrong in (replace(stack, access_key_id="test"), replace(stack, secret_access_key="test")):
        with pytest.raises(ClientError, match=r"UnrecognizedClientException|SignatureDoesNotMatch"):
            client("dynamodb", wrong).list_tables()


def test_a_client_can_have_another_url(emulator: Emulator) -> None:
    elsewhere = client("dynamodb", make_stack(), url=emulator.endpoint_url)
    assert elsewhere.meta.endpoint_url == emulator.endpoint_url


def test_a_signed_get(emulator: Emulator) -> None:
    status, body = get_signed(emulator, "/_ministack/health", 20)
    assert status == 200
    assert "dynamodb" in json.loads(body)["services"]
    assert get_signed(make_stack(emulator, secret_access_key="wrong"), "/_ministack/health", 20)[0] == 403


def test_an_emulator_that_does_not_answer() -> None:
    with pytest.raises(OSError, match="refused"):
        get_signed(make_stack(), "/", 20)
