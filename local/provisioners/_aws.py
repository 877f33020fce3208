"""Access to the emulator for the provisioners."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..emulator import ACCOUNT_ID
from ..emulator_client import client

if TYPE_CHECKING:
    from pathlib import Path

    from ..emulator_client import Endpoint


class Aws:
    """boto3 clients for the emulator, and the facts about the stack that provisioners need.

    Args:
        endpoint: The emulator.
        root: The directory that relative asset paths start from.
    """

    def __init__(self, endpoint: Endpoint, root: Path) -> None:
        self.host = urlsplit(endpoint.endpoint_url).netloc
        self.region = endpoint.region
        self.root = root
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """Return the boto3 client of `service`.

        Threads may share a client, but they must not create clients at the same time. A lock prevents this.
        """
        with self._lock:
            if service not in self._clients:
                self._clients[service] = client(service, self._endpoint)
            return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        """Return `arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT_ID}:{resource}"

    def close(self) -> None:
        """Close the connections to the emulator."""
        with self._lock:
            for each in self._clients.values():
                each.close()
            self._clients.clear()
