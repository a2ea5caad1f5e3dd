"""Whatever is sent, the answer is JSON that says what is wrong, or a view that stands."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.conftest import Worker

VIEW_KEYS = (
    *("v", "genome", "locus", "model", "biosample", "track", "hide", "style", "mode", "autoscale"),
    *("theme", "variant", "highlight"),
)
#: Each route, with a query that it answers.
ROUTES = {
    "genomes": "",
    "models": "",
    "status": "",
    "health": "",
    "search": "genome=toy1&q=ALPHA",
    "genes": "genome=toy1&chrom=chr1&start=0&end=30000&width=1000",
    "next-gene": "genome=toy1&chrom=chr1&pos=0&direction=next",
    "tracks": "genome=toy1&model=toy",
    "view": "&".join(f"{key}=" for key in VIEW_KEYS) + "&width=1000&ground=dark",
    "tiles": "genome=toy1&model=toy&chrom=chr1&bin=8&from=4&to=6&tracks=toy/DNASE/d1/.&v=x",
    "agreement": "genome=toy1&locus=chr1:40001-50000&model=toy&points=toy/DNASE/d1/.",
}
#: Values as they stand in a query, and so in bytes that need not be quoted rightly.
VALUES = (
    *("", "x", "-1", "0", "1e9", "0x10", "9" * 12, "9" * 5_000, "-" * 5_000, "a" * 5_000),
    *("inf", "nan", "null", "[]", "{}", "+", "%20", ",,,,", ";;;;", "%C2%B2", "%D9%A1"),
    *("%", "%zz", "%u0041", "%00", "a%00b", "%0d%0aX:1", "%25252525", "..%2F..%2Fetc%2Fpasswd"),
    *("%ff%fe", "\xff\xfe", "%ed%a0%80", "%EF%BF%BF", "%F0%9F%98%80", "%E2%80%AE"),
    *("%3Cscript%3Ealert(1)%3C/script%3E", "<img%20src=x>", "chr1:5-1", "chr1:0-0", "chr1:-5-10"),
    *("chr1:1-" + "9" * 30, "chr1:100000-100001", "chr1-1-N-A", "chr1:500:%3EA", "chr2;" * 500),
    *("toy/DNASE/d1/.;height=" + "9" * 5_000, "toy/DNASE/d1/.;ymax=1e999"),
)
QUERIES = (
    *("%", "&", "=", "=&=", "\xff\xfe=\xff", "<b>=<b>", "track=" * 1_000, "a" * 8_000),
    "&".join(f"track=t{i}" for i in range(1_000)),
    "tracks=" + ",".join(f"t{i}" for i in range(1_000)),
)
BODIES = (
    *(b"", b"[]", b"1", b"null", b'"x"', b"{", b"\xff\xfe", b"\x00", b"NaN", b"1e999"),
    *(b"1" * 5_000, b"[" * 100_000, b'{"a":' * 100_000, b" " * 10 * 2**20),
    *(b'{"query": null}', b'{"query": ["x"]}'),
)
QUERIES_IN_BODIES = ("\0", "locus=\ud800", "locus=%ff", "<img src=x>", "a" * 900_000, "locus=é")


def never(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def check(response: TestResponse, what: str) -> None:
    if response.status_code == 200 and response.mimetype == "application/octet-stream":
        return
    answer = json.loads(response.data, parse_constant=never)
    assert response.content_type == "application/json", what
    assert response.status_code < 500, what
    if response.status_code != 200:
        message = answer["error"]["message"]
        assert message[-1] in ".?”", what
        assert len(message) < 500, what
        for word in ("None", "NaN", "Traceback", "!"):
            assert word not in message, what


def get(client: FlaskClient, route: str, query: str) -> None:
    # Set here, for the client would quote what a hostile one would not.
    response = client.get(f"/api/v1/{route}", environ_overrides={"QUERY_STRING": query})
    check(response, f"{route}?{query[:200]}")


@pytest.mark.parametrize("route", ROUTES)
def test_every_key_takes_anything(route: str, client: FlaskClient, worker: Worker) -> None:
    get(client, route, ROUTES[route])
    pairs = [pair.split("=") for pair in ROUTES[route].split("&") if pair]
    for i, (key, _) in enumerate(pairs):
        for value in VALUES:
            changed = [*pairs[:i], [key, value], *pairs[i + 1 :]]
            get(client, route, "&".join(map("=".join, changed)))
    for query in QUERIES:
        get(client, route, query)


@pytest.mark.parametrize("value", ["%00", "%ff", "<script>", "..%2f..", "é" * 2_000, "%", "a/b/c"])
def test_every_address_is_answered(value: str, client: FlaskClient) -> None:
    response = client.get("/api/v1/" + value)
    assert response.status_code == 404
    check(response, value)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_every_body_is_refused_with_what_it_should_be(body: bytes, client: FlaskClient) -> None:
    response = client.post("/api/v1/predict", data=body, content_type="application/json")
    assert response.status_code in (400, 413)
    check(response, str(body[:20]))
    expected = "1 MiB" if response.status_code == 413 else "JSON"
    assert expected in response.json["error"]["message"]


@pytest.mark.parametrize("query", QUERIES_IN_BODIES, ids=range(len(QUERIES_IN_BODIES)))
def test_every_query_in_a_body_names_a_view(
    query: str, client: FlaskClient, worker: Worker
) -> None:
    response = client.post("/api/v1/predict", json={"query": query, "retry": [], "prefetch": {}})
    assert response.status_code == 200
    check(response, query[:20])


@pytest.mark.parametrize("path", ["/", "/browse", "/metrics", "/assets/locuscope.css"])
def test_pages_take_any_query(path: str, client: FlaskClient) -> None:
    for query in QUERIES:
        response = client.get(path, environ_overrides={"QUERY_STRING": query})
        assert response.status_code == 200, query[:50]
