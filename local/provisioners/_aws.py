"""The way to the emulator."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import emulator

if TYPE_CHECKING:
    from pathlib import Path


class Aws:
    """The emulator: boto3 clients, and the names that AWS gives things.

    Args:
        endpoint_url: where the emulator listens, such as `http://127.0.0.1:4566`.
        region: the one region of the stack.
        root: the directory that relative asset paths start from.
    """

    def __init__(self, endpoint_url: str, region: str, root: Path) -> None:
        self.endpoint_url = endpoint_url
        self.host = urlsplit(endpoint_url).netloc
        self.region = region
        self.root = root
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of `service`; clients are safe to share between threads, making them is not."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = emulator.client(service, self.endpoint_url, self.region)
            return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        """`arn:aws:service:region:account:resource`."""
        return f"arn:aws:{service}:{self.region}:{emulator.ACCOUNT_ID}:{resource}"

    def close(self) -> None:
        """Close the connections to the emulator."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
