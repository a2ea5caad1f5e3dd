"""Regions and variants of a visitor are drawn one by one, in lanes, until they are too many."""

from __future__ import annotations

import io
import zipfile

import pytest
from flask.testing import FlaskClient

from app.web.figures.features import BARE_LANE_PX, LANE_PX, MAX_FEATURES
from tests.web.test_uploads import VCF, send


def seen(client: FlaskClient, text: str, name: str, locus: str = "chr1:1001-2000", more: str = ""):
    """The row of a file in a view 1,000 px wide, and what is drawn of it."""
    added = send(client, text, name).json
    query = f"genome=toy1&locus={locus}&model=&own={added['id']}&width=1000{more}"
    view = client.get(f"/api/v1/view?{query.replace('ROW', added['row'])}").json
    row = next(row for row in view["rows"] if row["id"] == added["row"])
    return view, row, view["features"].get(row["id"])


def test_overlapping_regions_lie_in_lanes_of_their_own(client):
    text = "chr1\t1100\t1500\tlong\nchr1\t1200\t1210\tshort\nchr1\t1800\t1900\tfar\n"
    _, row, drawn = seen(client, text, "a.bed")
    assert [(one["name"], one["lane"]) for one in drawn["placed"]] == [
        ("long", 0),
        ("short", 1),
        ("far", 0),
    ]
    assert row["features"]
    assert row["height"] == 56


def test_no_two_of_a_lane_overlap_with_their_labels(client):
    text = "".join(f"chr1\t{1000 + 7 * i}\t{1040 + 7 * i}\tname{i}\t0\t+\n" for i in range(40))
    _, row, drawn = seen(client, text, "a.bed")
    lanes: dict[int, float] = {}
    for one in drawn["placed"]:  # 1 bp is 1 px
        label = 5 * len(one["label"])
        start = one["start"] - (label if one["side"] == "left" else 0)
        assert start >= lanes.get(one["lane"], 0)
        lanes[one["lane"]] = one["end"] + (label if one["side"] == "right" else 0)
    assert row["height"] >= drawn["lane"] * len(lanes)


#: Two blocks and the gap between them, from 100 bp left of the view to 100 bp right of it.
BLOCKS = "0\t+\t900\t2100\t0\t2\t10,10\t0,1190"


@pytest.mark.parametrize(
    ("line", "side"),
    [
        ("900\t1400\tname", "inside"),  # from where the view begins
        ("900\t1010\tname", "right"),
        ("1980\t2100\tname", "left"),
        (f"900\t2100\tname\t{BLOCKS}", "over"),
        ("900\t1000\tname", "left"),  # out of view, on the side where it is
        ("2000\t2100\tname", "right"),
    ],
)
def test_name_stands_where_it_is_not_cut(client, line, side):
    _, _, drawn = seen(client, f"chr1\t{line}\n", "a.bed")
    assert [one["side"] for one in drawn["placed"]] == [side]


def test_names_go_before_the_regions_do(client):
    text = "".join(f"chr1\t{1000 + i}\t1500\tn{i}\n" for i in range(20))
    _, _, drawn = seen(client, text, "a.bed")
    assert drawn["lane"] == BARE_LANE_PX
    assert {one["label"] for one in drawn["placed"]} == {""}
    few = "".join(f"chr1\t{1000 + i}\t1500\tn{i}\n" for i in range(8))
    assert seen(client, few, "b.bed")[2]["lane"] == LANE_PX


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"chr1\t{1000 + i}\t1500\n" for i in range(30)),  # too many over one another
        "".join(f"chr1\t{i}\t{i + 1}\n" for i in range(MAX_FEATURES + 1)),
    ],
)
def test_too_many_are_drawn_as_how_many_overlap(client, text):
    view, row, drawn = seen(client, text, "a.bed")
    assert drawn is None
    assert not row["features"]
    traces = [
        t["meta"] for t in view["figure"]["data"] if t.get("meta", {}).get("row") == row["id"]
    ]
    assert [trace["part"] for trace in traces] == ["observed"]


def test_a_row_that_a_person_made_low_shows_how_many_overlap(client):
    text = "chr1\t1100\t1500\nchr1\t1200\t1210\n"
    _, row, drawn = seen(client, text, "a.bed", more="&style=ROW;height=20")
    assert row["height"] == 20
    assert drawn is None


def test_features_leave_no_polygon_in_the_figure(client):
    view, row, _ = seen(client, "chr1\t1100\t1500\tx\n", "a.bed")
    assert not [t for t in view["figure"]["data"] if t.get("meta", {}).get("row") == row["id"]]


def test_a_signal_has_no_features(client):
    _, row, drawn = seen(client, "chr1\t1100\t1500\t2\n", "a.bedgraph")
    assert drawn is None
    assert not row["features"]


def test_variants_carry_their_alleles(client):
    _, _, drawn = seen(client, VCF, "a.vcf", "chr1:51-1050")
    assert [(v["start"], v["label"], v["name"], v["edit"]) for v in drawn["placed"]] == [
        (100, "A>G", "", True),
        (200, "ACG>A", "rs1", True),
    ]


def test_alleles_that_cannot_be_edits_are_not_offered(client):
    lines = f"1\t301\t.\tA\t<DEL>\t.\t.\t.\n1\t401\t.\tA\t{'ACGT' * 60}\t.\t.\t.\n"
    _, _, drawn = seen(client, VCF + lines, "a.vcf", "chr1:51-1050")
    first, second = drawn["placed"][2:]
    assert (first["edit"], second["edit"]) == (False, False)
    assert len(second["alt"]) == 200
    assert second["label"] == "A>ACGTA\u2026"


def test_lines_in_view_are_exported_beside_how_many_overlap(client):
    line = "chr1\t1100\t1500\tmine\t7\t-\t1200\t1300\t255,0,0\n"
    added = send(client, f"chr1\t10\t20\tfar\n{line}", "a.bed").json
    query = f"genome=toy1&locus=chr1:1001-2000&model=&own={added['id']}&track={added['row']}"
    answer = client.get(f"/api/v1/export.zip?{query}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as zipped:
        names = zipped.namelist()
        (bed,) = (name for name in names if name.endswith(f".{added['id'][:8]}_a.bed.bed"))
        assert zipped.read(bed).decode() == line
        assert any(name.endswith(".bw") for name in names)
