from __future__ import annotations

from tests.handlers.conftest import aws, clock, forgetful_handlers, region

__all__ = ["aws", "clock", "forgetful_handlers", "region"]
