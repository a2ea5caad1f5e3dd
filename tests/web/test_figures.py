"""The figure is geometry: every number in it can be checked."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from alphagenome.data.genome import Interval

from app.web.figures.genes import MAX_LANES, gene_traces, pack_lanes
from app.web.figures.tracks import HEADROOM, row_series, track_figure
from app.web.rows import Row
from app.web.theme import MODALITY_COLOURS, PALETTE, SIZES, css_variables, modality_colour
from models.card import MODALITIES, Track


@dataclass(frozen=True)
class Transcript:
    symbol: str
    strand: str
    start: int
    end: int
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None = None


@dataclass(frozen=True)
class Measured:
    track: Track
    predicted: str | None = None


def track(name: str, strand: str = ".", modality: str = "DNASE") -> Track:
    return Track(f"m/{modality}/{name}/{strand}", modality, name, strand, 32, "coverage")


VIEW = Interval("chr1", 1000, 2000)
REGION = Interval("chr1", 0, 3000)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "muted", "accent", "danger"])
@pytest.mark.parametrize("ground", ["paper", "panel"])
def test_text_has_a_contrast_of_at_least_four_and_a_half(mode, ink, ground):
    assert contrast(PALETTE[mode][ink], PALETTE[mode][ground]) >= 4.5


def test_every_modality_has_a_colour_on_both_grounds():
    assert set(MODALITY_COLOURS) == set(MODALITIES)
    assert all(modality_colour(m, mode).startswith("#") for m in MODALITIES for mode in PALETTE)
    assert "--modality-chip_tf:#D55E00" in css_variables()


def test_exons_are_drawn_at_their_own_bases():
    transcript = Transcript("A", "+", 1100, 1400, ((1100, 1150), (1300, 1400)))
    placed, hidden = pack_lanes([transcript], VIEW, 1.0)
    introns, coding, untranslated, right, left, labels = gene_traces(
        placed, REGION, 1.0, 6, "light"
    )
    assert hidden == 0
    assert coding["x"] == [1100, 1150, None, 1300, 1400, None]
    assert introns["x"] == [1100, 1400, None]
    assert untranslated["x"] == []
    assert left["x"] == []
    assert right["x"]
    assert all(1100 < x < 1400 for x in right["x"])
    assert labels["text"] == ["A \u203a"]


def test_exons_are_thin_outside_the_coding_region():
    transcript = Transcript("A", "-", 100, 400, ((100, 200), (300, 400)), cds=(150, 320))
    placed, _ = pack_lanes([transcript], VIEW, 1.0)
    _, coding, untranslated, *_ = gene_traces(placed, REGION, 1.0, 0, "light")
    corners = lambda trace: {x for x in trace["x"] if x is not None}  # noqa: E731
    assert corners(coding) == {150, 200, 300, 320}
    assert corners(untranslated) == {100, 150, 320, 400}


def test_overlapping_genes_never_share_a_lane():
    genes = [Transcript(f"G{i}", "+", 1000 + 40 * i, 1100 + 40 * i, ()) for i in range(20)]
    placed, hidden = pack_lanes(genes, VIEW, 0.1)
    assert hidden == 0 or len(placed) + hidden == 20
    for a in placed:
        for b in placed:
            if a is not b and a.lane == b.lane:
                one, two = sorted([a.transcript, b.transcript], key=lambda t: t.start)
                assert one.end <= two.start


def test_the_longest_genes_are_the_ones_that_find_a_lane():
    genes = [Transcript(f"G{i}", "+", 1000, 1100 + i, ()) for i in range(MAX_LANES + 3)]
    placed, _ = pack_lanes(genes, VIEW, 0.1)
    assert {p.transcript.end for p in placed} == {1103 + i for i in range(MAX_LANES)}
    assert next(p.lane for p in placed if p.transcript.end == 1108) == 0


def test_an_exon_is_never_thinner_than_a_pixel():
    transcript = Transcript("A", "+", 1000, 1900, ((1000, 1003), (1800, 1900)))
    placed, _ = pack_lanes([transcript], VIEW, 10.0)
    coding = gene_traces(placed, REGION, 10.0, 0, "light")[1]
    assert coding["x"] == [1000, 1010, None, 1800, 1900, None]


def test_genes_without_a_lane_are_counted():
    genes = [Transcript(f"G{i}", "+", 1000, 2000, ()) for i in range(MAX_LANES + 5)]
    placed, hidden = pack_lanes(genes, VIEW, 1.0)
    assert (len(placed), hidden) == (MAX_LANES, 5)


@pytest.mark.parametrize(
    ("start", "end"), [(500, 1500), (500, 1002), (1300, 1400), (1990, 2500), (500, 2500)]
)
def test_name_of_a_gene_in_view_stands_wholly_in_view(start, end):
    placed, _ = pack_lanes([Transcript("TEN_LETTER", "+", start, end, ())], VIEW, 1.0)
    label_at = placed[0].label_at
    assert VIEW.start < label_at <= VIEW.end - 10 * 6.6
    if start == 1300:
        assert label_at == start
    if start == 500:
        assert label_at == pytest.approx(VIEW.start, abs=5)


def test_names_of_genes_out_of_view_do_not_reach_into_it():
    genes = [Transcript("TEN_LETTER", "-", 980, 1000, ()), Transcript("B", "+", 2000, 2100, ())]
    (left, right), _ = pack_lanes(genes, VIEW, 1.0)
    assert left.label_at + 10 * 6.6 < VIEW.start
    assert right.label_at >= VIEW.end


def test_names_of_one_lane_do_not_overlap():
    edges = [(900 + 90 * i, 950 + 90 * i) for i in range(13)]
    genes = [Transcript(f"NAME{i:06}", "+", a, b, ()) for i, (a, b) in enumerate(edges)]
    placed, hidden = pack_lanes(genes, VIEW, 1.0)
    assert hidden == 0
    lanes: dict[int, list[float]] = {}
    for one in sorted(placed, key=lambda p: p.label_at):
        lanes.setdefault(one.lane, []).append(one.label_at)
    assert len(lanes) > 1
    assert all(b - a > 12 * 6.6 for starts in lanes.values() for a, b in pairwise(starts))


def test_stacked_row_gives_predicted_and_observed_the_same_px_for_the_same_value():
    row = Row("r", (track("a"),), (Measured(track("a")),))
    series = row_series(row, 100, "stacked")
    (predicted,) = series["predicted"]
    (observed,) = series["observed"]
    assert predicted.height == observed.height == row.height / 2 - HEADROOM
    assert predicted.base == 100 + row.height / 2
    assert observed.base == 100 + row.height


def test_mirror_hangs_the_observed_below_the_predicted():
    row = Row("r", (track("a"),), (Measured(track("a")),))
    series = row_series(row, 0, "mirror")
    assert (series["predicted"][0].sign, series["observed"][0].sign) == (1, -1)
    assert series["predicted"][0].base == series["observed"][0].base == row.height / 2


def test_strand_pair_has_plus_above_and_minus_below_one_base_line():
    row = Row("r", (track("a", "+"), track("a", "-")), ())
    plus, minus = row_series(row, 0, "stacked")["predicted"]
    assert (plus.sign, minus.sign) == (1, -1)
    assert plus.base == minus.base == row.height / 2
    assert plus.track.endswith("+")


def test_a_row_has_at_most_two_traces_and_rows_do_not_overlap():
    rows = [
        Row(f"r{i}", (track(f"a{i}", "+"), track(f"a{i}", "-")), (Measured(track(f"a{i}")),))
        for i in range(12)
    ]
    figure = track_figure(rows, [], VIEW, REGION, 1000)
    signal = [t for t in figure["data"] if "meta" in t]
    assert len(signal) == 24
    tops = [place["top"] for place in figure["geometry"]["rows"]]
    assert all(b - a == SIZES["row"] + SIZES["gap"] for a, b in pairwise(tops))
    assert figure["layout"]["height"] == figure["geometry"]["height"]
    assert figure["layout"]["width"] == 3000
    assert figure["layout"]["xaxis"]["range"] == [0, 3000]


@pytest.mark.parametrize(
    ("how", "bands"),
    [
        ("overlay", {"band": "alt:", "reference band": ""}),
        ("split", {"band": "alt:", "reference band": ""}),
        ("difference", {"difference band": "diff:"}),
        ("reference", {"reference band": ""}),
        ("alternate", {"band": "alt:"}),
    ],
)
def test_with_edits_each_way_to_compare_has_the_bands_of_what_it_draws(how, bands):
    row = Row("r", (track("a", "+"), track("a", "-")), (Measured(track("a")),))
    figure = track_figure([row], [], VIEW, REGION, 1000, edited=True, spread=True)
    assert not [t for t in figure["data"] if t.get("meta", {}).get("part", "").endswith("band")]
    drawn = {t["meta"]["part"]: t["meta"]["series"] for t in figure["compare"][how]}
    found = {part: series for part, series in drawn.items() if part.endswith("band")}
    assert found.keys() == bands.keys()
    for part, series in found.items():
        for one, predicted in zip(series, row.predicted, strict=True):
            assert one["track"] == f"high:{bands[part]}{predicted.id}"
            assert one["floor"] == f"low:{bands[part]}{predicted.id}"
            assert (one["minus"], one["only"]) == ("", "")
    # A band lies on the base line of what it belongs to.
    owner = {"band": "alternate", "reference band": "reference", "difference band": "gain"}
    for part, series in found.items():
        places = [(one["base"], one["height"], one["sign"]) for one in series]
        mine = [(one["base"], one["height"], one["sign"]) for one in drawn[owner[part]]]
        assert places == mine
