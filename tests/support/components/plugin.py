"""The components as a plugin: the process that `pulumi package add` starts, spoken to as Pulumi's engine speaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2_grpc,
)

from tests.support.components.harness import PROJECT, STACK, RecordingMonitor
from tests.support.components.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Generator

COMPONENTS = Path(__file__).resolve().parents[3] / "components"


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """The harness's monitor, over gRPC."""

    def __init__(self, monitor: RecordingMonitor) -> None:
        self._monitor = monitor

    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - by Pulumi
        return self._monitor.RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._monitor.RegisterResourceOutputs(request)

    def RegisterResourceHook(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._monitor.RegisterResourceHook(request)  # pyright: ignore[reportUnknownMemberType]  # untyped

    def RegisterErrorHook(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._monitor.RegisterErrorHook(request)  # pyright: ignore[reportUnknownMemberType]  # untyped

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._monitor.Invoke(request)

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._monitor.GetDeploymentInfo(request)

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> Empty:  # noqa: N802
        return Empty()


class _Engine(engine_pb2_grpc.EngineServicer):
    """Takes what the plugin logs."""

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> Empty:  # noqa: N802
        return Empty()


class Plugin:
    """The running plugin."""

    def __init__(self, channel: grpc.Channel, engine_address: str, monitor: RecordingMonitor) -> None:
        self._provider: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        self._engine_address = engine_address
        self.recording = monitor.recording

    def schema(self) -> dict[str, Any]:
        """What the components take and give, as SDKs are made from it."""
        return json.loads(self._provider.GetSchema(provider_pb2.GetSchemaRequest()).schema)

    def construct(self, kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Make a component of a type such as `formbridge:index:StreamTable`; its outputs.

        Raises:
            grpc.RpcError: it was refused.
        """
        request = provider_pb2.ConstructRequest(
            project=PROJECT,
            stack=STACK,
            parallel=4,
            monitorEndpoint=self._engine_address,
            type=kind,
            name=name,
            inputs=ParseDict(inputs, Struct()),
        )
        return MessageToDict(self._provider.Construct(request).state)


@contextmanager
def running_plugin(directory: Path) -> Generator[Plugin]:
    """The plugin, started in `directory` with nothing but Python's own import path."""
    monitor = RecordingMonitor(Provider())
    engine = grpc.server(ThreadPoolExecutor(4))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(_Monitor(monitor), engine)  # pyright: ignore[reportUnknownMemberType]  # untyped
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), engine)  # pyright: ignore[reportUnknownMemberType]  # untyped
    engine_address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    command = [sys.executable, str(COMPONENTS), engine_address]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        port = cast("IO[str]", process.stdout).readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Plugin(channel, engine_address, monitor)
    finally:
        process.kill()
        process.communicate()
        engine.stop(None)
