"""Write the archives of the program's functions: `python -m tests.support.archives.write FOLDER`.

Beside each archive, `NAME.json` has the function's handler and environment. `load.py` is copied too, so that the folder
is all that a container needs.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from local.archives import build_zip
from tests.support.program.whole_program import ROOT, declare


def write(folder: Path, package_for: str) -> None:
    """Write the archives into an existing folder.

    Args:
        folder: The folder.
        package_for: The machine that loads them, as in the setting `packageFor`.
    """
    for function in declare(packageFor=package_for).of_type("lambda/function:Function"):
        (folder / f"{function.name}.zip").write_bytes(build_zip(function.inputs["code"], ROOT))
        description = {"handler": function.inputs["handler"], **function.inputs["environment"]}
        (folder / f"{function.name}.json").write_text(json.dumps(description))
    shutil.copy(Path(__file__).with_name("load.py"), folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir()
    write(target, "lambda")
