"""Load and call the handler of each archive in the folder of this file. It needs Python and boto3 only.

Each function runs in a process of its own, with its environment and with its archive first on the import path, as on
Lambda. AWS is a port that nobody listens on. So a call with an empty event may fail, and the output says how. The
exit code is 1 if a module cannot be imported, or if the handler does not exist.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "none",
}


def load(archive: Path) -> bool:
    """Load the function of an archive in a process of its own. Return whether that worked."""
    function = json.loads(archive.with_suffix(".json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(archive).extractall(folder)
        environment = {**os.environ, **ENVIRONMENT, **function["variables"], "PYTHONPATH": folder}
        command = [sys.executable, __file__, function["handler"]]
        finished = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    is_loaded = finished.returncode == 0
    # A handler may log before its last line.
    print(f"{archive.stem}: {finished.stdout.splitlines()[-1] if is_loaded else finished.stderr}")
    return is_loaded


def call(handler: str) -> None:
    """Import a handler and call it with an empty event. Print what it did.

    Raises:
        ImportError: A module cannot be imported.
        AttributeError: The module has no such function.
    """
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    try:
        function({}, None)
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001 - an empty event is no event of the function
        print(f"{handler} raised {type(error).__name__}")
    else:
        print(f"{handler} returned")


def main() -> bool:
    """Load all archives. Return whether one of them failed."""
    results = [load(archive) for archive in sorted(HERE.glob("*.zip"))]
    return not all(results)


if __name__ == "__main__":
    sys.exit(call(sys.argv[1]) if sys.argv[1:] else main())
