"""The local run: the same Pulumi program on one machine, against an AWS emulator.

This package imports `formbridge`, the package of the Lambda handlers, by the name that the handlers use. It appends
their directory to the import path. At the end of the path, the directory cannot hide a module of the program.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HANDLERS = str(Path(__file__).resolve().parents[1] / "handlers")
if _HANDLERS not in sys.path:
    sys.path.append(_HANDLERS)
