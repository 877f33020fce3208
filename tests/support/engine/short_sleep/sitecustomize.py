"""A limit of `asyncio.sleep`, in each Python process that has this folder in `PYTHONPATH`.

Before a pipe is created, its component waits in `asyncio.sleep` until the stream and the role are old enough for AWS.
The emulator needs no such time.
"""

from __future__ import annotations

import asyncio

SECONDS = 0.1

_sleep = asyncio.sleep


async def _sleep_shortly(delay: float, result: object = None) -> object:
    return await _sleep(min(delay, SECONDS), result)


asyncio.sleep = _sleep_shortly
