"""``/api/v1/junctions`` on measured introns whose reads are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.settings import Settings
from app.web import junctions_api
from app.web.server import create_app
from tests.genome.made import write_fasta, write_toml

PLACE = "genome=toy&chrom=chr1&start=0&end=1000"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    folder = tmp_path / "genome"
    folder.mkdir()
    write_fasta(folder / "reference.fa", {"chr1": "ACGT" * 500})
    lines = (f"chr1\t{100 * i}\t{100 * i + 50}\t.\t{i}\t{'+-'[i % 2]}\n" for i in range(1, 15))
    (folder / "j.bed").write_text("".join(lines))
    write_toml(folder)
    with (folder / "genome.toml").open("a") as file:
        for strand in "+-":
            file.write(
                f'[[junctions]]\npath = "j.bed"\nname = "liver"\nstrand = "{strand}"\n'
                'biosample = "liver"\n'
            )
    settings = Settings(genomes=str(folder), weights=str(tmp_path), cache_dir=tmp_path / "cache")
    return create_app(settings).server.test_client()


def row_id(client: FlaskClient) -> str:
    answer = client.get("/api/v1/view?genome=toy&model=&locus=chr1:1-1000&width=800").get_json()
    [row] = answer["rows"]
    assert (row["kind"], row["strand"]) == ("junctions", "+-")
    return row["id"]


def test_introns_of_both_strands_are_listed(client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/junctions?{PLACE}&row={row_id(client)}").get_json()
    assert answer["unit"] == "reads"
    plus, minus = sorted(answer["lists"], key=lambda one: one["strand"])
    assert (plus["part"], plus["strand"], plus["total"]) == ("observed", "+", 4)
    assert (plus["start"], plus["end"]) == ([200, 400, 600, 800], [250, 450, 650, 850])
    assert minus["value"] == [1, 3, 5, 7, 9]


def test_of_too_many_the_strongest_are_listed(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(junctions_api, "MAX_INTRONS", 2)
    answer = client.get(f"/api/v1/junctions?{PLACE}&row={row_id(client)}").get_json()
    plus = next(one for one in answer["lists"] if one["strand"] == "+")
    assert (plus["total"], plus["start"]) == (4, [600, 800])


@pytest.mark.parametrize(
    ("query", "status"),
    [(f"{PLACE}&row=nothing", 404), ("genome=toy&chrom=chr1&start=9&end=9&row=x", 400)],
)
def test_what_is_not_there_is_refused(client: FlaskClient, query: str, status: int) -> None:
    assert client.get(f"/api/v1/junctions?{query}").status_code == status
