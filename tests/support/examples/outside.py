"""Runs a program as someone else would: in a folder of its own, with `requirements.txt` and this repository, no more.

A script for a Python that was started without an import path. It takes the folders to import from, the project's name
and its configuration, the first and the last as JSON, and writes a pickled `Recording` of the program in the working
directory.
"""

from __future__ import annotations

import json
import pickle
import runpy
import sys

if __name__ == "__main__":
    sys.path[:0] = json.loads(sys.argv[1])

    from tests.support.components.harness import run

    recording = run(
        lambda: runpy.run_path("__main__.py", run_name="__main__"), project=sys.argv[2], config=json.loads(sys.argv[3])
    )
    sys.stdout.buffer.write(pickle.dumps(recording))
