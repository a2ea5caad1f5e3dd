"""Who may ask, and how often."""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from collections import OrderedDict

from flask import request

from app.errors import AccessError, BusyError, ForeignRequestError
from app.settings import Settings

#: Seconds' worth of requests that a client may make at once: opening a page is a burst.
BURST_SECONDS = 10
#: Clients that are remembered; beyond it the one that asked longest ago is forgotten.
MOST_CLIENTS = 10_000
#: The IPv6 network that one customer of a provider has; any address in it may be the same client.
IPV6_CLIENT_BITS = 64
#: Not counted and, as health must be asked by machines, open without the token.
HEALTH = "/health"
#: Files that never change; not counted, for one page needs many.
FILES = ("/assets/", "/_dash-component-suites/")


class RateLimit:
    """A bucket of requests for each client, filled at a steady rate.

    Args:
        rate: Requests a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full = rate * BURST_SECONDS
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float) -> bool:
        """Returns whether a client may make a request at this time (in seconds, of one clock)."""
        with self._lock:
            level, then = self._buckets.pop(client, (self._full, now))
            level = min(self._full, level + (now - then) * self._rate)
            allowed = level >= 1
            self._buckets[client] = (level - allowed, now)
            if len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
        return allowed


class Access:
    """Lets requests in or refuses them.

    Args:
        settings: Token and rate.
    """

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token.get_secret_value().encode() if settings.token else b""
        self._limit = RateLimit(settings.rate)

    def check(self) -> None:
        """Refuses the request in hand if it comes too fast, without the token, or from elsewhere.

        Raises:
            BusyError: This client asks too often.
            AccessError: A token is set, and this is not it.
            ForeignRequestError: A page of another site sent it.
        """
        if request.path == HEALTH:
            return
        counted = not request.path.startswith(FILES)
        if counted and not self._limit.take(_client(), time.monotonic()):
            raise BusyError("Too many requests came from your address. Wait a few seconds.")
        if self._token and not hmac.compare_digest(_given(), self._token):
            raise AccessError("This Locuscope needs its token. Enter it as the password.")
        # Browsers say so by themselves, and a page cannot make them say otherwise.
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site") in (
            "cross-site",
            "same-site",
        ):
            raise ForeignRequestError("Another site may not ask this of Locuscope.")


def _client() -> str:
    """Returns by what clients are told apart: the address at the other end of the connection.

    Behind trusted proxies that is the address that the first of them saw.
    """
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:  # a Unix socket has none
        return ""
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_CLIENT_BITS), strict=False))
    return str(address)


def _given() -> bytes:
    """Returns the token of the request: a bearer token, or a password with any user name."""
    sent = request.authorization
    if sent is None:
        return b""
    return ((sent.token if sent.type == "bearer" else sent.password) or "").encode()
