"""Command line for operators of a stack, and the reference client of the wire protocol (`tools/client/`).

The commands use the handlers' package `formbridge`. This module puts the handlers' folder at the end of the import
path, so that the folder hides no other module.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HANDLERS = str(Path(__file__).resolve().parents[1] / "handlers")
if _HANDLERS not in sys.path:
    sys.path.append(_HANDLERS)
