"""Access to the WebSocket: the handshake and the verification of tokens."""
