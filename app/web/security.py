"""What every answer tells a browser that it may do with it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from flask import Response, request

if TYPE_CHECKING:
    from dash import Dash

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

#: What pages may load. Styles may stand in the page: plotly.js and Mantine write style elements
#: and attributes as they draw. Nothing needs ``unsafe-eval``. Pictures are also drawn in the page.
_PAGE_POLICY = {
    "default-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
#: For answers that are data: whatever a browser takes them for, it runs and loads nothing.
DATA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def page_policy(app: Dash) -> str:
    """Returns the Content-Security-Policy of pages.

    The only scripts that may stand in a page are those of the index and of Dash, named by their
    SHA-256, and so nothing that a visitor brings in. Call it when all callbacks are registered.

    Args:
        app: The application with its pages.
    """
    hashes = list(app.csp_hashes())
    for script in _INLINE_SCRIPT.findall(app.index_string):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
    policy = {**_PAGE_POLICY, "script-src": " ".join(["'self'", *hashes])}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def add_headers(response: Response, policy: str) -> None:
    """Adds what is missing of the security headers to an answer.

    Args:
        response: The answer.
        policy: The Content-Security-Policy of pages.
    """
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    data = request.path.startswith("/api/")
    response.headers.setdefault("Content-Security-Policy", DATA_POLICY if data else policy)
