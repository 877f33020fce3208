"""Stacks that run nowhere, and stacks of an emulator, for the tests of `local`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from local.stack import Stack

if TYPE_CHECKING:
    from local.emulator_client import Endpoint


def make_stack(endpoint: Endpoint | None = None, **fields: Any) -> Stack:
    """Return a stack of this process with the endpoint, or with one that does not answer. `fields` replace the rest."""
    values: dict[str, Any] = {
        "endpoint_url": "http://127.0.0.1:1",
        "region": "us-east-1",
        "access_key_id": "key-id",
        "secret_access_key": "secret",
        "dashboard_url": "http://127.0.0.1:2",
        "dashboard_key": "dashboard-key",
        "pid": os.getpid(),
        "outputs": {},
    }
    if endpoint is not None:
        names = ("endpoint_url", "region", "access_key_id", "secret_access_key")
        values |= {name: getattr(endpoint, name) for name in names}
    return Stack(**{**values, **fields})
