"""How the adapters reach AWS: clients that give up soon, since the Lambda has other work and its caller retries."""

from __future__ import annotations

from botocore.config import Config

CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,
    tcp_keepalive=True,
)
"""For every boto3 client; seconds. `standard` retries throttling and server errors with full jitter."""
