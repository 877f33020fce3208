"""A language plugin for Python, in place of the one that belongs to the released CLI.

A CLI that was built from Pulumi's Go module has no `pulumi-language-python`, because the Go module proxy does not serve
it. The engine starts the one that `install` writes, which is this module. It does what the commands of the tests need:
it runs a program, and starts a policy pack or a component provider. Each of them runs in a process of its own, with the
Python of the virtual environment that the project names. It differs from the released plugin: it installs no packages,
requires no plugins, gives a policy pack no configuration of the stack, and prints longer tracebacks.
"""

# ruff: noqa: N802 - the method names are those of Pulumi's gRPC service

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[3]
NAME: Final = "pulumi-language-python"
START: Final = (
    "import sys; sys.path.append(sys.argv.pop(1)); from tests.support.engine.python_language import *; main()"
)
"""The program that runs this module. Its first argument is `ROOT`, which comes last on the import path."""
PROGRAM: Final = Path(__file__).with_name("python_program.py")


def install(folder: Path) -> None:
    """Write the plugin into `folder`, which is on the `PATH` of the engine, unless `PATH` has the released one."""
    if shutil.which(NAME) is None:
        file = folder / NAME
        file.write_text(f"#!/bin/sh\nexec {sys.executable} -P -c '{START}' {ROOT} \"$@\"\n")
        file.chmod(0o755)


def link_environment(folder: Path) -> None:
    """Make a virtual environment with the packages of this one, as a target of the Makefile leaves it."""
    folder.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / name).symlink_to(Path(sys.prefix) / name)
    (folder / "ready").touch()


class PythonLanguage(language_pb2_grpc.LanguageRuntimeServicer):
    """The plugin's gRPC service."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version="0.0.0")

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.GetRequiredPackagesResponse()

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        return iter(())

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        return Empty()

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        command = [_find_python(request.info), "-P", str(PROGRAM), self._engine_address]
        folder = request.info.program_directory
        # The engine shows what the program prints, because it reads the output of this process.
        finished = subprocess.run(command, cwd=folder, input=request.SerializeToString(), check=False)
        # The program has logged its error already.
        return language_pb2.RunResponse(bail=finished.returncode != 0)

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        folder = request.info.program_directory
        is_policy_pack = request.kind == "analyzer"
        arguments = ["-m", "pulumi.policy", *request.args, folder] if is_policy_pack else [folder, *request.args]
        process = subprocess.Popen(
            [_find_python(request.info), "-u", *arguments],
            cwd=folder if is_policy_pack else request.pwd,
            env=dict(one.split("=", 1) for one in request.env),
            stdout=subprocess.PIPE,
        )
        context.add_callback(process.kill)  # the call ends when the engine no longer needs the plugin
        for line in cast("IO[bytes]", process.stdout):
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


def _find_python(info: Any) -> str:
    """Return the Python of the virtual environment that a project or plugin names, or else the one of this process."""
    options = info.options.fields
    if "virtualenv" not in options:
        return sys.executable
    return str(Path(info.root_directory, options["virtualenv"].string_value, "bin", "python"))


def main() -> None:
    """Serve the plugin until the engine ends or interrupts it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = grpc.server(ThreadPoolExecutor())
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonLanguage(sys.argv[-1]), server)  # pyright: ignore[reportUnknownMemberType]  # untyped
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.buffer.read()
    server.stop(None)
