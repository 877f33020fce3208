"""A clock that is ten minutes ahead, in each Python process that has this folder in `PYTHONPATH`.

Before a pipe is created, its component waits until the stream and the role are old enough for AWS. The emulator needs
no such time. Signatures of requests do not use this clock.
"""

import time

SECONDS = 600

_read_clock = time.time


def _read_later_clock() -> float:
    return _read_clock() + SECONDS


time.time = _read_later_clock
