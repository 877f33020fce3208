"""A client of the wire protocol `formbridge.v1`. It needs only `websockets` and the standard library.

    with Client("wss://abc123.execute-api.eu-central-1.amazonaws.com/live", token) as changes:
        for change in changes:
            print(change["event"], change["data"]["submission_id"])

`View` and `Subscription` implement the protocol without I/O and without a clock: the caller passes the received frames
and the time in epoch seconds to their methods, and sends the frames that these methods return. `Client` runs a
subscription over WebSockets and reconnects when a connection ends.
"""

from __future__ import annotations

from .subscription import Disconnected, Frame, Subscription, extract_updates
from .view import Update, View
from .websocket_client import Client, HandshakeRefused

__all__ = [
    "Client",
    "Subscription",
    "View",
    "Disconnected",
    "HandshakeRefused",
    "Frame",
    "Update",
    "extract_updates",
]
