"""Security headers of the local servers' pages. They limit a page to its own files and to the hosts that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SecurityHeaders:
    """ASGI middleware that adds security headers.

    Args:
        app: The application behind the middleware.
        gateway: The host and port of the emulated gateway. The page connects to it, and asks it why it refused.
        connect_sources: Further sources of the directive `connect-src`.
    """

    def __init__(self, app: ASGIApp, gateway: str, connect_sources: Iterable[str] = ()) -> None:
        self._app = app
        sources = ("'self'", f"ws://{gateway}", f"http://{gateway}", *connect_sources)
        self._headers = {
            # The same policy as on AWS (`components/dashboard_site.py`). A request that AWS's policy blocks therefore
            # fails in the local run too.
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                f"require-trusted-types-for 'script'; trusted-types 'none'; connect-src {' '.join(sources)}"
            ),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": (
                "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(), display-capture=(), "
                "encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), "
                "idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), "
                "picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), "
                "storage-access=(), usb=(), xr-spatial-tracking=()"
            ),
            # The files change during development, so the browser must not use an old copy.
            "Cache-Control": "no-cache",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
