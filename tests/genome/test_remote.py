"""Files come from allowed hosts of the open internet, and from nowhere else."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.errors import BadInputError, LimitError
from app.genome.remote import fetch, is_public


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        where = {
            "/elsewhere": "https://other.example/x.bed",
            "/plain": "http://localhost/x.bed",
            "/circle": "/circle",
            "/moved": "/a/x.bed",
        }.get(self.path)
        self.send_response(302 if where else 200 if self.path.endswith(".bed") else 404)
        if where:
            self.send_header("Location", where)
        self.end_headers()
        if self.path.endswith(".bed"):
            self.wfile.write(b"chr1\t1\t2\n" * (1000 if "large" in self.path else 1))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server on this machine, and a context that trusts it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    openssl = shutil.which("openssl")
    assert openssl, "openssl makes the certificate of the test"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    httpd = HTTPServer(("127.0.0.1", 0), _Answers)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    httpd.socket = served.wrap_socket(httpd.socket, server_side=True)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    trusting = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    yield f"localhost:{httpd.server_port}", trusting
    httpd.shutdown()
    httpd.server_close()


def get(server: tuple[str, ssl.SSLContext], path: str, limit: int = 1000) -> tuple[str, bytes]:
    host, context = server
    hosts = {"localhost", host}
    return fetch(f"https://{host}{path}", hosts, limit, context, public=lambda _: True)


def test_a_file_and_its_name_are_fetched(server):
    assert get(server, "/a/x.bed") == ("x.bed", b"chr1\t1\t2\n")
    assert get(server, "/moved") == ("x.bed", b"chr1\t1\t2\n")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/elsewhere", "may not come from other.example"),
        ("/plain", "begins with https"),
        ("/circle", "without end"),
        ("/nothing", "answers 404"),
    ],
)
def test_redirects_lead_nowhere_else(server, path, says):
    with pytest.raises(BadInputError, match=says):
        get(server, path)


def test_what_is_too_large_is_not_read_to_its_end(server):
    with pytest.raises(LimitError):
        get(server, "/large.bed")


def test_a_certificate_that_is_not_trusted_is_refused(server):
    host, _ = server
    with pytest.raises(BadInputError, match="Nothing can be read"):
        fetch(f"https://{host}/x.bed", {"localhost", host}, 99, public=lambda _: True)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://localhost/x.bed", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("https://user@localhost/x.bed", "begins with https"),
        ("https://localhost@evil.example/x.bed", "begins with https"),
        ("https://evil.example/x.bed", "may not come from evil.example"),
        ("https://localhost.evil.example/x.bed", "may not come from"),
        ("https://localhost:22/x.bed", "port 443"),
        ("https://localhost/x.bed", "not on the open internet"),
        ("https://[::1/x", "no address"),
        ("https://localhost/a\r\nHost: b", "no address"),
    ],
)
def test_other_addresses_are_refused(url, says):
    with pytest.raises(BadInputError, match=says):
        fetch(url, {"localhost"}, 99)


def test_nothing_is_allowed_unless_it_is_named():
    with pytest.raises(BadInputError, match="Allowed here: none"):
        fetch("https://example.org/x.bed", frozenset(), 99)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
     "100.64.0.1", "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_private_addresses_are_not_public(address):
    assert not is_public(address)


def test_public_addresses_are():
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")
