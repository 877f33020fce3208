"""Access to the emulator for the provisioners."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import emulator

if TYPE_CHECKING:
    from pathlib import Path


class Aws:
    """boto3 clients for the emulator, and the facts about the stack that provisioners need.

    Args:
        endpoint_url: The emulator's URL, such as `http://127.0.0.1:4566`.
        region: The region of the stack.
        root: The directory that relative asset paths start from.
    """

    def __init__(self, endpoint_url: str, region: str, root: Path) -> None:
        self.endpoint_url = endpoint_url
        self.host = urlsplit(endpoint_url).netloc
        self.region = region
        self.root = root
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """Return the boto3 client of `service`.

        Threads may share a client, but they must not create clients at the same time. A lock prevents this.
        """
        with self._lock:
            if service not in self._clients:
                self._clients[service] = emulator.client(service, self.endpoint_url, self.region)
            return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        """Return `arn:aws:<service>:<region>:<account>:<resource>`."""
        return f"arn:aws:{service}:{self.region}:{emulator.ACCOUNT_ID}:{resource}"

    def close(self) -> None:
        """Close the connections to the emulator."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
