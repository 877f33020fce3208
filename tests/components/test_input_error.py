"""The error for an input that is not allowed."""

from __future__ import annotations

import pulumi
import pytest

from components import InputError, StreamTable
from tests.support.components.harness import run


def test_it_is_the_error_that_each_caller_expects() -> None:
    error = InputError("days", "must be an integer, got 1.5")

    assert isinstance(error, pulumi.RunError)
    assert isinstance(error, ValueError)
    assert isinstance(error, pulumi.InputPropertyError)
    assert (error.property_path, error.reason) == ("days", "must be an integer, got 1.5")
    assert str(error) == "days: must be an integer, got 1.5"


def test_a_secret_is_not_in_it() -> None:
    assert (
        str(InputError("key", "must be an ARN, got 'a, got b'").without_value()) == "key: must be an ARN, got a secret"
    )


def test_a_component_raises_it() -> None:
    with pytest.raises(InputError) as caught:
        run(lambda: StreamTable("table", {"hash_key": ""}))

    assert caught.value.property_path == "hash_key"
