"""Tracks that visitors bring: read right to the base, and harmless whatever they hold."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient

from app.errors import BadInputError
from app.genome import own_tracks
from app.genome.own_files import MAX_BYTES
from app.genome.own_tracks import OwnTracks
from tests.web.conftest import LENGTHS
from tests.web.test_tiles import unpack

VCF = (
    "##fileformat=VCF\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "1\t101\t.\tA\tG\t.\t.\t.\n1\t201\trs1\tACG\tA\t.\t.\t.\n"
)


def send(client: FlaskClient, data: bytes | str, name: str, genome: str = "toy1"):
    return client.post(
        "/api/v1/own",
        query_string={"genome": genome, "name": name},
        data=data.encode() if isinstance(data, str) else data,
        content_type="application/octet-stream",
    )


def error(client: FlaskClient, data: bytes | str, name: str, status: int = 400) -> str:
    response = send(client, data, name)
    assert response.status_code == status, response.text
    message = response.json["error"]["message"]
    for word in ("Traceback", "None", "NaN", "!", "\n"):
        assert word not in message
    return str(message)


def bases(client: FlaskClient, row: str, end: int = 1024, chromosome: str = "chr1") -> np.ndarray:
    """The values of the first bases of a chromosome, as the page gets them."""
    response = client.get(
        "/api/v1/tiles",
        query_string={
            "genome": "toy1", "chrom": chromosome, "bin": 1, "from": 0, "to": 0,
            "tracks": row.replace("%", "%25").replace(",", "%2C").replace(" ", "%20"),
        },
    )  # fmt: skip
    assert response.status_code == 200, response.text
    _, tracks = unpack(response.data)
    return next(iter(tracks.values()))[0][0][:end]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.bedGraph",
            "track type=bedGraph\nchr1\t10\t12\t1.5\n1 20 21 -2\n",
            {10: 1.5, 11: 1.5, 20: -2},
        ),
        ("a.bed", "# c\nbrowser x\nchr1\t0\t2\tx\nchr1\t1\t3\n", {0: 1, 1: 2, 2: 1}),
        (
            "a.narrowPeak",
            "chr1\t5\t8\tp\t0\t.\t7.5\t1\t1\t1\nchr1\t7\t9\tq\t0\t.\t2\t1\t1\t1\n",
            {5: 7.5, 6: 7.5, 7: 7.5, 8: 2},
        ),
        ("a.vcf", VCF, {100: 1, 200: 1, 201: 1, 202: 1}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_base_has_the_value_of_the_file(client, name, text, expected, packed):
    data = gzip.compress(text.encode()) if packed else text.encode()
    answer = send(client, data, name + (".gz" if packed else ""))
    assert answer.status_code == 200, answer.text
    found = bases(client, answer.json["row"])
    assert {i: found[i] for i in np.flatnonzero(np.isfinite(found)).tolist()} == expected


def test_last_base_of_a_chromosome_is_read_and_the_next_refused(client):
    row = send(client, "chr2\t8999\t9000\t4\n", "end.bg").json["row"]
    response = client.get(
        "/api/v1/tiles",
        query_string={
            "genome": "toy1", "chrom": "chr2", "bin": 1, "from": 8, "to": 8, "tracks": row
        },
    )  # fmt: skip
    values = next(iter(unpack(response.data)[1].values()))[0][0]
    assert np.flatnonzero(np.isfinite(values)).tolist() == [8999 - 8192]
    message = error(client, "chr2\t8999\t9001\t4\n", "end.bg")
    assert "Line 1 reaches 9,001" in message
    assert "another assembly" in message


def test_bigwig_is_a_row_of_the_view(client, tmp_path):
    path = tmp_path / "x.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(LENGTHS.items()))
        file.addEntries(["chr1"], [100], ends=[103], values=[2.5])
    answer = send(client, path.read_bytes(), "C:\\data\\my signal.bigWig").json
    assert answer["name"] == "my signal.bigWig"
    link = f"genome=toy1&locus=chr1:1-1000&model=&own={answer['id']}"
    view = client.get(f"/api/v1/view?{link}&width=500").json
    assert [row["id"] for row in view["rows"]][-1] == answer["row"]
    assert f"own={answer['id']}" in view["query"]
    assert view["notices"] == []
    found = bases(client, answer["row"])
    assert {i: found[i] for i in np.flatnonzero(np.isfinite(found))} == {
        100: 2.5,
        101: 2.5,
        102: 2.5,
    }
    groups = client.get(f"/api/v1/tracks?genome=toy1&own={answer['id']}").json["groups"]
    assert groups[-1]["modality"] == "OWN"


def test_bigwig_of_another_assembly_is_refused(client, tmp_path):
    path = tmp_path / "x.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 248_956_422)])
        file.addEntries(["chr1"], [100], ends=[103], values=[2.5])
    message = error(client, path.read_bytes(), "x.bw")
    assert "another assembly" in message
    assert message.startswith("x.bw")
    assert "cut off" in error(client, path.read_bytes()[:-4], "x.bw")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.exe", b"MZ", "must end in"),
        ("x", b"chr1\t1\t2\n", "must end in"),
        ("x.bed", b"", "no line"),
        ("x.bed.gz", gzip.compress(b""), "no line"),
        ("x.bw", b"", "damaged"),
        ("x.vcf", b"", "##fileformat=VCF"),
        ("x.vcf", VCF.partition("1\t101")[0].encode(), "no line"),
        ("x.bedgraph", b"chr1\t1\t2\n", "Line 1 has 3 columns"),
        ("x.narrowPeak", b"chr1\t1\t2\tp\t0\t+\n", "Line 1 has 6 columns"),
        ("x.bed", gzip.compress(b"\x89PNG\0"), "Line 1 is no text"),
        ("x.bed", b"chr1\t99999\t100001\n", "chr1 ends at 100,000"),
        ("x.bed", b"chr1\t1\n", "Line 1 has 2 columns"),
        ("x.bed", b"#\nchr1\t-5\t2\n", "Line 2: “-5” is no position"),
        ("x.bed", b"chr1\t9\t9\n", "Line 1 ends at or before its start"),
        ("x.bed", b"chr1\t1e3\t2000\n", "no position"),
        ("x.bed", "chr1\t\u0661\t2000\n".encode(), "no position"),
        ("x.bed", b"chr9\t1\t2\n", "no chromosome of this genome"),
        ("x.bed", b"\x89PNG\r\n\x1a\n\0\0", "Line 1 has 1 columns"),
        ("x.bed", b"chr1\t1\t2\n\0\0", "Line 2 is no text"),
        ("x.bedgraph", b"chr1\t1\t2\tnan\n", "“nan” is no number"),
        ("x.bedgraph", b"chr1\t1\t2\t1e999\n", "is no number"),
        ("x.bedgraph", b"chr1\t1\t5\t1\nchr1\t4\t6\t1\n", "Two lines have a value for chr1:5"),
        ("x.bed.gz", gzip.compress(b"chr1\t1\t2\n" * 99)[:-9], "damaged"),
        ("x.vcf", b"chr1\t1\t2\n", "##fileformat=VCF"),
        ("x.vcf", VCF.encode() + b"1\tx\ty\n", "cannot be read"),
        ("x.bw", b"garbage" * 99, "damaged"),
        ("x.bw", b"\x26\xfc\x8f\x88" * 99, "damaged"),
    ],
)
def test_garbage_is_explained(client, name, data, says):
    assert says in error(client, data, name)


def test_a_file_that_unpacks_without_end_is_refused(client):
    bomb = gzip.compress(b"chr1\t1\t2" + b" " * 50_000_000 + b"\n")
    assert len(bomb) < 100_000
    error(client, bomb, "x.bed.gz", 413)
    lines = gzip.compress(b"#\n" * 2_000_001)
    error(client, lines, "x.bed.gz", 413)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("../../x.bed", "chr1\t1\t2\n")
    assert "text" in error(client, packed.getvalue(), "x.bed")


def test_a_million_lines_are_read(client):
    n = 1_000_000
    text = "".join(f"chr1\t{i % 99_000}\t{i % 99_000 + 3}\n" for i in range(n))
    answer = send(client, text, "many.bed")
    assert answer.status_code == 200, answer.text
    assert answer.json["lines"] == n
    depth = np.zeros(100_000)
    for i in range(99_000):
        depth[i : i + 3] += n // 99_000 + (i < n % 99_000)
    assert bases(client, answer.json["row"]).tolist() == depth[:1024].tolist()


@pytest.mark.parametrize("length", [MAX_BYTES + 1, 2**40])
def test_a_file_too_large_is_refused_unread(client, length):
    response = client.post(
        "/api/v1/own?genome=toy1&name=x.bw",
        content_type="application/octet-stream",
        environ_overrides={"CONTENT_LENGTH": str(length)},
    )
    assert response.status_code == 413
    assert "64 MiB" in response.json["error"]["message"]


class Endless(io.RawIOBase):
    """A body of a gigabyte that is made as it is read, and counts how much of it was."""

    size = 2**30
    line = b"chr1\t11\t12\t1.000\n"
    read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        n = min(len(buffer), self.size - self.read_bytes)
        skip = self.read_bytes % len(self.line)
        buffer[:n] = (self.line * (n // len(self.line) + 2))[skip : skip + n]
        self.read_bytes += n
        return n


def test_a_gigabyte_that_does_not_say_how_long_it_is_is_read_up_to_the_limit(client, settings):
    body = Endless()
    tracemalloc.start()
    response = client.post(
        "/api/v1/own?genome=toy1&name=x.bed",
        content_type="application/octet-stream",
        environ_overrides={"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 413, response.text
    assert "64 MiB" in response.json["error"]["message"]
    assert body.read_bytes <= MAX_BYTES + 2**20
    assert peak < 3 * MAX_BYTES
    assert kept_files(settings) == []


def test_lines_in_any_order_and_with_any_end_are_the_same_track(client):
    lines = ["1\t20\t22", "chr1\t5\t6", "chr1\t9\t21"]
    texts = ["\n".join(lines), "\r\n".join(reversed(lines)), "\n\n" + "\n".join(lines) + "\r\n\r\n"]
    found = [
        bases(client, send(client, text, f"{i}.bed").json["row"]) for i, text in enumerate(texts)
    ]
    expected = {5: 1, **dict.fromkeys(range(9, 22), 1), 20: 2}
    for values in found:
        assert {i: values[i] for i in np.flatnonzero(np.isfinite(values)).tolist()} == expected


def test_lines_of_unknown_chromosomes_are_counted_and_said(client):
    answer = send(client, "chr1\t1\t2\nchrUn_x\t1\t2\n7\t1\t2\n", "x.bed").json
    assert answer["lines"] == 1
    assert answer["note"] == "2 lines are on other chromosomes and were left out."


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd.bed", "<img src=x onerror=alert(1)>.bed", "a,b;c%2F&d=e.bed", "é\u202e.bed"],
)
def test_names_mean_nothing_but_a_name(client, settings, name):
    answer = send(client, "chr1\t1\t2\n", name)
    assert answer.status_code == 200, answer.text
    for letter in "<>/\\&;,%\u202e":
        assert letter not in answer.json["name"]
    assert np.flatnonzero(np.isfinite(bases(client, answer.json["row"]))).tolist() == [1]
    kept = {p.relative_to(settings.cache_dir / "own").parts[0] for p in kept_files(settings)}
    assert kept == {answer.json["id"]}


def kept_files(settings) -> list[Path]:
    return [path for path in (settings.cache_dir / "own").rglob("*") if path.is_file()]


def test_nothing_is_kept_of_what_was_refused(client, settings):
    error(client, b"chr1\tx\ty\n", "x.bed")
    assert kept_files(settings) == []


def test_what_others_brought_cannot_be_listed(client):
    id_ = send(client, "chr1\t1\t2\n", "x.bed").json["id"]
    assert client.get("/api/v1/own").status_code in (404, 405)
    assert id_ not in client.get("/api/v1/tracks?genome=toy1").text
    assert id_ not in client.get("/api/v1/genomes").text
    assert id_ not in client.get("/api/v1/view?genome=toy1&model=").text


@pytest.mark.parametrize("id_", ["0" * 32, "..", "../own", "x", "a" * 5000])
def test_unknown_tracks_are_a_notice_and_the_view_stands(client, id_):
    view = client.get("/api/v1/view", query_string={"genome": "toy1", "model": "", "own": id_})
    assert view.status_code == 200
    assert "Load its file again" in " ".join(view.json["notices"])
    tiles = client.get(
        "/api/v1/tiles",
        query_string={
            "genome": "toy1", "chrom": "chr1", "bin": 1, "from": 0, "to": 0,
            "tracks": f"own/{id_}/x/.".replace("%", "%25"),
        },
    )  # fmt: skip
    assert tiles.status_code == 404


def test_the_oldest_go_when_there_is_no_room(client, settings, monkeypatch):
    first = send(client, "chr1\t1\t2\n", "first.bed").json["id"]
    second = send(client, "chr1\t1\t2\n", "second.bed").json["id"]
    folder = settings.cache_dir / "own"
    os.utime(folder / first, (1, 1))
    size = sum(path.stat().st_size for path in kept_files(settings))
    monkeypatch.setattr(own_tracks, "KEPT_BYTES", size + 1)
    third = send(client, "chr1\t1\t2\n", "third.bed").json["id"]
    assert {path.name for path in folder.iterdir()} == {second, third}


def test_the_same_file_is_kept_once_and_another_genome_refuses_it(client, settings):
    one, other = (send(client, "chr1\t1\t2\n", "x.bed").json["id"] for _ in range(2))
    assert one == other
    about = settings.cache_dir / "own" / one / "about.json"
    about.write_text(about.read_text().replace('"genome": "', '"genome": "other'))
    view = client.get(f"/api/v1/view?genome=toy1&model=&own={one}")
    assert "loaded for another genome" in " ".join(view.json["notices"])


def test_form_posts_of_other_pages_are_refused(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = client.post(
            "/api/v1/own?genome=toy1&name=x.bed", data=b"chr1\t1\t2\n", content_type=kind
        )
        assert response.status_code == 400


def test_no_address_is_fetched_unless_its_host_is_allowed(client):
    for url in ("https://example.org/x.bed", "http://127.0.0.1:6379/", "file:///etc/passwd"):
        answer = client.post("/api/v1/own-address", json={"genome": "toy1", "url": url})
        assert answer.status_code == 400
        assert "Traceback" not in answer.text
    assert (
        "Allowed here: none"
        in client.post(
            "/api/v1/own-address", json={"genome": "toy1", "url": "https://example.org/x.bed"}
        ).json["error"]["message"]
    )


def test_program_of_a_view_says_where_own_tracks_come_from(client, settings, bundle):
    """The path of an uploaded file is left to the person; of an address with a query, which may
    hold a secret, only the name is told."""
    ids = [send(client, "chr1\t1\t2\n", "x.bed").json["id"]]
    own = OwnTracks(settings.cache_dir / "own")
    data = b"chr1\t1\t3\n"
    for address in ("https://example.org/a/y.bed", "https://example.org/z.bed?token=hunter2"):
        name = address.partition("?")[0].rpartition("/")[2]
        ids.append(own.add(data, name, bundle, address)[0])
    query = "genome=toy1&locus=chr1:1-1000&model=&biosample=EFO:0002067"
    query += "".join(f"&own={id_}" for id_ in ids)
    program = client.get(f"/api/v1/export.py?{query}").text
    names = {}
    exec(program[program.index("OWN = {") : program.index("# Introns")], names)
    assert names["OWN"] == {
        f"own/{ids[0]}/x.bed/.": "x.bed",
        f"own/{ids[1]}/y.bed/.": "https://example.org/a/y.bed",
        f"own/{ids[2]}/z.bed/.": "z.bed",
    }
    assert program.count("put the path of this file here") == 2
    assert "hunter2" not in program
    compile(program, "view.py", "exec")


def test_programs_read_own_tracks_by_path_and_addresses_of_the_open_internet_alone(
    tmp_path, bundle
):
    own = OwnTracks(tmp_path / "own")
    file = tmp_path / "a.bed"
    file.write_text("chr1\t1\t3\nchr1\t2\t4\n")
    values = own.read(str(file), bundle).values(Interval("chr1", 0, 6))
    np.testing.assert_array_equal(values, [np.nan, 1, 2, 1, np.nan, np.nan])
    with pytest.raises(BadInputError, match="not on the open internet"):
        own.read("https://127.0.0.1/a.bed", bundle)
