"""What an operator runs against any stack, and the reference client of the wire protocol (client.py, to be copied).

Revoking uses the handlers' own package, under the name by which they import it: `formbridge`. Their directory is put
on the import path for that, at its end, so that it hides nothing of a program.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HANDLERS = str(Path(__file__).resolve().parents[1] / "handlers")
if _HANDLERS not in sys.path:
    sys.path.append(_HANDLERS)
