"""Lambda functions in the emulator, made of one file each."""

from __future__ import annotations

import io
import zipfile
from textwrap import dedent

from local.emulator import ACCOUNT_ID, Emulator
from local.emulator_client import client


def make_function(emulator: Emulator, name: str, code: str, **variables: str) -> str:
    """Create a function from `code`, which defines `handler`, with the environment `variables`. Return its ARN."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", dedent(code))
    return client("lambda", emulator).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/r",
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
        Environment={"Variables": variables},
    )["FunctionArn"]
