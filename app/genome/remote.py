"""Files from other servers: only from hosts that are allowed, and never from inside the network."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Collection
from urllib.parse import SplitResult, urljoin, urlsplit

from app.errors import BadInputError, LimitError

#: Most redirects that are followed, each to an allowed host.
MAX_REDIRECTS = 3
#: Seconds without an answer, and for the whole file.
SILENT_S = 10
TOTAL_S = 60
MAX_ADDRESS = 2_000
_CHUNK = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)


class _Pinned(http.client.HTTPSConnection):
    """A connection to the very address that was looked at, whatever its name means by now."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=SILENT_S, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), SILENT_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


def fetch(
    url: str,
    hosts: Collection[str],
    limit: int,
    context: ssl.SSLContext | None = None,
    public: Callable[[str], bool] = is_public,
) -> tuple[str, bytes]:
    """Fetches a file.

    Args:
        url: Its address, ``https`` only.
        hosts: Host names, lower case, from which files may come.
        limit: Most bytes.
        context: Which certificates are trusted; those of the system where it is None.
        public: Which IP addresses may be asked.

    Returns:
        The name of the file, and its content.

    Raises:
        BadInputError: The address is not allowed, or nothing comes from it.
        LimitError: It is larger than ``limit``, or takes too long.
    """
    until = time.monotonic() + TOTAL_S
    context = context or ssl.create_default_context()
    for _ in range(1 + MAX_REDIRECTS):
        parts = _checked(url, hosts)
        connection = _Pinned(
            parts.hostname or "", parts.port or 443, _resolved(parts, public), context
        )
        try:
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("GET", target, headers={"Accept-Encoding": "identity"})
            response = connection.getresponse()
            if response.status in _REDIRECTS:
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status != 200:
                raise BadInputError(f"{parts.hostname} answers {response.status} to this address.")
            return parts.path.rpartition("/")[2], _read(response, limit, until)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BadInputError(f"Nothing can be read from {parts.hostname}.") from error
        finally:
            connection.close()
    raise BadInputError("This address leads on to others without end.")


def _checked(url: str, hosts: Collection[str]) -> SplitResult:
    """Returns the parts of an address that may be asked."""
    if len(url) > MAX_ADDRESS or not (url.isascii() and url.isprintable()) or " " in url:
        raise BadInputError("This is no address of a file.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadInputError("This is no address of a file.") from None
    if parts.scheme != "https" or not host or parts.username is not None:
        raise BadInputError("An address of a file begins with https:// and a host.")
    if host.lower() not in hosts:
        allowed = ", ".join(sorted(hosts)) or "none"
        raise BadInputError(f"Files may not come from {host[:60]}. Allowed here: {allowed}.")
    if port not in (None, 443) and f"{host.lower()}:{port}" not in hosts:
        raise BadInputError("Files may come from port 443 only.")
    return parts


def _resolved(parts: SplitResult, public: Callable[[str], bool]) -> str:
    """Returns the IP address of a host, all of whose addresses may be asked."""
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadInputError(f"There is no server {parts.hostname}.") from error
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not all(public(address) for address in addresses):
        raise BadInputError(f"{parts.hostname} is not on the open internet.")
    return addresses[0]


def _read(response: http.client.HTTPResponse, limit: int, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK):
        size += len(chunk)
        parts.append(chunk)
        if size > limit:
            raise LimitError(f"A file has at most {limit // 2**20} MiB.")
        if time.monotonic() > until:
            raise LimitError(f"Fetching this file takes longer than {TOTAL_S} s.")
    return b"".join(parts)
