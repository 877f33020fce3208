from __future__ import annotations

from tests.handlers.conftest import aws, clock, forgetful_handlers, gateway, region, serve

__all__ = ["aws", "clock", "forgetful_handlers", "gateway", "region", "serve"]
