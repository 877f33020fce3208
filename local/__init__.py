"""The local run: the same Pulumi program on one machine, against an AWS emulator.

This package imports `formbridge`, the package of the Lambda handlers in `handlers/`. It therefore appends `handlers/`
to the import path. The directory comes last, so that it cannot hide a module of the Pulumi program.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HANDLERS = str(Path(__file__).resolve().parents[1] / "handlers")
if _HANDLERS not in sys.path:
    sys.path.append(_HANDLERS)
