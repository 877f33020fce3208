"""One run of a Pulumi program in this process. `python_language` starts it in the program's folder.

The argument is the address of the engine, and standard input is the `RunRequest` of Pulumi's protocol. The exit code is
1 if the program failed. Then the engine has its error already.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2


def run_program() -> None:
    """Run the program in the current folder."""
    runpy.run_path(".", run_name="__main__")


def main() -> bool:
    """Run the program and return whether it failed."""
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    request.args[:] = sys.argv[1:]  # where the server of the Automation API looks for the engine's address
    server: Any = LanguageServer(run_program)
    return bool(server.Run(request, None).error)


if __name__ == "__main__":
    sys.exit(main())
